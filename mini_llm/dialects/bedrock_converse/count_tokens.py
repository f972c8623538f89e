"""`CountTokens` of the Bedrock runtime, for a Converse request. As recorded, 2026-11."""

from __future__ import annotations

from mini_llm.dialects import counted
from mini_llm.dialects.bedrock_converse.write_request import encode_request as encode_chat
from mini_llm.types import ChatRequest, Json, Usage

__all__ = ["PATH", "decode_response", "encode_request"]

PATH = "/model/{model}/count-tokens"
COUNTED = ("messages", "system", "toolConfig")


def encode_request(request: ChatRequest) -> Json:
    """Return the body that counts all of *request*, its system prompt and tools included."""
    body = encode_chat(request)
    return {"input": {"converse": {name: body[name] for name in COUNTED if name in body}}}


def decode_response(body: Json) -> Usage:
    """Return the count, as the input of a request that has no output yet."""
    return counted.usage(body, "inputTokens")
