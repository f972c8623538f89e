"""Cohere's chat, version 2: https://docs.cohere.com/reference/chat (2026-11)."""

from __future__ import annotations

from collections.abc import Mapping

from mini_llm.dialects.cohere.read_answer import decode_response
from mini_llm.dialects.cohere.read_stream import decode_stream
from mini_llm.dialects.cohere.words import NAME
from mini_llm.dialects.cohere.write_request import encode_request
from mini_llm.dialects.failures import decode as decode_error
from mini_llm.sse import events

__all__ = ["HEADERS", "NAME", "decode_error", "decode_response", "decode_stream", "encode_request", "events", "path"]

HEADERS: Mapping[str, str] = {}


def path(model: str, *, stream: bool) -> str:
    """Return where requests go below a provider's base URL."""
    return "/chat"
