"""Errors as chat completions tell them."""

from __future__ import annotations

import orjson

from mini_llm.errors import MiniLLMError, TranslationError
from mini_llm.types import Json

_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "insufficient_quota", 403: "permission_error",
    404: "invalid_request_error", 413: "invalid_request_error", 422: "invalid_request_error", 429: "rate_limit_error",
}  # fmt: skip
_CODES = {"rate_limited": "rate_limit_exceeded", "invalid_request": None}


def encode_error(error: MiniLLMError, *, request_id: str) -> Json:
    """Return the body that tells *error*."""
    said = {
        "message": f"{error.message}\n{error.hint}" if error.hint else error.message,
        "type": _TYPES.get(error.status, "invalid_request_error" if 400 <= error.status < 500 else "server_error"),
        "param": error.field if isinstance(error, TranslationError) else None,
        "code": _CODES.get(error.code, error.code),
    }
    return {"error": said, "request_id": request_id} if request_id else {"error": said}


def encode_error_event(error: MiniLLMError, *, request_id: str) -> bytes:
    """Return the event that ends a stream that failed; no `[DONE]` follows it."""
    return b"data: %b\n\n" % orjson.dumps(encode_error(error, request_id=request_id))
