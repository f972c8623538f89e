"""One request and its response, as a block: `async with`."""

from __future__ import annotations

import asyncio
from types import TracebackType

from mini_llm.errors import ResetByPeerError
from mini_llm.transport import request
from mini_llm.transport.connection import Connection
from mini_llm.transport.dial import Dialer
from mini_llm.transport.pool import Pool
from mini_llm.transport.response import Response
from mini_llm.transport.timeouts import Timeouts


class Heading:
    """Where requests go that differ in their bodies only, and their head up to the length of the body."""

    __slots__ = ("lines", "method", "pool")

    def __init__(self, pool: Pool, method: str, lines: bytes) -> None:
        self.pool = pool
        self.method = method
        self.lines = lines


class Exchange:
    """Sends the request when entered. When left, lets go of the connection; one that is not done is closed at once."""

    __slots__ = ("_began", "_body", "_dialer", "_heading", "_pool", "_response", "_timeouts")

    def __init__(self, dialer: Dialer, heading: Heading, body: bytes, timeouts: Timeouts) -> None:
        self._dialer = dialer
        self._heading = heading
        self._pool = heading.pool
        self._body = body
        self._timeouts = timeouts
        self._began = 0.0
        self._response: Response | None = None

    async def __aenter__(self) -> Response:
        self._began = asyncio.get_running_loop().time()
        if not self._pool.places.take():
            await self._wait_for_place()
        try:
            self._response = await self._open()
        except BaseException:
            self._pool.places.leave()
            raise
        return self._response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._response is not None:
            self._response.let_go()

    async def _open(self) -> Response:
        """Try a connection that rests in the pool; a new one if there is none, or if it proves to be stale."""
        connection = self._pool.take()
        if connection is not None:
            try:
                return await self._send(connection)
            except ResetByPeerError as error:
                if error.answered:
                    raise
        return await self._send(await self._dial())

    async def _send(self, connection: Connection) -> Response:
        method, body = self._heading.method, self._body
        head = self._heading.lines + request.ending(method, len(body))
        message = await connection.exchange(
            head, body, bodiless=method == "HEAD", timeouts=self._timeouts, began=self._began
        )
        return Response(self._pool, connection, message)

    async def _dial(self) -> Connection:
        """Return a new connection, within the time that is left for it."""
        patience, phase = self._patience()
        try:
            async with asyncio.timeout(patience):
                return await self._dialer.dial(self._pool.origin, self._pool.proxy, self._pool.create)
        except TimeoutError as error:
            raise self._timeouts.passed(phase, self._pool.origin.label) from error

    async def _wait_for_place(self) -> None:
        """Wait until one of the other exchanges with this origin is over."""
        patience, phase = self._patience()
        try:
            async with asyncio.timeout(patience):
                await self._pool.places.wait()
        except TimeoutError as error:
            raise self._timeouts.passed(phase, self._pool.origin.label) from error

    def _patience(self) -> tuple[float, str]:
        """Return how long opening may still take, and which deadline says so."""
        gone = asyncio.get_running_loop().time() - self._began
        limits = self._timeouts
        return min(
            (limits.connect, "connect"), (limits.content - gone, "first content"), (limits.total - gone, "total")
        )
