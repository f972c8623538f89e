"""The connections to one origin: how many there may be, and which rest until they are used again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from mini_llm.transport import request
from mini_llm.transport.connection import Connection
from mini_llm.transport.origin import Origin
from mini_llm.transport.proxy import Proxy


class Limits(NamedTuple):
    """How many connections an origin may have, how many of them may rest, and for how many seconds."""

    open: int = 1000
    idle: int = 64
    idle_age: float = 30.0


class Places:
    """How many exchanges may run at once; those beyond wait their turn."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Take a place, if one is free."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    async def wait(self) -> None:
        """Wait for a place and take it."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.leave()  # it was given to us all the same
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
            raise

    def leave(self) -> None:
        """Give a place back, to who waits longest."""
        while self._waiting:
            try:
                self._waiting.popleft().set_result(None)
            except asyncio.InvalidStateError:
                continue  # cancelled, and not yet gone from the queue
            return
        self._free += 1


class Pool:
    """Hand out the connection that rested least: the oldest then die of age, and few stay."""

    def __init__(self, origin: Origin, proxy: Proxy | None, limits: Limits, now: Callable[[], float]) -> None:
        self.origin = origin
        self.proxy = proxy
        self.prefix = request.prefix(origin, proxy)
        self.fixed = request.fixed(origin, proxy)
        self.places = Places(limits.open)
        self._limits = limits
        self._now = now
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._empty = asyncio.Event()
        self._closed = False

    def create(self) -> Connection:
        """Return a new connection, not yet open, that tells this pool when it is lost."""
        return Connection(self.origin.label, idle_age=self._limits.idle_age, opened=self._open.add, lost=self._forget)

    def take(self) -> Connection | None:
        """Return a resting connection that is fit to use, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.alive and self._now() - connection.idle_since < self._limits.idle_age:
                return connection
            connection.abort()
        return None

    def give_back(self, connection: Connection) -> None:
        """End a connection's exchange, and keep it if another can follow."""
        self.places.leave()
        if not connection.release():
            return
        if self._closed:
            connection.abort()
            return
        connection.idle_since = self._now()
        self._idle.append(connection)
        if len(self._idle) > self._limits.idle:
            self._idle.pop(0).abort()

    async def close(self) -> None:
        """Close every connection, also those in use, and wait until their sockets are gone."""
        self._closed = True
        while self._open:
            self._empty.clear()
            for connection in tuple(self._open):
                connection.abort()
            await self._empty.wait()

    def _forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._open:
            self._empty.set()
