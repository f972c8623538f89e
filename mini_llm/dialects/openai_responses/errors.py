"""Errors as the Responses API tells them: the body of chat completions, and `response.failed` inside a stream."""

from __future__ import annotations

import time

import orjson

from mini_llm.dialects.openai_chat.errors import encode_error
from mini_llm.errors import (
    BudgetError,
    ContentFilterError,
    ContextLengthError,
    MiniLLMError,
    QuotaError,
    RateLimitError,
    UpstreamError,
)

__all__ = ["encode_error", "encode_error_event"]


def encode_error_event(error: MiniLLMError, *, request_id: str) -> bytes:
    """Return the event that ends a stream that failed. It takes up the answer's id and numbering where it broke off."""
    said = f"{error.message}\n{error.hint}" if error.hint else error.message
    code = _code(error)
    wait = error.retry_after if isinstance(error, UpstreamError) and code == "rate_limit_exceeded" else None
    if wait is not None and "try again in" not in said:
        # Codex reads the wait from these words, and from nothing else.
        said = f"{said.rstrip('.')}. Please try again in {wait:g}s."
    response = {
        "id": error.answer_id or request_id or "resp_failed",
        "object": "response",
        "created_at": int(time.time()),
        "status": "failed",
        "model": "",
        "output": [],
        "error": {"code": code, "message": said},
        "incomplete_details": None,
        "usage": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    body = {"type": "response.failed", "sequence_number": error.events, "response": response}
    return b"event: response.failed\ndata: %b\n\n" % orjson.dumps(body)


def _code(error: MiniLLMError) -> str:
    """Return OpenAI's code. Codex asks again for all but the first three."""
    if isinstance(error, ContextLengthError):
        return "context_length_exceeded"
    if isinstance(error, (QuotaError, BudgetError)) or error.status == 402:
        return "insufficient_quota"
    if isinstance(error, ContentFilterError) or 400 <= error.status < 429:
        return "invalid_prompt"
    if isinstance(error, RateLimitError) or error.status == 429:
        return "rate_limit_exceeded"
    return "server_error"
