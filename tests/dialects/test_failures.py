"""What failed answers mean."""

from __future__ import annotations

import json

import pytest

from mini_llm import errors
from mini_llm.dialects import failures

NOW = 1_792_000_000.0  # 2026-10-14 17:46:40 UTC


def decode(status: int, body: object, **headers: str) -> errors.UpstreamError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return failures.decode(status, named, raw, now=lambda: NOW)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0), ("1", 1.0), ("2.5", 2.5), (" 3 ", 3.0), ("120", 120.0), ("121", 120.0), ("86400", 120.0),
        ("-5", 0.0), ("1e400", None), ("nan", None), ("inf", None), ("", None), ("soon", None), ("12s", None),
        ("Wed, 14 Oct 2026 17:46:50 GMT", 10.0), ("Wed, 14 Oct 2026 17:46:30 GMT", 0.0),
        ("Thu, 15 Oct 2026 17:46:40 GMT", 120.0), ("Wed, 99 Oct 2026 17:46:50 GMT", None), ("Wed", None),
        ("\u0661", 1.0),
    ],
)  # fmt: skip
def test_retry_after_is_read_in_every_form(value: str, seconds: float | None) -> None:
    assert decode(429, {"error": {"message": "slow"}}, retry_after=value).retry_after == seconds


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry_after_ms": "1500", "retry_after": "9"}, {}, 1.5),
        ({"retry_after_ms": "x", "retry_after": "9"}, {}, 9.0),
        ({"retry_after_ms": "-1"}, {}, 0.0),
        ({"retry_after": "0"}, {"error": {"message": "try again in 9s"}}, 0.0),
        ({}, {"error": {"message": "Please try again in 1.2s. Visit"}}, 1.2),
        ({}, {"error": {"message": "Please try again in 250ms."}}, 0.25),
        ({}, {"error": {"message": "Please try again in 1m30s."}}, 90.0),
        ({}, {"error": {"message": "Please try again in 7m12s."}}, 120.0),
        ({}, {"error": {"message": "Please try again later."}}, None),
        ({}, {"error": {"message": "slow", "details": [{"@type": "x"}, {"retryDelay": "21s"}]}}, 21.0),
        ({}, [{"error": {"message": "slow", "details": [{"retryDelay": "3.5s"}]}}], 3.5),
        ({}, {"error": {"message": "slow", "metadata": {"retry_after": 4}}}, 4.0),
    ],
)
def test_the_wait_is_found_wherever_it_is_told(headers: dict[str, str], body: object, seconds: float | None) -> None:
    error = decode(429, body, **headers)
    assert isinstance(error, errors.RateLimitError)
    assert error.retry_after == seconds


def openai(message: str, code: object = None, kind: str = "invalid_request_error") -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic(kind: str, message: str) -> dict[str, object]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


