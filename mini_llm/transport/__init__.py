"""Our HTTP/1.1 client on asyncio and llhttp: the only road to a provider.

It follows no redirect, keeps no cookie, reads no netrc, and says nothing of its own about the caller.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from mini_llm.transport import request
from mini_llm.transport.dial import Dialer
from mini_llm.transport.exchange import Exchange, Heading
from mini_llm.transport.message import Headers
from mini_llm.transport.origin import Origin
from mini_llm.transport.pool import Limits, Pool
from mini_llm.transport.proxy import proxy_for
from mini_llm.transport.resolver import Resolve
from mini_llm.transport.response import Response
from mini_llm.transport.timeouts import Timeouts

__all__ = ["Exchange", "Headers", "Heading", "Limits", "Resolve", "Response", "Timeouts", "Transport"]


class Transport:
    """Send requests and keep the connections for the next ones. Belongs to the event loop that first uses it.

    *resolve* replaces the system's resolver; *environ* says which proxies and certificates to use.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        resolve: Resolve | None = None,
        now: Callable[[], float] = time.monotonic,
        limits: Limits = Limits(),  # noqa: B008  (immutable)
    ) -> None:
        self._environ = environ
        self._now = now
        self._limits = limits
        self._dialer = Dialer(environ, resolve)
        self._pools: dict[str, Pool] = {}
        self._closed = False

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        timeouts: Timeouts = Timeouts(),  # noqa: B008  (immutable)
    ) -> Exchange:
        """Return a block that sends the request and holds its response; leaving it early closes the socket at once.

        Raises UsageError, before anything is sent, for a URL or header that is none, and NetworkError for a proxy
        that is not supported. Entering the block, and reading the response, raises NetworkError, ResetByPeerError,
        TLSError, DeadlineError or ProtocolError (TruncatedError for an answer that ends too soon).
        """
        return self.send_to(self.heading(method, url, headers), body, timeouts)

    def heading(self, method: str, url: str, headers: Sequence[tuple[str, str]] = ()) -> Heading:
        """Return the head of requests that differ in their bodies only. Raises what `send` raises at once."""
        if self._closed:
            raise RuntimeError("the transport is closed")
        cut = url.find("/", url.find("://") + 3)
        base, target = (url[:cut], url[cut:]) if cut >= 0 else (url, "/")
        pool = self._pools.get(base) or self._new_pool(base)
        return Heading(pool, method, request.lines(method, target, headers, prefix=pool.prefix, fixed=pool.fixed))

    def send_to(self, heading: Heading, body: bytes, timeouts: Timeouts) -> Exchange:
        """Do what `send` does."""
        if self._closed:
            raise RuntimeError("the transport is closed")
        return Exchange(self._dialer, heading, body, timeouts)

    async def close(self) -> None:
        """Close every connection, also those in use, and wait until their sockets are gone."""
        self._closed = True
        await self._dialer.close()
        for pool in self._pools.values():
            await pool.close()

    def _new_pool(self, base: str) -> Pool:
        """Open the pool for a part of a URL that was not seen before: `https://host:port`."""
        origin = Origin.parse(base)
        pool = self._pools[base] = Pool(origin, proxy_for(origin, self._environ), self._limits, self._now)
        return pool
