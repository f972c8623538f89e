"""Anthropic's messages API."""

from __future__ import annotations

from collections.abc import Mapping

from mini_llm.dialects.anthropic_messages.errors import encode_error, encode_error_event
from mini_llm.dialects.anthropic_messages.read_request import decode_request
from mini_llm.dialects.anthropic_messages.read_stream import decode_stream
from mini_llm.dialects.anthropic_messages.response import decode_response, encode_response
from mini_llm.dialects.anthropic_messages.usage import decode_usage
from mini_llm.dialects.anthropic_messages.write_request import encode_request
from mini_llm.dialects.anthropic_messages.write_stream import encode_rest, encode_stream
from mini_llm.dialects.failures import decode as decode_error
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

NAME: str = "anthropic_messages"
HEADERS: Mapping[str, str] = {"anthropic-version": "2023-06-01"}


def path(model: str, *, stream: bool) -> str:
    """Return where requests go below a provider's base URL."""
    return "/messages"


def glance(body: Json) -> Usage | None:
    """Return what a whole answer used, and read no more of it. Raises as `decode_response` for what looks like none."""
    if body.get("type") == "message" and body.get("stop_reason"):
        return used(body)
    return decode_response(body).usage


def used(body: Json) -> Usage | None:
    """Return what an answer says that it used."""
    return decode_usage(body.get("usage"))
