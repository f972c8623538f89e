"""OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import Mapping

from mini_llm.dialects.failures import decode as decode_error
from mini_llm.dialects.openai_responses.errors import encode_error, encode_error_event
from mini_llm.dialects.openai_responses.read_request import decode_request
from mini_llm.dialects.openai_responses.read_stream import decode_stream
from mini_llm.dialects.openai_responses.response import decode_response, encode_response
from mini_llm.dialects.openai_responses.write_request import encode_request
from mini_llm.dialects.openai_responses.write_stream import encode_stream
from mini_llm.sse import events

__all__ = [
    "HEADERS",
    "NAME",
    "decode_error",
    "decode_request",
    "decode_response",
    "decode_stream",
    "encode_error",
    "encode_error_event",
    "encode_request",
    "encode_response",
    "encode_stream",
    "events",
    "path",
]

NAME: str = "openai_responses"
HEADERS: Mapping[str, str] = {}


def path(model: str, *, stream: bool) -> str:
    """Return where requests go below a provider's base URL."""
    return "/responses"
