"""`/messages/count_tokens`: how long a prompt would be.

https://docs.claude.com/en/api/messages-count-tokens (2026-11)
"""

from __future__ import annotations

from mini_llm.dialects import counted
from mini_llm.dialects.anthropic_messages.read_request import decode_request
from mini_llm.dialects.anthropic_messages.write_request import encode_request as encode_chat
from mini_llm.types import ChatRequest, Json, Usage

__all__ = ["PATH", "decode_request", "decode_response", "encode_request", "encode_response"]

PATH = "/messages/count_tokens"
# What shapes the prompt; the endpoint refuses every other field.
COUNTED = ("model", "messages", "system", "tools", "tool_choice", "thinking")


def encode_request(request: ChatRequest) -> Json:
    """Return the body that counts all of *request*, its system prompt and tools included."""
    body = encode_chat(request)
    return {name: body[name] for name in COUNTED if name in body}


def decode_response(body: Json) -> Usage:
    """Return the count, as the input of a request that has no output yet."""
    return counted.usage(body, "input_tokens")


def encode_response(usage: Usage) -> Json:
    """Write the count for a caller."""
    return {"input_tokens": usage.input_tokens}
