"""What a room answers with: one whole answer, or a stream that goes out as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import NamedTuple

Fields = Sequence[tuple[str, str]]

_REASONS = {status.value: status.phrase for status in HTTPStatus} | {499: "Client Closed Request", 529: "Overloaded"}
_ALWAYS = "x-content-type-options: nosniff\r\n"
_LINES = {status: f"HTTP/1.1 {status} {reason}\r\n{_ALWAYS}" for status, reason in _REASONS.items()}
NO_LENGTH = (204, 304)  # such answers have no body, and 304 would speak of the body that the caller has
PING = b": ping\n\n"
PING_SECONDS = 15.0


class Wire(NamedTuple):
    """How an answer must be framed: what the request's version, method and connection allow."""

    chunked: bool
    bodiless: bool
    keep_alive: bool


class Responder:
    """Write the answer to one request. What is written in one turn of the loop goes out as one piece.

    `status` is 0 until something was sent. `paused` tells that the reader is slow: `await drain()` then. With `pings`,
    a quiet stream is kept alive by comments; `patience` is what is called at a time of the loop's clock if nothing was
    sent by then.
    """

    __slots__ = (
        "_done", "_flushing", "_head", "_loop", "_out", "_pieces", "_wire", "_writable",
        "ended", "last_write", "patience", "paused", "pings", "sent", "status",
    )  # fmt: skip

    def __init__(
        self, loop: asyncio.AbstractEventLoop, out: Callable[[bytes], None], done: Callable[[bool], None], wire: Wire
    ) -> None:
        self._loop = loop
        self._out = out
        self._done = done
        self._wire = wire
        self._head = b""
        self._pieces: list[bytes] = []
        self._flushing: asyncio.Handle | None = None
        self._writable: asyncio.Future[None] | None = None
        self.status = 0
        self.sent = 0
        self.ended = False
        self.paused = False
        self.pings = False
        self.patience: tuple[float, Callable[[], None]] | None = None
        self.last_write = 0.0

    @property
    def streaming(self) -> bool:
        """Whether the head of a stream is out, so that no other status can be told."""
        return self.status != 0 and not self.ended

    def send(self, status: int, fields: Fields, body: bytes) -> None:
        """Send a whole answer."""
        if self.status:
            raise RuntimeError("an answer was begun already")
        self.status = status
        length = "" if status in NO_LENGTH else f"content-length: {len(body)}\r\n"
        head = _head(status, fields, length, keep_alive=self._wire.keep_alive)
        self.sent = len(body)
        self._out(head if self._wire.bodiless else head + body)
        self._end(self._wire.keep_alive)

    def start(self, status: int, fields: Fields) -> None:
        """Begin a stream. Its head goes out with the first piece, or with the next turn of the loop."""
        if self.status:
            raise RuntimeError("an answer was begun already")
        self.status = status
        framing = "transfer-encoding: chunked\r\n" if self._wire.chunked else ""
        self._head = _head(status, fields, framing, keep_alive=self._wire.keep_alive and self._wire.chunked)
        self.last_write = self._loop.time()
        self._schedule()

    def write(self, data: bytes) -> None:
        """Send *data* as part of the stream."""
        if not data or self.ended or self._wire.bodiless:
            return
        self.sent += len(data)
        self._pieces.append(data)
        self._schedule()

    def ping(self) -> None:
        """Send a comment, which is legal between the events of every dialect."""
        self.write(PING)

    async def drain(self) -> None:
        """Wait until the reader has taken enough of what was written."""
        if self.paused and not self.ended:
            self._writable = self._writable or self._loop.create_future()
            await asyncio.shield(self._writable)

    def finish(self) -> None:
        """End the stream properly."""
        if self.ended or not self.status:
            return
        last = b"0\r\n\r\n" if self._wire.chunked and not self._wire.bodiless else b""
        self._flush(last)
        self._end(self._wire.keep_alive and self._wire.chunked)

    def abort(self) -> None:
        """End the stream so that its reader sees that it was cut: the connection closes without the last chunk."""
        if not self.ended:
            self._flush(b"")
            self._end(False)

    # What the connection calls.

    def tick(self, now: float) -> None:
        """Do what is due: called about once a second."""
        if self.patience is not None and not self.status and now >= self.patience[0]:
            (_, call), self.patience = self.patience, None
            call()
        elif self.pings and self.streaming and now - self.last_write >= PING_SECONDS:
            self.ping()

    def pause(self) -> None:
        """Note that the reader is slow."""
        self.paused = True

    def resume(self) -> None:
        """Note that the reader has caught up, or has gone."""
        self.paused = False
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    def drop(self) -> None:
        """Note that nobody is there to read any more."""
        self.ended = True
        self._pieces.clear()
        if self._flushing is not None:
            self._flushing.cancel()
        self.resume()

    def _schedule(self) -> None:
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self._flush, b"")

    def _flush(self, last: bytes) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        pieces, self._pieces = self._pieces, []
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if data and self._wire.chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        whole = self._head + data + last
        self._head = b""
        if whole:
            self.last_write = self._loop.time()
            self._out(whole)

    def _end(self, keep_alive: bool) -> None:
        self.ended = True
        self._done(keep_alive)


def _head(status: int, fields: Fields, framing: str, *, keep_alive: bool) -> bytes:
    lines = "".join([f"{name}: {value}\r\n" for name, value in fields])
    if lines.count("\n") != len(fields) or lines.count("\r") != len(fields):
        raise ValueError("a header field with a line break in it")
    closing = "" if keep_alive else "connection: close\r\n"
    line = _LINES.get(status) or f"HTTP/1.1 {status} \r\n{_ALWAYS}"
    return f"{line}{lines}{framing}{closing}\r\n".encode("latin-1", "replace")
