"""Tokens that run out: renewed in time, by one process of this machine for all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from mini_llm.config import Paths, files, origin_of
from mini_llm.credentials import Credentials
from mini_llm.errors import CredentialError, UpstreamError
from mini_llm.wallet import tokens
from mini_llm.wallet.logins import Login, Logins
from mini_llm.wallet.service import LOGIN, SECONDS, Service
from mini_llm.wallet.tokens import SignedOutError, Tokens

PART = 0.8  # of a token's life, after which it is renewed


class Ask(Protocol):
    """What exchanges a refresh token for new tokens."""

    def __call__(self, endpoint: str, refresh: str) -> Tokens:
        """Return them. Raises SignedOutError, or UpstreamError where the service could not be asked."""


class Renewal:
    """The access tokens of this home's logins; `credentials` asks here for `wallet:NAME`.

    Its calls wait for the network, so they belong into a thread.
    """

    def __init__(
        self,
        credentials: Credentials,
        paths: Paths,
        environ: Mapping[str, str],
        *,
        now: Callable[[], float] = time.time,
        ask: Ask | None = None,
    ) -> None:
        self._credentials = credentials
        self._logins = Logins(paths.home)
        self._lock = paths.home / "wallet-renewal"
        self._environ = environ
        self._now = now
        self._ask = ask or self._over_network
        self._renew_at: dict[str, float] = {}
        self._given: dict[str, str] = {}
        self._refused: dict[str, str] = {}

    def find(self, name: str) -> tuple[str, str]:
        """Return the access token of the login called *name* and the origin it is for. Raises CredentialError."""
        token = self._current(self._login(name))
        if not token:
            with files.locked(self._lock, limit=3 * SECONDS):
                login = self._login(name)  # another process may have been here before us
                token = self._current(login) or self._renewed(login)
        login = self._login(name)
        self._renew_at[name] = login.renew_at
        self._given[name] = token
        if self._refused.get(name) != token:
            self._refused.pop(name, None)
        return token, origin_of(login.api)

    def stamp(self, name: str) -> object:
        """Return what stays the same while the token that `find` gave last is still the one to use. Reads one stat."""
        renew_at = self._renew_at.get(name)
        if renew_at is None or name in self._refused or (renew_at and self._now() >= renew_at):
            return object()
        try:
            return self._logins.file.stat().st_mtime_ns
        except OSError:
            return object()

    def refused(self, name: str) -> None:
        """Note that the service refused the token that was given last: the next one must be another."""
        if token := self._given.get(name):
            self._refused[name] = token

    def _login(self, name: str) -> Login:
        login = self._logins.get(name)
        if login is None:
            raise CredentialError(f"{self._logins.file} knows no login called {name}", hint=LOGIN)
        if login.over:
            raise SignedOutError(f"the login of {login.label} is over", hint=LOGIN)
        return login

    def _current(self, login: Login) -> str:
        """Return the token that is kept, "" if it is time for a new one."""
        if login.renew_at and self._now() >= login.renew_at:
            return ""
        token = self._stored(login.key, login.api)
        return "" if token == self._refused.get(login.name) else token

    def _renewed(self, login: Login) -> str:
        """Ask for new tokens and keep them: the refresh token first, as the old one is worth nothing from now on."""
        try:
            got = self._ask(login.token, self._stored(login.refresh, login.token))
        except SignedOutError:
            self._logins.put(replace(login, over=True))  # nobody need ask again
            raise
        except UpstreamError:
            if self._now() < login.expires_at and login.name not in self._refused:
                return self._stored(login.key, login.api)  # it still holds for a while
            raise
        insecure = login.key.startswith("file:")
        if got.refresh:
            kept = self._credentials.store(
                renewing(login.name), got.refresh, origin=origin_of(login.token), insecure=insecure
            )
            login = replace(login, refresh=kept.reference)
            self._logins.put(login)
        kept = self._credentials.store(login.name, got.access, origin=origin_of(login.api), insecure=insecure)
        expires_at, renew_at = times(got, self._now())
        self._logins.put(replace(login, key=kept.reference, expires_at=expires_at, renew_at=renew_at))
        return got.access

    def _stored(self, reference: str, url: str) -> str:
        origin = origin_of(url)
        self._credentials.refresh(reference)
        return self._credentials.find(reference, origin=origin).reveal(origin)

    def _over_network(self, endpoint: str, refresh: str) -> Tokens:
        async def asked() -> Tokens:
            async with Service.open(self._environ) as service:
                return await tokens.renew(service, endpoint, refresh)

        return asyncio.run(asked())


def renewing(name: str) -> str:
    """Return the name of the secret that renews the login called *name*."""
    return f"{name}/renews"


def times(got: Tokens, now: float) -> tuple[float, float]:
    """Return when tokens run out and when they are to be renewed, 0 for never."""
    return (now + got.expires_in, now + got.expires_in * PART) if got.expires_in else (0.0, 0.0)
