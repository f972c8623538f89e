"""OpenAI's Responses API."""

from __future__ import annotations

from collections.abc import Mapping

from mini_llm.dialects.failures import decode as decode_error
from mini_llm.dialects.openai_responses.errors import encode_error, encode_error_event
from mini_llm.dialects.openai_responses.read_request import decode_request
from mini_llm.dialects.openai_responses.read_stream import decode_stream
from mini_llm.dialects.openai_responses.response import decode_response, encode_response
from mini_llm.dialects.openai_responses.usage import decode_usage
from mini_llm.dialects.openai_responses.write_request import encode_request
from mini_llm.dialects.openai_responses.write_rest import encode_rest
from mini_llm.dialects.openai_responses.write_stream import encode_stream
from mini_llm.sse import events
from mini_llm.types import Json, Usage

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
    "encode_rest",
    "encode_stream",
    "events",
    "glance",
    "path",
    "used",
]

NAME: str = "openai_responses"
HEADERS: Mapping[str, str] = {}


def path(model: str, *, stream: bool) -> str:
    """Return where requests go below a provider's base URL."""
    return "/responses"


def glance(body: Json) -> Usage | None:
    """Return what a whole answer used, and read no more of it. Raises as `decode_response` for what looks like none."""
    if body.get("status") == "completed" and not body.get("error"):
        return used(body)
    return decode_response(body).usage


def used(body: Json) -> Usage | None:
    """Return what an answer says that it used."""
    return decode_usage(body.get("usage"), body)
