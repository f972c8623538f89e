"""Words of the messages API that both directions share."""

from __future__ import annotations

import orjson

from mini_llm.types import Effort, FinishReason, Json

NAME = "anthropic_messages"
EFFORTS: dict[str, Effort] = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
FINISHED: dict[str, FinishReason] = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls",
    "refusal": "refusal", "pause_turn": "pause", "model_context_window_exceeded": "length",
}  # fmt: skip
TOLD: dict[FinishReason, str] = {
    "stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "refusal": "refusal",
    "content_filter": "refusal", "pause": "pause_turn",
}  # fmt: skip
# `input` must be an object. Arguments that are none (cut off, or badly made by a model) stand under this name in it.
MALFORMED = "malformed_arguments"


def input_of(arguments: str) -> Json:
    """Return the `input` of a tool call from its arguments as JSON text."""
    try:
        value = orjson.loads(arguments) if arguments.strip() else {}
    except orjson.JSONDecodeError:
        return {MALFORMED: arguments}
    return value if isinstance(value, dict) else {MALFORMED: arguments}
