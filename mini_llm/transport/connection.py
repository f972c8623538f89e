"""One socket to one peer: bytes out, bytes in, a clock for each phase, and back-pressure both ways."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import cast

from mini_llm.errors import NetworkError, ProtocolError, ResetByPeerError, TLSError, TruncatedError
from mini_llm.transport import reasons
from mini_llm.transport.message import Message
from mini_llm.transport.timeouts import Timeouts

MAX_BUFFERED = 64 * 1024  # body bytes that may wait for a slow reader before the peer is made to wait
READ = 32 * 1024  # bytes read at once. asyncio alone would allocate 256 KiB each time: 13 µs more a read (2026-11)
SLICE = 256 * 1024  # a body up to this size leaves in one write with its head; a larger one in such pieces


class Connection(asyncio.BufferedProtocol):
    """Carries one exchange at a time; between two of them it rests in its pool.

    One timer serves every deadline. It is not moved when bytes come: it looks at the clock when it rings.
    """

    def __init__(
        self,
        label: str,
        *,
        idle_age: float,
        opened: Callable[[Connection], None],
        lost: Callable[[Connection], None],
    ) -> None:
        self.used = False  # it has carried an exchange before
        self.idle_since = 0.0  # on the pool's clock
        self._label = label
        self._idle_age = idle_age
        self._opened = opened
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._closed = False
        self._received = memoryview(bytearray(READ))
        self._message: Message | None = None  # the answer under way; None while it rests
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._unsent = memoryview(b"")
        self._reading = True
        self._writable = True
        self._timeouts = Timeouts()
        self._ends = 0.0  # when the whole exchange must be over
        self._content_by = math.inf  # when its reader must have seen content
        self._last = 0.0  # when a byte last came or went, or the rest began
        self._timer: asyncio.TimerHandle | None = None

    @property
    def alive(self) -> bool:
        """Return whether it can carry an exchange, as far as is known here."""
        return self._transport is not None and not self._closed and not self._transport.is_closing()

    async def exchange(self, head: bytes, body: bytes, *, bodiless: bool, timeouts: Timeouts, began: float) -> Message:
        """Send one request; return its answer as soon as the head of it is here."""
        message = self._message = Message(self._label, bodiless=bodiless)
        self._timeouts, self._last = timeouts, self._loop.time()
        self._ends, self._content_by = began + timeouts.total, began + timeouts.content
        try:
            self._send(head, body)
            while not message.status:
                await self._change()
        except BaseException:
            self.abort()
            raise
        return message

    async def receive(self, message: Message) -> bytes:
        """Return all body bytes that have come since the last call, b"" at the end of the body."""
        while not message.size:
            if message.complete:
                return b""
            await self._change()
        data = message.take()
        if not self._reading:
            self._resume_reading()
        return data

    def content_came(self) -> None:
        """End the wait for content: from here only silence and the total count."""
        self._content_by = math.inf

    def allow_silence(self, seconds: float) -> None:
        """Let the peer be silent between two bytes for longer than was said at first."""
        self._timeouts = self._timeouts._replace(silence=max(seconds, self._timeouts.silence))

    def release(self) -> bool:
        """End the exchange. Return whether another may follow; if not, the socket is closed at once."""
        message, self._message = self._message, None
        self.used = True
        if message is None or not (message.complete and message.reusable and self.alive) or self._unsent:
            self.abort()
            return False
        self._resume_reading()
        self._last = self._loop.time()
        self._set_timer()
        return True

    def abort(self, error: Exception | None = None) -> None:
        """Close the socket at once, whatever is under way; a reader gets *error*."""
        self._error = self._error or error or NetworkError(f"the exchange with {self._label} was closed")
        self._unsent = memoryview(b"")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    def forsake(self) -> None:
        """Count as lost though nobody says so: uvloop is silent when the opening of a connection is cancelled."""
        self._closed = True
        self._lost(self)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # what a Protocol is given, whatever the base class says
        self._opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        message = self._message
        if message is None:
            self.abort()  # nothing was asked: taken on, this could pass for the answer to the next request
            return
        self._last = self._loop.time()
        first = not message.began
        try:
            message.feed(self._received[:nbytes])
        except ProtocolError as error:
            self.abort(error)
            return
        if first and not message.complete:
            self._set_timer()  # silence may be allowed for less long than the first byte was
        if message.size > MAX_BUFFERED:
            self._pause_reading()
        if self._unsent and message.status >= 400:
            self._unsent = memoryview(b"")  # refused before it was sent whole: the rest would be wasted
            message.reusable = False
        self._wake()

    def eof_received(self) -> None:
        self._peer_ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self._peer_ended(exc)
        self.abort()
        self._lost(self)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._last = self._loop.time()
        self._send_more()

    # How it does these.

    def _send(self, head: bytes, body: bytes) -> None:
        """Write the request, or as much of it as goes at once."""
        if self._transport is None or self._closed or self._transport.is_closing():
            self._peer_ended(None)
            return
        self._set_timer()
        if len(body) <= SLICE:
            self._transport.write(head + body)
            return
        self._unsent = memoryview(body)[SLICE:]
        self._transport.write(head + body[:SLICE])
        self._loop.call_soon(self._send_more)

    def _send_more(self) -> None:
        """Write one more piece each turn of the loop, so that an early answer is seen between two of them."""
        if not (self._unsent and self._writable and self._transport is not None and self.alive):
            return
        piece, self._unsent = self._unsent[:SLICE], self._unsent[SLICE:]
        self._last = self._loop.time()
        self._transport.write(piece)
        if self._writable:
            self._loop.call_soon(self._send_more)

    def _change(self) -> asyncio.Future[None]:
        """Return what is done as soon as something has happened; raise if that was a failure."""
        if self._error is not None:
            raise self._error
        if self._waiter is not None and not self._waiter.done():
            raise RuntimeError("an answer can have one reader only")
        self._waiter = self._loop.create_future()
        return self._waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            try:  # noqa: SIM105 - this is done for every piece, and `suppress` costs more than the rest
                waiter.set_result(None)
            except asyncio.InvalidStateError:
                pass  # cancelled; to ask beforehand leaves room for a Ctrl-C between the two

    def _peer_ended(self, cause: Exception | None) -> None:
        """Decide whether the end of the connection ends the answer, or breaks it."""
        message = self._message
        if message is None or message.complete or self._error is not None:
            return
        if cause is None and message.began:
            try:
                message.end()
            except TruncatedError as error:
                self._error = error
        elif cause is not None and reasons.is_tls(cause):
            self._error = TLSError(f"{self._label} broke the encrypted connection: {reasons.of(cause)}")
        else:
            how = reasons.of(cause) if cause else "closed without an answer"
            self._error = ResetByPeerError(
                f"the connection to {self._label} broke: {how}", reused=self.used, answered=message.began
            )
        if self._error is not None:
            self._error.__cause__ = cause
        self._wake()

    def _pause_reading(self) -> None:
        if self._reading and self._transport is not None and self.alive:
            self._reading = False
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._reading and self._transport is not None and self.alive:
            self._reading = True
            self._last = self._loop.time()
            self._transport.resume_reading()
            self._set_timer()

    def _set_timer(self) -> None:
        """See to it that the timer rings no later than the next deadline; earlier does no harm."""
        due = self._due()
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._ring) if due < math.inf else None

    def _ring(self) -> None:
        self._timer = None
        due = self._due()
        if due > self._loop.time():
            self._set_timer()
        elif self._message is None:
            self.abort()
        else:
            self.abort(self._timeouts.passed(self._phase(self._message, due), self._label))

    def _due(self) -> float:
        """Return when patience ends next."""
        message = self._message
        if message is None:
            return self._last + self._idle_age
        if message.complete:
            return math.inf
        last = min(self._content_by, self._ends)
        if not self._reading:
            return last  # it is the peer who waits
        return min(last, self._last + (self._timeouts.silence if message.began else self._timeouts.first_byte))

    def _phase(self, message: Message, due: float) -> str:
        """Return which phase of *message* was to be over when patience ended."""
        if self._reading and not message.began and due == self._last + self._timeouts.first_byte:
            return "first byte"
        if due == self._content_by:
            return "first content"
        return "total" if due == self._ends else "silence"
