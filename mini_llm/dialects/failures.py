"""What a failed answer means: any provider's status, headers and body become one class of errors.py."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from mini_llm.dialects import loose, surrogates
from mini_llm.errors import (
    AuthError,
    ContentFilterError,
    ContextLengthError,
    ModelMissingError,
    NotAnAPIError,
    OverloadedError,
    ProtocolError,
    QuotaError,
    RateLimitError,
    RejectedError,
    ServerError,
    UpstreamError,
)
from mini_llm.types import Json

LONGEST_MESSAGE = 500
LONGEST_READ = 10_000  # what a message means stands at its beginning; to search a megabyte takes half a second
LONGEST_WAIT = 120.0

QUOTA = frozenset({"insufficient_quota", "billing_error", "billing_hard_limit_reached", "billing_not_active",
                   "insufficient_balance", "insufficient_credits", "payment_required", "billing_disabled"})  # fmt: skip
CONTEXT = frozenset({"context_length_exceeded", "exceed_context_size_error", "model_max_prompt_tokens_exceeded",
                     "max_tokens_exceeded", "context_window_exceeded"})  # fmt: skip
FILTERED = frozenset({"content_filter", "content_policy_violation", "responsibleaipolicyviolation",
                      "content_filter_error", "data_inspection_failed", "safety", "prohibited_content",
                      "image_content_policy_violation", "bio_policy", "cyber_policy",
                      "misalignment_policy_violation"})  # fmt: skip
MISSING = frozenset({"model_not_found", "invalid_model", "deploymentnotfound", "model_not_available",
                     "model_not_supported", "unknown_model", "model_not_allowed"})  # fmt: skip
AUTH = frozenset({"invalid_api_key", "api_key_invalid", "authentication_error", "permission_error", "unauthorized",
                  "permission_denied", "unauthenticated"})  # fmt: skip
LIMITED = frozenset({"rate_limit_exceeded", "rate_limit_error", "too_many_requests", "resource_exhausted"})
BUSY = frozenset({"overloaded_error", "overloaded", "engine_overloaded", "server_overloaded", "capacity_exceeded",
                  "insufficient_system_resource", "server_is_overloaded", "slow_down"})  # fmt: skip
# The status an error stands for when it came inside a 200 and names none.
STATUS_OF = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504,
    "overloaded_error": 529, "invalid_argument": 400, "unavailable": 503,
    # `response.failed` of the Responses API (openai-python's ResponseError, 2026-11).
    "rate_limit_exceeded": 429, "invalid_prompt": 400, "invalid_image": 400, "invalid_image_format": 400,
    "invalid_base64_image": 400, "invalid_image_url": 400, "image_too_large": 400, "image_too_small": 400,
    "image_parse_error": 400, "invalid_image_mode": 400, "image_file_too_large": 400, "empty_image_file": 400,
    "unsupported_image_media_type": 400, "failed_to_download_image": 400, "image_file_not_found": 400,
}  # fmt: skip

# Wordings of OpenAI, Anthropic, llama.cpp, Gemini, Mistral, vLLM, Bedrock, Cohere (recordings and their documentation).
_TOO_LONG = re.compile(
    r"prompt is too long|maximum context length|context (?:length|window|size)|input is too long|"
    r"reduce the length of (?:the|your) (?:messages|prompt|input)|exceeds the maximum number of tokens|"
    r"too many (?:input )?tokens in|input tokens? exceed|exceeds? the (?:model'?s )?(?:token|context) limit",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(
    r"credit balance is too low|insufficient (?:credits?|balance|funds|quota)|out of credits|no credits? left|"
    r"quota exceeded for metric: [^\n]{0,200}, limit: 0\b",
    re.IGNORECASE,
)
_NO_MODEL = re.compile(
    r"^model: \S|\bmodels?\b[^,;]{0,90}? (?:does not exist|(?:is )?not found|is not (?:supported|available|a valid)|"
    r"identifier is invalid)|(?:unknown|invalid|no such) model|not a valid model",
    re.IGNORECASE,
)
_BAD_KEY = re.compile(
    r"api key (?:not valid|is invalid|expired)|(?:invalid|incorrect) api key|user location is not supported",
    re.IGNORECASE,
)
_OVERLOADED = re.compile(r"\bmodel is (?:currently )?overloaded", re.IGNORECASE)
_FLAGGED = re.compile(r"content (?:management|filtering) policy|flagged (?:by|for) .{0,40}moderation", re.IGNORECASE)
_TRY_AGAIN = re.compile(
    r"(?:try again|retry) (?:in|after) (?:(\d{1,6})m(?!s))?\s*(?:(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s))?", re.IGNORECASE
)
_PAGE = re.compile(rb"\s*<(?:!doctype|html|head|body|\?xml)", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)s")


def decode(
    status: int, headers: Mapping[str, str], body: bytes, *, now: Callable[[], float] = time.time
) -> UpstreamError:
    """Return the error that this answer with a status other than 2xx stands for."""
    parsed = _parsed(body)
    labelled = headers.get("content-type", "").startswith("text/html")
    if parsed is None and status != 429 and (labelled or _PAGE.match(body)):
        return NotAnAPIError(f"a web page answered with {status}", upstream_status=status, body=body)
    told = _Told(parsed)
    plain = "" if isinstance(parsed, (dict, list)) else body.decode("utf-8", "replace")
    kind = _kind(status, told)
    message = _shortened(told.message or plain) or f"the provider answered with {status} and said nothing"
    wait = _retry_after(headers, now)
    return _made(
        kind,
        message,
        status=status,
        retry_after=_told_wait(kind, parsed, message) if wait is None else wait,
        body=body,
        request_id=_request_id(headers, parsed),
    )


def inside(body: Json) -> UpstreamError:
    """Return the error for *body*, an error object that came in a 200 or as an event of a stream."""
    told = _Told(body)
    status = told.status or next((STATUS_OF[word] for word in told.words if word in STATUS_OF), 500)
    kind = _kind(status, told)
    message = _shortened(told.message) or "the provider sent an error that says nothing"
    return _made(
        kind,
        message,
        status=status,
        retry_after=_told_wait(kind, body, message),
        body=_written(body),
        request_id=_request_id({}, body),
    )


def retry_after(value: str, now: Callable[[], float] = time.time) -> float | None:
    """Return the seconds that a `Retry-After` asks for, at most 120: a number or an HTTP date. None for garbage."""
    try:
        seconds = float(value)
    except ValueError:
        from email.utils import parsedate_to_datetime  # costs 10 ms to load; only a date in this header needs it

        try:
            seconds = parsedate_to_datetime(value).timestamp() - now()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return min(max(seconds, 0.0), LONGEST_WAIT) if math.isfinite(seconds) else None


class _Told:
    """What an error body says: its message, the words that classify it (lower case), and a status if it has one."""

    def __init__(self, body: object) -> None:
        outer = loose.object_of(body[0] if isinstance(body, list) and body else body)
        listed = loose.objects(outer.get("errors"))
        error = outer.get("error")
        inner = error if isinstance(error, dict) else listed[0] if listed else outer
        metadata = loose.object_of(inner.get("metadata"))
        said = [_words_of(loose.first(inner, "message", "msg", "detail", "error", "error_description"))]
        if raw := loose.text(metadata.get("raw")):
            said.append(raw)
        self.message = (": ".join(part for part in said if part) or _words_of(error))[:LONGEST_READ]
        self.words = {
            word.lower()
            for source in (inner, loose.object_of(inner.get("innererror")), loose.object_of(inner.get("details")))
            for word in (source.get("code"), source.get("type"), source.get("status"), source.get("reason"))
            if isinstance(word, str)
        }
        for detail in loose.objects(inner.get("details")):
            self.words.add(loose.text(detail.get("reason")).lower())
            limits = (loose.text(violation.get("quotaId")) for violation in loose.objects(detail.get("violations")))
            if any("PerDay" in limit for limit in limits):  # Google: nothing more today
                self.words.add("insufficient_quota")
        if metadata.get("flagged_input") or metadata.get("reasons"):
            self.words.add("content_filter")
        self.status = next(filter(None, map(_as_status, (inner, outer))), 0)


def _as_status(source: Json) -> int:
    for name in ("status_code", "status", "code", "raw_status_code"):
        value = source.get(name)
        number = int(value) if isinstance(value, str) and re.fullmatch(r"[1-5]\d\d", value) else value
        if type(number) is int and 400 <= number <= 599:
            return number
    return 0


def _words_of(value: object) -> str:
    """Return the human text of a message that may be a string, FastAPI's list, or an object with one inside."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, (_words_of(item) for item in value[:5] if not isinstance(item, list))))
    if isinstance(value, dict):
        place = ".".join(str(step) for step in value.get("loc", ()) or ()) if isinstance(value.get("loc"), list) else ""
        said = loose.text(loose.first(value, "message", "msg", "detail", "error"))
        return f"{place}: {said}" if place and said else said
    return ""


