"""Errors of Bedrock: their type stands in a header, or in a frame of the stream."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from mini_llm.dialects import failures, loose
from mini_llm.errors import UpstreamError
from mini_llm.types import Json

# What each stands for: the status it came with says less, and in a stream there is none.
# https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html (2026-11)
_STATUS = {
    "accessdeniedexception": 403, "unrecognizedclientexception": 403, "expiredtokenexception": 403,
    "invalidsignatureexception": 403, "validationexception": 400, "resourcenotfoundexception": 404,
    "throttlingexception": 429, "servicequotaexceededexception": 429, "modelnotreadyexception": 503,
    "modeltimeoutexception": 504, "modelerrorexception": 502, "modelstreamerrorexception": 502,
    "internalserverexception": 500, "serviceunavailableexception": 503,
}  # fmt: skip


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """Return the error that a failed answer stands for."""
    kind = headers.get("x-amzn-errortype", "").partition(":")[0]
    try:
        told = loose.object_of(orjson.loads(body))
    except orjson.JSONDecodeError:
        told = {}
    kind = kind or loose.text(told.get("__type")).rpartition("#")[2]
    message = loose.text(loose.first(told, "message", "Message"))
    if message:
        body = orjson.dumps({"message": message})
    error = failures.decode(_STATUS.get(kind.lower(), status), headers, body)
    error.upstream_status = status
    return error


def exception(kind: str, told: Json) -> UpstreamError:
    """Return the error that a frame of the type *kind* tells in the middle of a stream."""
    message = loose.text(loose.first(told, "message", "Message", "originalMessage"))
    return failures.inside({"error": {"message": message or kind, "code": _STATUS.get(kind.lower(), 500)}})
