"""Ollama's own chat endpoint: https://docs.ollama.com/api/chat (2026-11)."""

from __future__ import annotations

from collections.abc import Mapping

from mini_llm.dialects.failures import decode as decode_error
from mini_llm.dialects.ollama.lines import events
from mini_llm.dialects.ollama.read_answer import decode_response, decode_stream
from mini_llm.dialects.ollama.words import NAME
from mini_llm.dialects.ollama.write_request import encode_request

__all__ = ["HEADERS", "NAME", "decode_error", "decode_response", "decode_stream", "encode_request", "events", "path"]

HEADERS: Mapping[str, str] = {}


def path(model: str, *, stream: bool) -> str:
    """Return where requests go below a provider's base URL."""
    return "/chat"
