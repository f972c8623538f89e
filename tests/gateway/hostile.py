"""A provider that speaks four dialects and breaks in every way a provider can, on the loop's own clock.

    async with Hostile(cut(3, RESET), say()) as peer:      # the first request, then all others
        ... peer.url ... peer.seen[0].json ... peer.seen[0].gone_at ...

Each request takes the next script; the last one stays. Without scripts the model's name may hold the fault
(`m!status-529`), else the answer is a good one. A script is `async def script(wire)`; it answers in the dialect of the
path that was asked, streamed if that was asked for.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeAlias, cast

from tests.gateway import tongues

END, CLOSE, RESET, STALL = "end", "close", "reset", "stall"  # how an answer stops; `end` closes its framing properly
EVENTS = (("content-type", "text/event-stream"),)
JSON = (("content-type", "application/json"),)
HTML = b"<!doctype html><html><head><title>Sign in</title></head><body>Welcome to the hotel</body></html>"
REQUEST_ID = "up-1"


class Seen:
    """One request as it came. `gone_at` is when its sender closed the connection, on the loop's clock."""

    def __init__(self, method: str, path: str, headers: Mapping[str, str], at: float) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.at = at
        self.body = b""
        self.sent = 0
        self.gone_at: float | None = None

    @property
    def dialect(self) -> str:
        """The dialect of the path that was asked."""
        return tongues.dialect_of(self.path)

    @property
    def json(self) -> dict[str, Any]:
        """The body."""
        return cast(dict[str, Any], json.loads(self.body))

    @property
    def streams(self) -> bool:
        """Whether a stream was asked for."""
        return ":stream" in self.path or (":generate" not in self.path and self.json.get("stream") is True)


Script: TypeAlias = "Callable[[Wire], Awaitable[None]]"


class GoneError(Exception):
    """The connection is closed: the script is over."""


class Hostile:
    """The provider. `scripts` may be changed while it runs; `connections` counts those that were opened."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self.scripts = list(scripts)
        self.seen: list[Seen] = []
        self.connections = 0
        self.open: set[Wire] = set()
        self.port = 0
        self._tls = tls
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Its base URL, version included."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Hostile:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Wire(self), "127.0.0.1", 0, ssl=self._tls, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        tasks = [task for wire in tuple(self.open) if (task := wire.drop())]
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports' last callbacks

    def refuse(self) -> None:
        """Listen no more: from now on connections are refused."""
        assert self._server is not None
        self._server.close()

    def script(self, seen: Seen) -> Script:
        """Return what *seen* gets."""
        if not self.scripts:
            return named(seen.json.get("model", seen.path).partition("!")[2].partition(":")[0])
        return self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]


class Wire(asyncio.Protocol):
    """One connection: reads requests, and is what their scripts answer on."""

    def __init__(self, peer: Hostile) -> None:
        self._peer = peer
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = asyncio.Event()
        self.seen = Seen("", "", {}, 0.0)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peer.connections += 1
        self._peer.open.add(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._task is None or self._task.done():
            self._next()

    def eof_received(self) -> None:
        self._note_gone()

    def connection_lost(self, exc: Exception | None) -> None:
        self._note_gone()
        self._writable.set()
        if self._task is not None:
            self._task.cancel()
        self._peer.open.discard(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # What a script calls.

    async def send(self, data: bytes) -> None:
        """Send *data*; wait while the other side does not read."""
        if self._transport is None or self._gone.is_set():
            raise GoneError
        self._transport.write(data)
        self.seen.sent += len(data)
        await self._writable.wait()

    async def stop(self, how: str) -> None:
        """Stop as *how* says; what was sent has arrived before that."""
        assert self._transport is not None
        if how == STALL:
            await self._gone.wait()
        elif how == CLOSE:
            self._transport.close()
        elif how == RESET:
            await asyncio.sleep(0.001)
            raw = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            return
        raise GoneError

    def drop(self) -> asyncio.Task[None] | None:
        """Close at once; return what still runs."""
        if self._transport is not None:
            self._transport.abort()
        return self._task

    # How it does these.

    def _next(self) -> None:
        """Begin with the request that has come whole, if there is one."""
        head, mark, rest = self._received.partition(b"\r\n\r\n")
        if not mark:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", "0"))
        if len(rest) < size:
            return
        self.seen = Seen(method, path, headers, self._loop.time())
        self.seen.body, self._received = rest[:size], rest[size:]
        self._peer.seen.append(self.seen)
        self._task = self._loop.create_task(self._answer())

    async def _answer(self) -> None:
        try:
            await self._peer.script(self.seen)(self)
        except GoneError:
            return
        if self._received:
            self._loop.call_soon(self._next)

    def _note_gone(self) -> None:
        if self.seen.gone_at is None:
            self.seen.gone_at = self._loop.time()
        self._gone.set()


# Scripts: answers as they should be.


def answer(
    body: bytes, *, status: int = 200, headers: Sequence[tuple[str, str]] = JSON, chunks: Sequence[bytes] | None = None
) -> bytes:
    """Return an answer with a length; with *chunks*, one that is chunked and has these."""
    length = f"content-length: {len(body)}" if chunks is None else "transfer-encoding: chunked"
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers)]
    head = "\r\n".join([*lines, f"x-request-id: {REQUEST_ID}", length, "", ""]).encode("latin-1")
    return head + (body if chunks is None else b"".join(map(chunk, chunks)))


def chunk(data: bytes) -> bytes:
    """Return *data* as one chunk; that of nothing is the last."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def say(
    words: Sequence[str] = tongues.WORDS,
    *,
    usage: tuple[int, int] | None = tongues.USAGE,
    delay: float = 0.0,
    pause: float = 0.0,
    sentinel: bool = True,
) -> Script:
    """Answer properly after *delay* seconds, *pause* before each event. Without *sentinel* what follows the reason
    to end is left out."""

    async def script(wire: Wire) -> None:
        await asyncio.sleep(delay)
        dialect = wire.seen.dialect
        if not wire.seen.streams:
            await wire.send(answer(tongues.whole(dialect, words, usage)))
            return
        stream = tongues.stream(dialect, words, usage)
        await wire.send(answer(b"", headers=EVENTS, chunks=()))
        for event in stream.events if sentinel else stream.events[: stream.complete]:
            await asyncio.sleep(pause)
            await wire.send(chunk(event))
        await wire.send(chunk(b""))

    return script


def sends(data: bytes, how: str = END) -> Script:
    """Send these very bytes, then stop."""

    async def script(wire: Wire) -> None:
        await wire.send(data)
        await wire.stop(how)

    return script


def plays(write: Callable[[tongues.Stream, str], Sequence[bytes]], how: str = END) -> Script:
    """Stream the events that *write* makes of a good answer's and its dialect, then stop. A whole answer breaks off.

    With `end`, the framing of HTTP is closed properly and the connection stays.
    """

    async def script(wire: Wire) -> None:
        dialect = wire.seen.dialect
        if not wire.seen.streams:
            whole = answer(tongues.whole(dialect))
            await wire.send(whole[:-20])
            await wire.stop(CLOSE if how == END else how)
        await wire.send(answer(b"", headers=EVENTS, chunks=()))
        for event in write(tongues.stream(dialect), dialect):
            await wire.send(chunk(event))
        await wire.stop(how)
        await wire.send(chunk(b""))

    return script


def named(fault: str) -> Script:
    """Return the script for a fault that a model's name holds: `status-529`, `cut-3-reset`, `silence`."""
    from tests.gateway import faults  # it is made of what stands here

    return faults.named(fault) if fault else say()
