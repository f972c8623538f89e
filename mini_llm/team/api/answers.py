"""How the rooms of the wallet protocol answer: JSON that nobody keeps, and errors in the words of each standard."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson

from mini_llm import dialects
from mini_llm.errors import (
    ConfigError,
    CredentialError,
    MiniLLMError,
    OverloadedError,
    QuotaError,
    UnknownModelError,
    UpstreamError,
)
from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Fields, Responder
from mini_llm.gateway.state import Tell
from mini_llm.types import NOTHING

JSON = ("content-type", "application/json")
NO_STORE = ("cache-control", "no-store")
LARGEST_FORM = 16 * 1024
MOST_FIELDS = 30
# What RFC 6749 lets stand in an `error_description`.
_UNFIT = re.compile(r'[^ -~]|["\\]')
# What the protocol calls a failure, where that is told by its status alone.
_TYPES = {401: "invalid_api_key", 429: "rate_limited"}


class OAuthError(MiniLLMError):
    """A request for a token that is refused; `code` is one of RFC 6749 §5.2 or RFC 8628 §3.5."""

    status = 400

    def __init__(self, code: str, message: str, *, status: int = 400, interval: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.interval = interval


class WalletError(MiniLLMError):
    """A failure of which the protocol wants more told than words: `facts` stand beside them."""

    facts: Mapping[str, Any]

    def __init__(self, message: str, *, hint: str = "", facts: Mapping[str, Any] = NOTHING) -> None:
        super().__init__(message, hint=hint)
        self.facts = facts


class UnknownKeyError(WalletError):
    """The API key is missing, wrong, revoked or over."""

    status = 401
    code = "invalid_api_key"

    def __init__(self) -> None:
        super().__init__("the API key is missing, wrong, or no longer good", hint="run `mini-llm login`")


class CreditsError(WalletError):
    """The team's credits do not cover a request."""

    status = 402
    exit_code = 6
    code = "insufficient_credits"


class BudgetExceededError(WalletError):
    """A budget of the team, the member or the key does not cover a request."""

    status = 402
    exit_code = 6
    code = "budget_exceeded"


class ModelNotAllowedError(WalletError):
    """The key may not use this model."""

    status = 403
    code = "model_not_allowed"


class ScopeError(WalletError):
    """The key may not do this at all."""

    status = 403
    code = "insufficient_scope"


def send(
    responder: Responder, exchange: Exchange, body: object, *, status: int = 200, fields: Fields = (NO_STORE,)
) -> None:
    """Answer with *body* as JSON."""
    exchange.dialect = ""
    responder.send(status, [JSON, *fields, ("x-passy-request-id", exchange.id)], orjson.dumps(body))


def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form. Raises OAuthError for one that could be read twice (RFC 6749 §3.2)."""
    if len(request.body) > LARGEST_FORM:
        raise OAuthError("invalid_request", "the form is too large", status=413)
    try:
        pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise OAuthError("invalid_request", "this is no form") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise OAuthError("invalid_request", "a field came more than once")
    return fields


def tell_oauth(error: MiniLLMError, exchange: Exchange) -> tuple[int, Fields, bytes]:
    """Tell *error* as RFC 6749 §5.2 wants it."""
    code = error.code if isinstance(error, OAuthError) else _oauth_code(error.status)
    body: dict[str, object] = {"error": code, "error_description": _UNFIT.sub("'", error.message)}
    if isinstance(error, OAuthError) and error.interval:
        body["interval"] = error.interval
    return error.status, [JSON, NO_STORE], orjson.dumps(body)


def tell_in(dialect: str) -> Tell:
    """Return how the protocol tells errors to callers of *dialect*: in its form, with our word for what went wrong."""
    encode = dialects.get(dialect).encode_error

    def tell(error: MiniLLMError, exchange: Exchange) -> tuple[int, Fields, bytes]:
        error = for_members(error)
        body = encode(error, request_id=exchange.id)
        if kind := _type(error):
            body["error"]["type"] = kind
        if isinstance(error, WalletError):
            body["error"] |= error.facts
        return status_of(error), [JSON, ("x-passy-request-id", exchange.id)], orjson.dumps(body)

    return tell


def for_members(error: MiniLLMError) -> MiniLLMError:
    """Return *error* as a member is told it: what the server's operator has to mend is not theirs to mend."""
    if isinstance(error, CredentialError | ConfigError):
        return UpstreamError("the team has no provider that could answer this", hint="tell your team's admin")
    if isinstance(error, UnknownModelError):
        return UnknownModelError(error.message, hint="`mini-llm models` lists what your team has")
    return error


def status_of(error: MiniLLMError) -> int:
    """Return the status a member sees: what a provider has against the team's own key is not the member's affair."""
    return 502 if isinstance(error, UpstreamError) and error.status in (401, 402, 403) else error.status


def instant(seconds: float | None) -> str | None:
    """Return a time as RFC 3339 writes it, None for never."""
    return None if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _type(error: MiniLLMError) -> str:
    """Return the protocol's word for *error*, "" where it has none."""
    if isinstance(error, WalletError):
        return error.code
    status = status_of(error)
    if isinstance(error, OverloadedError) or (status == 503 and not isinstance(error, UpstreamError)):
        return "overloaded"
    if status >= 500 or isinstance(error, QuotaError):
        return "upstream_error"
    return _TYPES.get(status, "")


def _oauth_code(status: int) -> str:
    return "temporarily_unavailable" if status in (429, 503) else "server_error" if status >= 500 else "invalid_request"