GEMINI_TOO_LONG = "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."
GEMINI_KEY = {"message": "API key not valid. Please pass a valid API key.", "details": [{"reason": "API_KEY_INVALID"}]}
GEMINI_LIMIT = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota"}
NO_DEVELOPER = "Unsupported value: 'messages[0].role' does not support 'developer' with this model."
NO_SUCH_MODEL = "The model `x` does not exist or you do not have access to it."
INVALID = "invalid_request_error"
LIMIT = "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, openai("maximum context length is 8192 tokens", "context_length_exceeded"), "ContextLengthError"),
        (400, anthropic(INVALID, "prompt is too long: 9 tokens > 8 maximum"), "ContextLengthError"),
        (400, {"error": {"code": 400, "message": GEMINI_TOO_LONG}}, "ContextLengthError"),
        (400, openai("Please reduce the length of the messages or completion."), "ContextLengthError"),
        (413, anthropic("request_too_large", "Request exceeds the maximum size"), "RejectedError"),
        (400, anthropic(INVALID, "Your credit balance is too low to access the Anthropic API."), "QuotaError"),
        (402, {"error": {"message": "Insufficient Balance"}}, "QuotaError"),
        (429, openai("You exceeded your current quota", "insufficient_quota", "insufficient_quota"), "QuotaError"),
        (429, {"error": GEMINI_LIMIT}, "RateLimitError"),
        (429, openai("Rate limit reached", LIMIT, "tokens"), "RateLimitError"),
        (429, b"<html>too many</html>", "RateLimitError"),
        (413, openai("Request too large for model on tokens per minute", LIMIT, "tokens"), "RateLimitError"),
        (529, anthropic("overloaded_error", "Overloaded"), "OverloadedError"),
        (503, anthropic("overloaded_error", "Overloaded"), "OverloadedError"),
        (498, openai("capacity exceeded", "capacity_exceeded"), "OverloadedError"),
        (500, anthropic("api_error", "Internal server error"), "ServerError"),
        (504, b"", "ServerError"),
        (503, b"upstream connect error", "ServerError"),
        (408, openai("timeout"), "ServerError"),
        (409, openai("conflict"), "ServerError"),
        (401, openai("Incorrect API key provided", "invalid_api_key"), "AuthError"),
        (403, {"error": {"message": "Forbidden"}}, "AuthError"),
        (400, {"error": GEMINI_KEY}, "AuthError"),
        (404, openai(NO_SUCH_MODEL, "model_not_found"), "ModelMissingError"),
        (404, openai(NO_SUCH_MODEL), "ModelMissingError"),
        (404, anthropic("not_found_error", "model: claude-x"), "ModelMissingError"),
        (404, {"error": "model 'llama3:8b' not found"}, "ModelMissingError"),
        (404, {"detail": "Not Found"}, "RejectedError"),
        (404, b"404 page not found", "RejectedError"),
        (400, openai(NO_DEVELOPER, "unsupported_value"), "RejectedError"),
        (400, openai("The response was filtered", "content_filter"), "ContentFilterError"),
        (400, {"error": {"innererror": {"code": "ResponsibleAIPolicyViolation"}}}, "ContentFilterError"),
        (403, {"error": {"code": 403, "metadata": {"reasons": ["violence"]}}}, "ContentFilterError"),
        (422, {"detail": [{"loc": ["body", "messages"], "msg": "field required"}]}, "RejectedError"),
        (400, openai("bad"), "RejectedError"),
        (502, b"<!DOCTYPE html><html>", "NotAnAPIError"),
        (200, b" <html>", "NotAnAPIError"),
        (404, b"  <html>", "NotAnAPIError"),
        (302, b"", "ProtocolError"),
    ],
)
def test_each_failure_has_its_class(status: int, body: object, kind: str) -> None:
    error = decode(status, body)
    assert type(error).__name__ == kind, error.message
    assert error.upstream_status == status
    if kind == "RejectedError":
        assert error.status == status


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "one"}}, "one"),
        ({"error": "two"}, "two"),
        ({"detail": "three"}, "three"),
        ({"detail": [{"loc": ["body", "n"], "msg": "four"}, {"msg": "five"}]}, "body.n: four; five"),
        ({"object": "error", "message": "six"}, "six"),
        ([{"error": {"message": "seven"}}], "seven"),
        ({"errors": [{"message": "eight"}], "success": False}, "eight"),
        ({"error": {"message": "nine", "metadata": {"raw": "because"}}}, "nine: because"),
        (b"plain\n  words", "plain words"),
        (b"", "the provider answered with 400 and said nothing"),
        ({"error": {"message": "x" * 2000}}, "x" * 499 + "…"),
    ],
)
def test_the_providers_own_words_are_told(body: object, message: str) -> None:
    assert decode(400, body).message == message


def test_the_request_id_is_kept() -> None:
    assert decode(400, openai("x"), x_request_id="req_a").request_id == "req_a"
    assert decode(400, anthropic("api_error", "x"), request_id="req_b").request_id == "req_b"
    assert decode(400, anthropic("api_error", "x")).request_id == "req_1"


def test_json_with_the_wrong_label_is_still_read() -> None:
    assert decode(400, openai("bad"), content_type="text/html").message == "bad"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ({"error": {"message": "x", "code": 429}}, errors.RateLimitError, 429),
        ({"error": {"message": "x", "type": "server_error"}}, errors.ServerError, 500),
        ({"error": {"message": "x", "type": "invalid_request_error", "status_code": 400}}, errors.RejectedError, 400),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, errors.OverloadedError, 529),
        ({"error": "x"}, errors.ServerError, 500),
        ({"error": {"message": "x", "code": "context_length_exceeded"}}, errors.ContextLengthError, 500),
    ],
)
def test_an_error_inside_a_200_finds_its_class(
    body: dict[str, object], kind: type[errors.UpstreamError], status: int
) -> None:
    error = failures.inside(body)
    assert type(error) is kind
    assert error.upstream_status == status
    assert json.loads(error.body) == body
