"""A provider that misbehaves on demand: raw sockets, so that it can break every rule of HTTP.

    async with hostile() as peer:
        peer.scripts["/v1/chat"] = [reset(after=10), answer(b'{"ok": true}')]     # the first request, then all others
        ...ask peer.url + "/v1/chat"...
        assert peer.requests[0].header("content-type") == "application/json"
        assert await peer.closed(0) < 1.0

What a request gets: the script for its path, else the fault its `x-fault` header names (`x-fault: reset@10`), else a
plain JSON answer. A script is the bytes to send, or any `async def script(wire, request)`; the functions below make
the usual ones, and `faulty` lays a fault over any answer:

    peer.scripts["/a"] = answer(b"hello", chunked=True)
    peer.scripts["/b"] = faulty("stall@20", answer(b"hello"))
    peer.scripts["/c"] = b"HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nabc"

Faults, each at a byte of the whole answer (0 when not said, negative counts from its end): `reset`, `cut` (a clean
end), `stall`; and `slow` (a byte at a time), `slow@N` (N bytes at a time).
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import ssl
import struct
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

OK = b'{"ok": true}'
HTML = b"<!doctype html><html><head><title>Sign in</title></head><body>Welcome to the hotel</body></html>"


@dataclass
class Request:
    """What the peer saw. `closed_at` is when the other side closed the connection it came on (`time.monotonic`)."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    connection: int
    body: bytes = b""
    raw: bytes = b""
    sent: int = 0
    closed_at: float = 0.0
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def path(self) -> str:
        return self.target.split("?")[0]

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


class Closed(Exception):
    """The script has closed the connection."""


class Wire:
    """The connection, in a script's hands."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request) -> None:
        self._reader = reader
        self._writer = writer
        self._request = request

    async def send(self, data: bytes) -> None:
        """Send *data*; waits while the other side does not read."""
        self._writer.write(data)
        await self._writer.drain()
        self._request.sent += len(data)

    async def reset(self) -> None:
        """Break the connection with RST."""
        await asyncio.sleep(0.02)  # what was sent must leave first: RST throws away what waits
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        )
        self._writer.transport.abort()
        raise Closed

    async def close(self) -> None:
        """End the connection cleanly."""
        self._writer.close()
        raise Closed

    async def stall(self) -> None:
        """Send nothing more, until the other side gives up."""
        await self.peer_closed()
        raise Closed

    async def read(self, size: int = 65536) -> bytes:
        """Read on: what follows the request."""
        return await self._reader.read(size)

    async def peer_closed(self) -> None:
        """Wait until the other side has closed."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(65536):
                pass


Script: TypeAlias = Callable[[Wire, Request], Awaitable[None]] | bytes


@dataclass
class Hostile:
    """A running peer."""

    port: int = 0
    scheme: str = "http"
    scripts: dict[str, Script | Sequence[Script]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    body_first: bool = True  # read a request's body before the script runs
    _server: asyncio.Server | None = None
    _turns: dict[str, int] = field(default_factory=dict)
    _tasks: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def closed(self, request: int, within: float = 2.0) -> float:
        """Return how many seconds from now it took until the connection of that request was closed by its sender."""
        began = time.monotonic()
        await asyncio.wait_for(self.requests[request].gone.wait(), within)
        return max(0.0, self.requests[request].closed_at - began)

    async def refuse(self) -> None:
        """Listen no more: from now on connections are refused. Those that are open stay."""
        assert self._server is not None
        self._server.close()
        await asyncio.sleep(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self.connections
        self.connections += 1
        self._tasks[writer] = asyncio.current_task()
        seen: list[Request] = []
        try:
            while request := await _read_request(reader, number, body=self.body_first):
                seen.append(request)
                self.requests.append(request)
                await self._run(self._script(request), Wire(reader, writer, request), request)
        except (Closed, ConnectionError, EOFError):
            pass
        finally:
            for request in seen:
                request.closed_at = time.monotonic()
                request.gone.set()
            del self._tasks[writer]
            writer.close()

    def _script(self, request: Request) -> Script:
        scripts = self.scripts.get(request.path)
        if scripts is None:
            fault = request.header("x-fault")
            return faulty(fault, answer(OK)) if fault else answer(OK)
        if isinstance(scripts, bytes) or callable(scripts):
            return scripts
        turn = self._turns.get(request.path, 0)
        self._turns[request.path] = turn + 1
        return scripts[min(turn, len(scripts) - 1)]

    async def _run(self, script: Script, wire: Wire, request: Request) -> None:
        if isinstance(script, bytes):
            await wire.send(script)
        else:
            await script(wire, request)

    async def stop(self) -> None:
        """Close everything."""
        assert self._server is not None
        self._server.close()
        tasks = [task for task in self._tasks.values() if task]
        for writer in self._tasks:
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def hostile(
    *, tls: ssl.SSLContext | None = None, unix: str = "", host: str = "127.0.0.1", body_first: bool = True
) -> AsyncIterator[Hostile]:
    """Run a peer on a free port, or on the Unix socket *unix*."""
    peer = Hostile(scheme="https" if tls else "http", body_first=body_first)
    if unix:
        peer._server = await asyncio.start_unix_server(peer.serve, unix)
    else:
        peer._server = await asyncio.start_server(peer.serve, host, 0, ssl=tls, backlog=1024)
        peer.port = peer._server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        await peer.stop()


def closed_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# Scripts.


def answer(
    body: bytes = OK,
    *,
    status: int = 200,
    headers: Iterable[tuple[str, str]] = (("content-type", "application/json"),),
    chunked: bool = False,
    before: bytes = b"",
    trailers: bytes = b"",
) -> bytes:
    """Return an answer as it should be. *before* goes ahead of it (a 1xx, say)."""
    length = "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}"
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in headers), length, "", ""]
    if chunked:
        half = len(body) // 2
        body = b"".join(chunk(part) for part in (body[:half], body[half:]) if part) + b"0\r\n" + trailers + b"\r\n"
    return before + "\r\n".join(lines).encode("latin-1") + body


