"""One client's connection: llhttp's strictness plus our limits and deadlines. HTTP/1.1, one request at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import NamedTuple, Protocol, cast

import httptools

from mini_llm.errors import MiniLLMError
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder, Wire

MAX_HEAD = 32 * 1024
MAX_FIELDS = 100
MAX_WAITING = 8  # requests a client may send ahead of its answers
WRITE_BUFFER = 128 * 1024
LINGER = 2.0  # seconds a refused client has to read why
OFFERS = ("connection", "upgrade", "http2-settings")
DISCARD = 4 * 1024 * 1024  # what is still read of a body that was refused, so that the client hears why
MOST_NAMES = 1000
# The names of fields as they come, and in lower case: the same few again and again.
_LOWER: dict[bytes, str] = {}


class Limits(NamedTuple):
    """Bytes and seconds a client may take. `connections` is how many may be open at once."""

    body: int = 32 * 1024 * 1024
    head_seconds: float = 10.0
    body_grace: float = 10.0
    body_rate: int = 1024
    idle_seconds: float = 120.0
    write_stall: float = 60.0
    connections: int = 10_000


class RefusedError(MiniLLMError):
    """A request that cannot be served as it came; told with *status* and then the connection closes.

    `allow` names the methods that would do.
    """

    code = "bad_request"

    def __init__(self, status: int, message: str, *, code: str = "bad_request", allow: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.allow = allow


class Application(Protocol):
    """What a server serves."""

    def admit(self, request: Request) -> None:
        """Look at a request's head before its body is read. Raises MiniLLMError to refuse it."""

    def refuse(self, request: Request, responder: Responder, error: MiniLLMError) -> None:
        """Answer a request that was not admitted, or is no HTTP."""

    def __call__(self, request: Request, responder: Responder) -> Awaitable[None]:
        """Answer a request."""


class Server:
    """What the connections of one process share."""

    def __init__(self, application: Application, limits: Limits = Limits()) -> None:  # noqa: B008  (immutable)
        self.application = application
        self.limits = limits
        self.connections: set[Connection] = set()
        self.draining = False

    def protocol(self) -> Connection:
        """Return the protocol of a new connection: what `loop.create_server` wants."""
        return Connection(self)

    @property
    def busy(self) -> int:
        """How many requests are being answered."""
        return sum(connection.busy for connection in self.connections)

    def sweep(self) -> None:
        """Hold every connection to its deadlines; to be called about once a second."""
        now = asyncio.get_running_loop().time()
        for connection in tuple(self.connections):
            connection.check(now)

    def drain(self) -> None:
        """Close what rests, and every other connection after the answer it is giving."""
        self.draining = True
        for connection in tuple(self.connections):
            connection.close_when_idle()

    def cancel(self) -> None:
        """Cancel every answer that is being given."""
        for connection in tuple(self.connections):
            connection.cancel()

    def abort(self) -> None:
        """Close every connection now."""
        for connection in tuple(self.connections):
            connection.abort()


