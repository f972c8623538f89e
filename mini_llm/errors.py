"""Everything that can go wrong, as one tree. Facts about a kind of failure stand on its class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class MiniLLMError(Exception):
    """The root: `message` says what happened and to whom, `hint` what to do next.

    `status` is the HTTP status a gateway answers with, `exit_code` the command line's,
    `code` a stable word for machines, `retryable` whether another target may do better.
    Where it broke off an answer being written, `answer_id` is that answer's id and `events` how many were written.
    """

    status: int = 500
    exit_code: int = 1
    code: str = "internal_error"
    retryable: ClassVar[bool] = False
    answer_id: str = ""
    events: int = 0

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(MiniLLMError):
    """The caller asked for something that makes no sense."""

    status = 400
    exit_code = 2
    code = "invalid_request"


class ConfigError(MiniLLMError):
    """A setting is wrong. `problems` holds every one found, each as `file:line:column: what`."""

    exit_code = 2
    code = "invalid_config"

    def __init__(self, message: str, *, hint: str = "", problems: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class CredentialError(MiniLLMError):
    """A secret is missing, unreadable, or bound to another origin."""

    status = 502
    exit_code = 4
    code = "no_credential"


class NoProviderError(CredentialError):
    """Nothing is configured that could answer."""

    code = "no_provider"

    def __init__(self) -> None:
        super().__init__("No AI wallet configured.", hint=WAYS_OUT)


WAYS_OUT = """\
Quick start with passy.ai (recommended):
  mini-llm login

Or configure your own providers:
  export OPENAI_API_KEY=sk-..."""


class UnknownModelError(MiniLLMError):
    """No configured provider, alias or route has this name. `nearest` are names that look like it."""

    status = 404
    exit_code = 7
    code = "model_not_found"

    def __init__(self, message: str, *, hint: str = "", nearest: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.nearest = tuple(nearest)


class TranslationError(MiniLLMError):
    """The target's dialect cannot express `field` (its path in the caller's request)."""

    status = 400
    exit_code = 2
    code = "not_expressible"

    def __init__(self, message: str, *, field: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field


class BudgetError(MiniLLMError):
    """A budget or the credits do not cover this request.

    The facts, in nano-dollars where known: `limit`, `spent`, `held` for requests under way, and the Unix time
    `resets_at` at which the budget starts anew.
    """

    status = 402
    exit_code = 6
    code = "insufficient_quota"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        limit: int | None = None,
        spent: int | None = None,
        held: int | None = None,
        resets_at: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.limit = limit
        self.spent = spent
        self.held = held
        self.resets_at = resets_at


class PriceUnknownError(BudgetError):
    """A budget binds the request, and nobody knows what it would cost: it is refused rather than taken for free."""

    status = 400
    code = "price_unknown"


class LedgerError(MiniLLMError):
    """The ledger can't be read or written."""

    status = 503
    code = "ledger_unavailable"


class UpstreamError(MiniLLMError):
    """A provider did not answer as it should. What dispatch does about it stands on the class:

    `again` is the wait in seconds (least, most) before the same target is asked once more, None for never;
    `blame` is how much of a failure it is for the target's health: 0, 0.5 or 1;
    `parks` is how long, in seconds, the credential rests.
    """

    status = 502
    exit_code = 5
    code = "upstream_error"
    retryable = True
    again: ClassVar[tuple[float, float] | None] = None
    blame: ClassVar[float] = 1.0
    parks: ClassVar[float] = 0.0

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        provider: str = "",
        upstream_status: int = 0,
        retry_after: float | None = None,
        body: bytes = b"",
        request_id: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.provider = provider
        self.upstream_status = upstream_status
        self.retry_after = retry_after
        self.body = body
        self.request_id = request_id
        self.attempts = 0  # that were made before this was told


class NetworkError(UpstreamError):
    """Connection refused, no such host, unreachable: nothing was sent."""

    code = "upstream_unreachable"