def _kind(status: int, told: _Told) -> type[UpstreamError]:
    """Return the class for what was told. Words a machine wrote count before words for people."""
    words, message = told.words, told.message
    client_error = 400 <= status < 500
    if status == 402 or words & QUOTA or (client_error and _NO_CREDIT.search(message)):
        return QuotaError
    if words & CONTEXT or (status in (400, 413, 422) and _TOO_LONG.search(message)):
        return ContextLengthError
    if words & FILTERED or (client_error and _FLAGGED.search(message)):
        return ContentFilterError
    if words & MISSING or (status in (400, 404, 422) and _NO_MODEL.search(message)):
        return ModelMissingError
    if status in (401, 403) or words & AUTH or (status == 400 and _BAD_KEY.search(message)):
        return AuthError
    # 498: Groq's flex tier has no capacity. Google tells an overload from other 503s in words alone.
    if status in (498, 529) or words & BUSY or (status == 503 and _OVERLOADED.search(message)):
        return OverloadedError
    if status == 429 or (client_error and words & LIMITED):
        return RateLimitError
    # 408, 409 and 425 pass by themselves; the official SDKs retry them too.
    if status >= 500 or status in (408, 409, 425, 499):
        return ServerError
    return RejectedError if client_error else ProtocolError


def _made(kind: type[UpstreamError], message: str, *, status: int, **facts: Any) -> UpstreamError:
    error = kind(message, upstream_status=status, **facts)
    if kind is RejectedError:
        error.status = status
    return error