def events(*data: str, end: bool = True) -> bytes:
    """Return a streamed answer: one server-sent event in each chunk; without *end* it is cut short."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(chunk(f"data: {item}\n\n".encode()) for item in data) + (b"0\r\n\r\n" if end else b"")


def html(status: int = 200) -> bytes:
    """Return a web page, as a captive portal answers."""
    return answer(HTML, status=status, headers=[("content-type", "text/html; charset=utf-8")])


def packed(body: bytes = OK, encoding: str = "gzip") -> bytes:
    """Return a compressed answer, which nobody asked for."""
    return answer(gzip.compress(body), headers=[("content-encoding", encoding)])


def huge_head(size: int = 64 * 1024, fields: int = 1) -> bytes:
    """Return an answer whose head has *fields* fields, *size* bytes in all."""
    return answer(headers=[(f"x-huge-{number}", "x" * (size // fields)) for number in range(fields)])


def reset(after: int = 0, of: bytes = b"") -> Script:
    """Break the connection with RST after that many bytes of the answer *of*."""
    return faulty(f"reset@{after}", of or answer())


def stall(after: int = 0, of: bytes = b"") -> Script:
    """Fall silent after that many bytes of the answer *of*."""
    return faulty(f"stall@{after}", of or answer())


def cut(after: int = 0, of: bytes = b"") -> Script:
    """End the connection cleanly after that many bytes of the answer *of*."""
    return faulty(f"cut@{after}", of or answer())


def faulty(fault: str, data: bytes) -> Script:
    """Return a script that sends *data* with a fault: `reset@10`, `cut@10`, `stall@10`, `slow@1`."""
    kind, _, number = fault.partition("@")
    at = int(number or 0)

    async def script(wire: Wire, request: Request) -> None:
        if kind == "slow":
            step = at or 1
            for start in range(0, len(data), step):
                await wire.send(data[start : start + step])
                await asyncio.sleep(0.001)
            return
        await wire.send(data[:at])
        await {"reset": wire.reset, "cut": wire.close, "stall": wire.stall}[kind]()

    return script


def flood(piece: bytes = b"x" * 65536, *, pause: float = 0.0, head: bytes = b"HTTP/1.1 200 OK\r\n\r\n") -> Script:
    """Return a script that sends *piece* again and again, *pause* seconds apart, as long as the other side takes it."""

    async def script(wire: Wire, request: Request) -> None:
        await wire.send(head)
        while True:
            await wire.send(piece)
            await asyncio.sleep(pause)

    return script


def chunk(data: bytes) -> bytes:
    """Return *data* as one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


async def _read_request(reader: asyncio.StreamReader, connection: int, *, body: bool) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = first.split(" ")
    fields = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    request = Request(method, target, fields, connection, raw=head)
    if body and (length := request.header("content-length")):
        request.body = await reader.readexactly(int(length))
    return request
