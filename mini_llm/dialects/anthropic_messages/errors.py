"""Errors as the messages API tells them."""

from __future__ import annotations

import orjson

from mini_llm.errors import ContextLengthError, MiniLLMError, OverloadedError
from mini_llm.types import Json

_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 422: "invalid_request_error", 429: "rate_limit_error",
    504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip
# Claude Code shortens its conversation when it reads these words, and only then.
_TOO_LONG = "prompt is too long"


def encode_error(error: MiniLLMError, *, request_id: str) -> Json:
    """Return the body that tells *error*."""
    kind = _TYPES.get(error.status, "invalid_request_error" if 400 <= error.status < 500 else "api_error")
    if isinstance(error, OverloadedError):
        kind = "overloaded_error"
    message = f"{error.message}\n{error.hint}" if error.hint else error.message
    if isinstance(error, ContextLengthError) and _TOO_LONG not in message:
        message = f"{_TOO_LONG}: {message}"
    body: Json = {"type": "error", "error": {"type": kind, "message": message}}
    return body | ({"request_id": request_id} if request_id else {})


def encode_error_event(error: MiniLLMError, *, request_id: str) -> bytes:
    """Return the event that ends a stream that failed; no `message_stop` follows it."""
    return b"event: error\ndata: %b\n\n" % orjson.dumps(encode_error(error, request_id=request_id))
