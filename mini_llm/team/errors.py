"""What can go wrong in a team, each with the HTTP status it is answered with."""

from __future__ import annotations

from mini_llm.errors import MiniLLMError, UsageError


class StoreError(MiniLLMError):
    """The team's file can't be read or written."""

    status = 503
    code = "store_unavailable"


class InvalidError(UsageError):
    """What was entered can't be taken: `message` says which field, and why."""


class InvalidClientError(InvalidError):
    """No program of that name may log in here (RFC 6749)."""

    status = 401
    code = "invalid_client"


class InvalidScopeError(InvalidError):
    """What was asked for is nothing that can be had (RFC 6749)."""

    code = "invalid_scope"


class ForbiddenError(MiniLLMError):
    """This member may not do that."""

    status = 403
    code = "forbidden"


class RightsError(ForbiddenError):
    """A key was to have rights that its maker has not; `excess` names them: models, budget, expiry, scopes."""

    code = "rights_exceeded"

    def __init__(self, message: str, *, hint: str = "", excess: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.excess = excess


class MissingError(MiniLLMError):
    """There is no such thing in this team, or it is gone."""

    status = 404
    code = "not_found"


class ConflictError(MiniLLMError):
    """It is there already, or it was done before with other figures."""

    status = 409
    code = "conflict"


class TooManyTriesError(MiniLLMError):
    """Too many wrong guesses; `retry_after` seconds until the next is looked at."""

    status = 429
    code = "rate_limited"

    def __init__(self, message: str, *, retry_after: float, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
