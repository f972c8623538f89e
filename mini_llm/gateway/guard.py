"""Who may ask: the Host a request names, the Origin it comes from, the token it carries."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import NamedTuple

from mini_llm.errors import MiniLLMError
from mini_llm.gateway.request import Request

SLOTS = ("authorization", "x-api-key", "x-goog-api-key", "api-key")


class Caller(NamedTuple):
    """Who a token stands for, and the tool it was made for."""

    name: str
    tool: str


NOBODY = Caller("", "")


class GuardError(MiniLLMError):
    """A request that is not let in."""

    def __init__(self, status: int, message: str, *, code: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


class Guard:
    """Let in what names one of *hosts* and carries a token whose SHA-256 is in *tokens*."""

    def __init__(
        self, hosts: Collection[str], tokens: Mapping[bytes, Caller], *, origins: Collection[str] = ()
    ) -> None:
        self._hosts = frozenset(hosts)
        self._tokens = tokens
        self._origins = frozenset(origins)

    def check_origin(self, request: Request) -> None:
        """Refuse a Host that is not ours, and an Origin that is not known."""
        if "host" in request.doubled or request.headers.get("host", "") not in self._hosts:
            raise GuardError(421, "this Host is not served here", code="wrong_host")
        if request.headers.get("origin", "") not in ("", *self._origins):
            raise GuardError(403, "this Origin may not ask here", code="wrong_origin")

    def check_caller(self, request: Request, access: str) -> Caller:
        """Return who asks. Raises GuardError for nobody we know, unless *access* is open."""
        if access == "open":
            return NOBODY
        found = {request.headers[slot].removeprefix("Bearer ") for slot in SLOTS if slot in request.headers}
        if len(found) > 1:
            raise GuardError(400, "two different credentials came", code="two_credentials")
        digest = sha256(found.pop().encode()).digest() if found else b""
        for known, caller in self._tokens.items():
            if hmac.compare_digest(known, digest):
                return caller
        raise GuardError(401, "the gateway's token is missing or wrong", code="unauthorized")
