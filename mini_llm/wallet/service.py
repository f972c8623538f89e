"""Ask a wallet service over HTTP: every answer is bounded in size and time, no redirect is followed, no netrc read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlencode

import orjson

from mini_llm._version import __version__
from mini_llm.credentials import Secret, origin_of
from mini_llm.errors import (
    AuthError,
    NetworkError,
    NotAnAPIError,
    ProtocolError,
    QuotaError,
    RateLimitError,
    ServerError,
)
from mini_llm.transport import Headers, Resolve, Timeouts, Transport
from mini_llm.types import Json
from mini_llm.wallet.addresses import host_of

SECONDS = 10.0  # for one answer, from the first step to its last byte
SMALL = 64 << 10
PROXIES = ("https_proxy", "http_proxy", "all_proxy")
LOGIN = "run `mini-llm login`"


class Answer(NamedTuple):
    """What came back, whole."""

    status: int
    headers: Headers
    body: bytes
    host: str

    def object(self) -> Json:
        """Return the JSON object that the body is. Raises ProtocolError for anything else."""
        try:
            found = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            if b"<html" in self.body[:1024].lower():
                raise NotAnAPIError(f"{self.host} answered with a web page", hint="check the address") from error
            raise ProtocolError(f"{self.host} sent {len(self.body)} bytes that are no JSON") from error
        if not isinstance(found, dict):
            raise ProtocolError(f"{self.host} sent JSON that is not an object")
        return found

    @property
    def retry_after(self) -> float | None:
        """How many seconds to wait before asking again, if that was said in seconds."""
        told = self.headers.get("retry-after").strip()
        return min(float(told), 3600.0) if told.isascii() and told.isdecimal() and len(told) < 10 else None

    def refuse(self) -> None:
        """Raise what a status that is none of success amounts to."""
        if 200 <= self.status < 300:
            return
        if 300 <= self.status < 400:
            raise NotAnAPIError(f"{self.host} answered with a redirect ({self.status}), which is not followed")
        if self.status in (401, 403):
            raise AuthError(f"{self.host} refuses the key", hint=LOGIN, upstream_status=self.status)
        if self.status == 402:
            raise QuotaError(f"{self.host} says that no credit is left", upstream_status=402)
        if self.status == 429:
            raise RateLimitError(f"{self.host} is asked too often", retry_after=self.retry_after, upstream_status=429)
        if self.status >= 500:
            raise ServerError(f"{self.host} has a problem ({self.status})", upstream_status=self.status)
        raise ProtocolError(f"{self.host} answered {self.status}", upstream_status=self.status)


class Service:
    """Asks. Raises NetworkError, DeadlineError or ProtocolError for what is no answer; a bad status is one."""

    def __init__(self, transport: Transport, *, environ: Mapping[str, str], seconds: float = SECONDS) -> None:
        self._transport = transport
        self._environ = environ
        self._seconds = seconds

    @classmethod
    @asynccontextmanager
    async def open(
        cls, environ: Mapping[str, str], *, seconds: float = SECONDS, resolve: Resolve | None = None
    ) -> AsyncIterator[Service]:
        """Open one for a while."""
        transport = Transport(environ=environ, resolve=resolve)
        try:
            yield cls(transport, environ=environ, seconds=seconds)
        finally:
            await transport.close()

    async def get(self, url: str, key: Secret | None = None, *, etag: str = "", limit: int = SMALL) -> Answer:
        """Fetch *url*, with a key if that belongs there."""
        headers = [("authorization", f"Bearer {key.reveal(origin_of(url))}")] if key is not None else []
        headers += [("if-none-match", etag)] if etag else []
        return await self._send("GET", url, headers, b"", limit)

    async def post(self, url: str, form: Mapping[str, str]) -> Answer:
        """Send a form, as OAuth wants it."""
        headers = [("content-type", "application/x-www-form-urlencoded")]
        return await self._send("POST", url, headers, urlencode(form).encode(), SMALL)

    async def _send(self, method: str, url: str, headers: list[tuple[str, str]], body: bytes, limit: int) -> Answer:
        seconds = self._seconds
        timeouts = Timeouts(connect=min(5.0, seconds), first_byte=seconds, silence=seconds, total=seconds)
        usual = [("accept", "application/json"), ("user-agent", f"mini-llm/{__version__}")]
        try:
            async with self._transport.send(
                method, url, headers=[*usual, *headers], body=body, timeouts=timeouts
            ) as response:
                content = await response.read(limit)
                return Answer(response.status, response.headers, content, host_of(url))
        except NetworkError as error:
            error.hint = error.hint or self._proxies()
            raise

    def _proxies(self) -> str:
        """Say which variables name a proxy: their values may hold a password."""
        names = [name for low in PROXIES for name in (low, low.upper()) if self._environ.get(name)]
        return f"check the proxy that {' and '.join(names)} names" if names else "check the network"
