"""Errors as Google's APIs tell them."""

from __future__ import annotations

import orjson

from mini_llm.errors import MiniLLMError, TranslationError, UpstreamError
from mini_llm.types import Json

_STATUSES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 402: "RESOURCE_EXHAUSTED", 403: "PERMISSION_DENIED",
    404: "NOT_FOUND", 408: "DEADLINE_EXCEEDED", 409: "ABORTED", 413: "INVALID_ARGUMENT", 422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
_TYPE = "type.googleapis.com/google.rpc."


def encode_error(error: MiniLLMError, *, request_id: str) -> Json:
    """Return the body that tells *error*."""
    usual = "INVALID_ARGUMENT" if 400 <= error.status < 500 else "INTERNAL"
    message = f"{error.message}\n{error.hint}" if error.hint else error.message
    details: list[Json] = [{"@type": f"{_TYPE}ErrorInfo", "reason": error.code.upper(), "domain": "mini-llm"}]
    if isinstance(error, TranslationError):
        violation = {"field": error.field, "description": error.message}
        details.append({"@type": f"{_TYPE}BadRequest", "fieldViolations": [violation]})
    if isinstance(error, UpstreamError) and error.retry_after is not None:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{error.retry_after:g}s"})
    if request_id:
        details.append({"@type": f"{_TYPE}RequestInfo", "requestId": request_id})
    status = _STATUSES.get(error.status, usual)
    return {"error": {"code": error.status, "message": message, "status": status, "details": details}}


def encode_error_event(error: MiniLLMError, *, request_id: str) -> bytes:
    """Return the event that ends a stream that failed; nothing before it holds a finish reason."""
    return b"data: %b\n\n" % orjson.dumps(encode_error(error, request_id=request_id))
