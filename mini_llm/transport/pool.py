"""The connections to one origin: how many there may be, and which rest until they are used again."""

from __future__ import annotations

import asyncio
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


class Pool:
    """Hand out the connection that rested least: the oldest then die of age, and few stay."""

    def __init__(self, origin: Origin, proxy: Proxy | None, limits: Limits, now: Callable[[], float]) -> None:
        self.origin = origin
        self.proxy = proxy
        self.prefix = request.prefix(origin, proxy)
        self.fixed = request.fixed(origin, proxy)
        self.places = asyncio.Semaphore(limits.open)
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
        self.places.release()
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
