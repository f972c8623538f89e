"""Bytes to server-sent events and back. Knows CR, LF and CRLF, any chunking, comments, and a byte order mark."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import NamedTuple

from mini_llm.errors import ProtocolError

MAX_EVENT = 8 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: its `event:` name ("" when it has none) and its data lines, joined."""

    event: str
    data: bytes


class Parser:
    """Turns chunks into events, in linear time however they are cut. Comments, ids and retry hints are skipped.

    With *bare*, a block that is JSON without `data:` before it is an event too: Google tells errors so.
    """

    __slots__ = ("_after_cr", "_bare", "_buffer", "_started")

    def __init__(self, *, bare: bool = False) -> None:
        self._bare = bare
        self._buffer = bytearray()
        self._after_cr = False
        self._started = False

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that *chunk* completes. Raises ProtocolError when one is larger than 8 MiB."""
        if self._after_cr or b"\r" in chunk:
            chunk = self._with_plain_newlines(chunk)
        buffer = self._buffer
        seen = len(buffer)
        if not seen and chunk.endswith(b"\n\n"):  # whole events, as nearly every chunk is
            if self._started and len(chunk) <= MAX_EVENT and (event := _only_event(chunk)):
                return [event]
            return self._events(chunk[:-2])
        buffer += chunk
        end = buffer.rfind(b"\n\n", seen - 1 if seen else 0)
        if end < 0:
            if len(buffer) > MAX_EVENT + 1:
                raise _too_large()
            return []
        whole = bytes(buffer[:end])
        del buffer[: end + 2]
        return self._events(whole)

    def close(self) -> list[Event]:
        """Return the last event if the stream ended without the blank line after it."""
        whole = bytes(self._buffer)
        self._buffer.clear()
        return self._events(whole)

    def _with_plain_newlines(self, chunk: bytes) -> bytes:
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _events(self, whole: bytes) -> list[Event]:
        if not self._started:
            self._started = True
            whole = whole.removeprefix(_BOM)
        found = []
        for block in whole.split(b"\n\n"):
            if len(block) > MAX_EVENT:
                raise _too_large()
            # The two shapes nearly every stream is made of; anything else takes the long way.
            if block.startswith(b"data: ") and b"\n" not in block:
                found.append(Event("", block[6:]))
                continue
            first, _, second = block.partition(b"\n")
            if first.startswith(b"event: ") and second.startswith(b"data: ") and b"\n" not in second:
                found.append(Event(first[7:].decode("utf-8", "replace"), second[6:]))
            elif event := _event(block):
                found.append(event)
            elif self._bare and block[:1] == b"{":
                found.append(Event("", block))
        return found


async def events(chunks: AsyncIterable[bytes]) -> AsyncGenerator[Event, None]:
    """Yield the events of *chunks* as they become whole."""
    parser = Parser()
    try:
        async for chunk in chunks:
            for event in parser.feed(chunk):
                yield event
    finally:
        await close(chunks)
    for event in parser.close():
        yield event


async def close(stream: AsyncIterable[object]) -> None:
    """Close *stream* now if it is a generator, so that what it holds is free at once and not when it is collected."""
    if isinstance(stream, AsyncGenerator):
        await stream.aclose()


def encode(data: bytes, event: str = "") -> bytes:
    """Return *data* as one event on the wire."""
    head = b"event: %b\n" % event.encode() if event else b""
    if b"\n" in data or b"\r" in data:
        lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        return head + b"".join(b"data: %b\n" % line for line in lines) + b"\n"
    return b"%bdata: %b\n\n" % (head, data)


def _only_event(chunk: bytes) -> Event | None:
    """Return the event that *chunk* is, if it is only one and in one of the two shapes that nearly every one has."""
    last = len(chunk) - 2
    first = chunk.find(b"\n")
    if first == last:
        return Event("", chunk[6:-2]) if chunk.startswith(b"data: ") else None
    if chunk.startswith(b"event: ") and chunk.startswith(b"data: ", first + 1) and chunk.find(b"\n", first + 1) == last:
        return Event(chunk[7:first].decode("utf-8", "replace"), chunk[first + 7 : -2])
    return None


def _event(block: bytes) -> Event | None:
    name = b""
    lines: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value[1:] if value.startswith(b" ") else value)
        elif field == b"event":
            name = value[1:] if value.startswith(b" ") else value
    if not lines:
        return None
    return Event(name.decode("utf-8", "replace"), lines[0] if len(lines) == 1 else b"\n".join(lines))


def _too_large() -> ProtocolError:
    return ProtocolError(f"an event of the stream is larger than {MAX_EVENT // 1024 // 1024} MiB")
