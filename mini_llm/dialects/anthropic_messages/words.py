"""Words of the messages API that both directions share."""

from __future__ import annotations

from mini_llm.dialects.refusing import Refusing
from mini_llm.types import Effort, FinishReason

NAME = "anthropic_messages"
CANNOT = Refusing(NAME, "Anthropic messages")
EFFORTS: dict[str, Effort] = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
FINISHED: dict[str, FinishReason] = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls",
    "refusal": "refusal", "pause_turn": "pause", "model_context_window_exceeded": "length",
}  # fmt: skip
TOLD: dict[FinishReason, str] = {
    "stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "refusal": "refusal",
    "content_filter": "refusal", "pause": "pause_turn",
}  # fmt: skip
