"""The answer to a request, as its caller sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from mini_llm.errors import ProtocolError, UpstreamError
from mini_llm.transport.connection import Connection
from mini_llm.transport.inflate import Inflater
from mini_llm.transport.message import Headers, Message
from mini_llm.transport.pool import Pool

MAX_BODY = 32 * 1024 * 1024


class Response:
    """An answer whose head is here and whose body may still be coming. Open only inside the block that sent it."""

    def __init__(self, pool: Pool, connection: Connection, message: Message) -> None:
        self.status = message.status
        self.headers: Headers = message.headers
        self.reused = connection.used
        self._label = pool.origin.label
        self._pool = pool
        self._connection: Connection | None = connection
        self._message = message
        encoding = message.headers.get("content-encoding")
        self._encoding = encoding.strip().lower().removeprefix("identity")
        self._returned = b""
        self._inflater: Inflater | None = None

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it comes: whatever has arrived since the last chunk is the next one."""
        while data := await self.next():
            yield data

    async def read(self, limit: int = MAX_BODY) -> bytes:
        """Return the rest of the body; raise ProtocolError if that is more than *limit* bytes."""
        message = self._message
        if (
            message.complete
            and not self._encoding
            and message.size <= limit
            and self._connection
            and not self._returned
        ):
            return message.take()  # it is all here
        parts: list[bytes] = []
        size = 0
        while data := await self.next():
            size += len(data)
            if size > limit:
                raise ProtocolError(f"{self._label} sent a body of more than {limit} bytes")
            parts.append(data)
        return b"".join(parts)

    async def finish(self, *, seconds: float = 0.1, limit: int = 64 * 1024) -> None:
        """Take what little is left behind a stream's own end, so that the connection can serve again."""
        with suppress(UpstreamError, TimeoutError):
            async with asyncio.timeout(seconds):
                await self.read(limit)

    def content_came(self) -> None:
        """Say that what came is content: the deadline for the first of it is met."""
        if self._connection is not None:
            self._connection.content_came()

    def allow_silence(self, seconds: float) -> None:
        """Let the peer be silent for up to *seconds* between two bytes, if that is longer than was said at first."""
        if self._connection is not None:
            self._connection.allow_silence(seconds)

    async def close(self) -> None:
        """Let go of the connection: back to its pool if the answer is complete, else closed at once."""
        self.let_go()

    def let_go(self) -> None:
        """Do what `close` says; a second time does nothing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(connection)

    async def next(self) -> bytes:
        """Return the next piece of the body, b"" at its end."""
        if self._connection is None:
            raise RuntimeError("the response is closed")
        if self._returned:
            data, self._returned = self._returned, b""
            return data
        if not self._encoding:
            return await self._connection.receive(self._message)
        while data := await self._connection.receive(self._message):
            self._inflater = self._inflater or Inflater(self._encoding, self._label)
            if plain := self._inflater.feed(data):
                return plain
        if self._inflater is not None:
            self._inflater.end()
        return b""

    def put_back(self, data: bytes) -> None:
        """Let *data*, which `next` returned, be the next piece once more."""
        self._returned = data