def _retry_after(headers: Mapping[str, str], now: Callable[[], float]) -> float | None:
    try:
        milliseconds = float(headers.get("retry-after-ms", ""))
    except ValueError:
        milliseconds = math.nan
    if math.isfinite(milliseconds):
        return min(max(milliseconds / 1000, 0.0), LONGEST_WAIT)
    value = headers.get("retry-after", "")
    return retry_after(value, now) if value else None


def _told_wait(kind: type[UpstreamError], body: object, message: str) -> float | None:
    """Return the wait a rate limit names in its body: Google's RetryInfo, a number, or its words."""
    if not issubclass(kind, (RateLimitError, OverloadedError)):
        return None
    outer = loose.object_of(body[0] if isinstance(body, list) and body else body)
    inner = loose.object_of(outer.get("error")) or outer
    for detail in loose.objects(inner.get("details")):
        if found := _DURATION.fullmatch(loose.text(detail.get("retryDelay"))):
            return retry_after(found[1])
    for source in (inner, loose.object_of(inner.get("metadata")), outer):
        if type(source.get("retry_after")) in (int, float):
            return retry_after(str(source["retry_after"]))
    if (found := _TRY_AGAIN.search(message)) and (found[1] or found[2]):
        unit = 0.001 if (found[3] or "").lower() == "ms" else 1.0
        return min(60.0 * int(found[1] or 0) + unit * float(found[2] or 0), LONGEST_WAIT)
    return None


def _request_id(headers: Mapping[str, str], body: object) -> str:
    for name in ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid", "mistral-correlation-id"):
        if found := headers.get(name, ""):
            return found
    return loose.text(loose.object_of(body).get("request_id"))


def _written(body: Json) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:  # nested too deeply; the message was found all the same
        return b""


def _parsed(body: bytes) -> object:
    try:
        return surrogates.loads(body)
    except orjson.JSONDecodeError:
        return None


def _shortened(message: str) -> str:
    folded = " ".join(message[: 4 * LONGEST_MESSAGE].split())
    return folded if len(folded) <= LONGEST_MESSAGE else folded[: LONGEST_MESSAGE - 1] + "…"
