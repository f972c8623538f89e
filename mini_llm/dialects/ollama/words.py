"""Words of Ollama's chat that both directions share."""

from __future__ import annotations

from mini_llm.types import FinishReason

NAME: str = "ollama"
# "load" and "unload" answer a request without messages.
FINISHED: dict[str, FinishReason] = {"stop": "stop", "length": "length", "load": "stop", "unload": "stop"}