class ResetByPeerError(NetworkError):
    """The connection broke. `reused`: it was an old one from the pool; `answered`: a byte had come back."""

    code = "upstream_reset"
    again = (0.0, 0.0)

    def __init__(
        self, message: str, *, hint: str = "", provider: str = "", reused: bool = False, answered: bool = False
    ) -> None:
        super().__init__(message, hint=hint, provider=provider)
        self.reused = reused
        self.answered = answered


class TLSError(NetworkError):
    """The certificate or the handshake is wrong. Never retried insecurely."""

    code = "upstream_tls"


class DeadlineError(UpstreamError):
    """A phase took too long: `connect`, `first byte`, `silence` or `total`."""

    status = 504
    code = "upstream_timeout"

    def __init__(self, message: str, *, phase: str, hint: str = "", provider: str = "") -> None:
        super().__init__(message, hint=hint, provider=provider)
        self.phase = phase


class ProtocolError(UpstreamError):
    """What came back is not what the protocol allows: bad HTTP, bad SSE, bad JSON, a limit passed."""

    code = "upstream_protocol"


class NotAnAPIError(ProtocolError):
    """A web page answered: a captive portal, a proxy, a wrong address."""

    code = "upstream_not_api"


class TruncatedError(ProtocolError):
    """The stream ended without saying that it was done."""

    code = "upstream_truncated"


class NoSpliceError(UpstreamError):
    """An answer that was to go on where another broke off does not fit to what was sent of that."""

    code = "upstream_no_splice"
    blame = 0.0


class ServerError(UpstreamError):
    """500, 502, 503, 504 and their like."""

    code = "upstream_server_error"
    again = (0.2, 0.5)


class OverloadedError(ServerError):
    """The provider has too much to do (Anthropic's 529)."""

    status = 503
    code = "overloaded"
    blame = 0.5


class RateLimitError(UpstreamError):
    """The provider asks us to slow down; `retry_after` in seconds if it said how long."""

    status = 429
    code = "rate_limited"
    again = (0.5, 1.0)
    blame = 0.0


class QuotaError(UpstreamError):
    """This account has no credit left (402, or 429 with `insufficient_quota`)."""

    status = 402
    exit_code = 6
    code = "insufficient_quota"
    blame = 0.0
    parks = 900.0


class AuthError(UpstreamError):
    """The provider refused our key. The caller's own key is fine, so it sees 502."""

    exit_code = 4
    code = "upstream_auth"
    blame = 0.0
    parks = 600.0


class RejectedError(UpstreamError):
    """The provider says the request itself is wrong (400, 404, 413, 422): no other target is asked."""

    status = 400
    code = "invalid_request"
    retryable = False
    blame = 0.0


class ContextLengthError(RejectedError):
    """The prompt is too long for this model; one with a larger window may take it."""

    code = "context_length_exceeded"
    retryable = True


class ModelMissingError(RejectedError):
    """The provider does not have this model."""

    status = 404
    exit_code = 7
    code = "model_not_found"
    retryable = True


class ContentFilterError(RejectedError):
    """The provider's filter refused; final unless the route says otherwise."""

    code = "content_filter"


class AllTargetsFailedError(UpstreamError):
    """Every target of the route was tried or out. `failures` holds each one's error, in order."""

    status = 503
    code = "all_targets_failed"
    retryable = False

    def __init__(self, failures: Sequence[UpstreamError], *, message: str = "", hint: str = "") -> None:
        last = failures[-1] if failures else None
        told = "; ".join(dict.fromkeys(f"{error.provider or 'provider'}: {error.message}" for error in failures))
        waits = [error.retry_after for error in failures if error.retry_after is not None]
        super().__init__(
            message or f"every target failed: {told}",
            hint=hint or (last.hint if last else ""),
            provider=last.provider if last else "",
            upstream_status=last.upstream_status if last else 0,
            retry_after=min(waits) if waits else None,
        )
        self.failures = tuple(failures)
        statuses = {error.status for error in failures}
        self.status = statuses.pop() if len(statuses) == 1 else 503
        exit_codes = {error.exit_code for error in failures}
        self.exit_code = exit_codes.pop() if len(exit_codes) == 1 else UpstreamError.exit_code