class Connection(asyncio.Protocol):
    """Reads requests, runs each as a task, and lets it write its answer. A client that leaves cancels its task."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request, Wire]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._responder: Responder | None = None
        self._peer = ""
        self._tls = False
        self._paused = False
        self._refused = False
        self._last_progress = self._loop.time()
        self._unwritten = 0
        self._received = 0
        self._request: Request | None = None
        self._begin()

    @property
    def busy(self) -> bool:
        """Whether an answer is being given."""
        return self._responder is not None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER)
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else ""
        self._tls = transport.get_extra_info("ssl_object") is not None
        connections = self._server.connections
        connections.add(self)
        if len(connections) > self._server.limits.connections:
            self._refuse(RefusedError(503, "too many connections are open", code="overloaded"))

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._discarded += len(data)
            if self._discarded > DISCARD:
                self.abort()
            return
        if not self._received:
            self._began = self._loop.time()
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_unchanged(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, MiniLLMError) else self._unreadable())
        else:
            if not self._headed and self._received > MAX_HEAD:
                self._refuse(self._unreadable())

    def eof_received(self) -> None:
        """Treat a client that closed its side as gone: asyncio closes ours, and `connection_lost` follows."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._transport = None
        self._waiting.clear()
        if self._responder is not None:
            self._responder.drop()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        if self._responder is not None:
            self._responder.pause()

    def resume_writing(self) -> None:
        if self._responder is not None:
            self._responder.resume()

    # What the parser calls, in this order.

    def on_message_begin(self) -> None:
        self._received = self._received or 1  # more than nothing: a request is under way
        self._began = self._loop.time()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._size += len(name) + len(value) + 4
        if self._size > MAX_HEAD or self._fields >= MAX_FIELDS:
            raise RefusedError(431, "too large or too many header fields", code="head_too_large")
        self._fields += 1
        if self._headed:
            return  # a trailer: too late to say anything that counts
        key = _LOWER.get(name) or _lower(name)
        if key in self._headers:
            self._doubled.append(key)
        else:
            self._headers[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._headed = True
        request = self._request = self._heard()
        self._server.application.admit(request)  # before anything else is told, and in the dialect of the place
        length = request.headers.get("content-length", "")
        if length and (not length.isdecimal() or int(length) > self._server.limits.body):
            raise self._too_large()
        coding = request.headers.get("transfer-encoding")
        if coding is not None and coding.strip().lower() != "chunked":
            raise RefusedError(501, "a transfer coding other than chunked")
        if (
            request.headers.get("expect", "").lower() == "100-continue"
            and self._transport is not None
            and not self.busy
        ):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        self._length += len(data)
        if self._length > self._server.limits.body:
            raise self._too_large()
        self._body.append(data)

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():  # llhttp stops here, whether a body follows or not
            return
        request, self._request = self._request, None
        if request is None:
            return
        request.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        chunked = self._parser.get_http_version() != "1.0"
        keep_alive = self._parser.should_keep_alive() and not self._server.draining
        wire = Wire(chunked, request.method == "HEAD", keep_alive)
        self._begin()
        if self._responder is None:
            self._serve(request, wire)
        elif len(self._waiting) < MAX_WAITING:
            self._waiting.append((request, wire))
        else:
            raise RefusedError(429, "too many requests sent ahead of their answers")

    # What the server calls.

    def check(self, now: float) -> None:
        """End what takes too long; keep a quiet stream alive."""
        limits = self._server.limits
        responder = self._responder
        if self._transport is None:
            return
        if size := self._transport.get_write_buffer_size():
            self._check_reader(size, now)
        elif responder is not None:
            responder.tick(now)
        elif self._refused:
            if now - self._last_progress > LINGER:
                self.abort()
        elif self._received:
            waited = now - self._began
            slow = waited > limits.body_grace and self._length < limits.body_rate * (waited - limits.body_grace)
            if (slow and self._headed) or (waited > limits.head_seconds and not self._headed):
                self._refuse(RefusedError(408, "the request came too slowly", code="request_timeout"))
        elif now - self._last_progress > limits.idle_seconds:
            self.abort()

    def close_when_idle(self) -> None:
        """Close now if nothing is being answered; else the answer is the last one."""
        if self._responder is None and not self._received and self._transport is not None:
            self._transport.close()

    def cancel(self) -> None:
        """Cancel the answer that is being given; whoever gives it may still say why."""
        if self._task is not None:
            self._task.cancel()

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()

    # How it does these.

    def _begin(self) -> None:
        """Forget the request before."""
        self._url = b""
        self._headers: dict[str, str] = {}
        self._doubled: list[str] = []
        self._body: list[bytes] = []
        self._request = None
        self._headed = False
        self._size = self._fields = self._length = self._received = self._discarded = 0
        self._began = 0.0

    def _go_on_unchanged(self, rest: bytes) -> None:
        """Read the request again without the offer of another protocol (h2c, as Java's client makes it)."""
        method, url = self._parser.get_method(), self._url
        fields = [
            f"{name}: {value}\r\n".encode("latin-1") for name, value in self._headers.items() if name not in OFFERS
        ]
        self._parser = httptools.HttpRequestParser(self)
        self._begin()
        self.data_received(b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method, url, b"".join(fields), rest))

    def _heard(self) -> Request:
        method = self._parser.get_method().decode("ascii")
        path, _, query = self._url.decode("latin-1").partition("?")
        return Request(
            method, path, query, self._headers, doubled=self._doubled, peer=self._peer, began=self._loop.time(),
            tls=self._tls,
        )  # fmt: skip

    def _serve(self, request: Request, wire: Wire) -> None:
        assert self._transport is not None
        responder = self._responder = Responder(self._loop, self._transport.write, self._answered, wire)
        self._task = self._loop.create_task(self._run(request, responder))

    async def _run(self, request: Request, responder: Responder) -> None:
        try:
            await self._server.application(request, responder)
        finally:
            self._task = None
            if not responder.ended:  # cancelled, or a room that forgot: never an answer that only looks whole
                responder.abort()

    def _answered(self, keep_alive: bool) -> None:
        """Go on after an answer: close, or take the next request."""
        self._responder = None
        self._last_progress = self._loop.time()
        if self._transport is None:
            return
        if not keep_alive or self._server.draining or self._refused:
            self._transport.close()
        elif self._waiting:
            self._serve(*self._waiting.popleft())

    def _refuse(self, error: MiniLLMError) -> None:
        """Answer what cannot be served, once what was asked before is answered, and close."""
        if self._refused or self._transport is None:
            return
        self._refused = True
        self._waiting.clear()
        if self._responder is not None:
            return  # the answer under way is the last
        request = self._request or Request("GET", "", "", {}, peer=self._peer)
        self._request = None
        wire = Wire(chunked=True, bodiless=request.method == "HEAD", keep_alive=False)
        self._responder = Responder(self._loop, self._transport.write, self._closing, wire)
        self._server.application.refuse(request, self._responder, error)

    def _closing(self, keep_alive: bool) -> None:
        """Let the client read why before the connection goes: what it still sends is thrown away meanwhile."""
        self._responder = None
        self._last_progress = self._loop.time()
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()
        elif self._transport is not None:
            self._transport.close()

    def _check_reader(self, size: int, now: float) -> None:
        """Cut a client that takes nothing of what waits for it."""
        if size != self._unwritten:
            self._unwritten, self._last_progress = size, now
        elif now - self._last_progress > self._server.limits.write_stall:
            self.abort()

    def _unreadable(self) -> RefusedError:
        if not self._headed and self._received > MAX_HEAD:
            return RefusedError(431, f"a head of more than {MAX_HEAD // 1024} KiB", code="head_too_large")
        return RefusedError(400, "this cannot be read as a request of HTTP/1.1")

    def _too_large(self) -> RefusedError:
        limit = self._server.limits.body >> 20
        return RefusedError(413, f"the body is larger than {limit} MiB", code="request_too_large")


def _lower(name: bytes) -> str:
    text = name.decode("latin-1").lower()
    if len(_LOWER) < MOST_NAMES:
        _LOWER[name] = text
    return text
