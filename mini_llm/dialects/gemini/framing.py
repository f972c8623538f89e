"""The two forms of a stream: server-sent events, or the JSON array that comes without `alt=sse`."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterable

from mini_llm import sse
from mini_llm.errors import ProtocolError

_BETWEEN = re.compile(rb"{")
_OUTSIDE = re.compile(rb'[{}"]')
_IN_STRING = re.compile(rb'["\\]')


async def events(chunks: AsyncIterable[bytes]) -> AsyncGenerator[sse.Event, None]:
    """Yield the events of *chunks* as they become whole. An error may stand between them as bare JSON."""
    array: _Objects | None = None
    parser = sse.Parser(bare=True)
    begun = False
    try:
        async for chunk in chunks:
            if not begun:
                chunk = chunk.lstrip()
                begun = bool(chunk)
                array = _Objects() if chunk[:1] in (b"[", b"{") else None
            for event in parser.feed(chunk) if array is None else array.feed(chunk):
                yield event
    finally:
        await sse.close(chunks)
    for event in parser.close():
        yield event


async def array(stream: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield a written *stream* as the JSON array that a caller without `alt=sse` wants. One that is cut stays open."""
    parser = sse.Parser()
    begun = False
    try:
        async for piece in stream:
            for event in parser.feed(piece):
                yield (b",\r\n" if begun else b"[") + event.data
                begun = True
    finally:
        await sse.close(stream)
    yield b"]" if begun else b"[]"


class _Objects:
    """Finds the objects of an array, in linear time however it is cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._depth = 0
        self._quoted = False

    def feed(self, chunk: bytes) -> list[sse.Event]:
        """Return the objects that *chunk* completes. Raises ProtocolError when one is larger than 8 MiB."""
        self._buffer += chunk
        found = []
        while (end := self._next()) is not None:
            found.append(sse.Event("", bytes(self._buffer[:end])))
            del self._buffer[:end]
            self._at = 0
        if not self._depth:
            self._buffer.clear()
            self._at = 0
        if len(self._buffer) > sse.MAX_EVENT:
            raise ProtocolError(f"an event of the stream is larger than {sse.MAX_EVENT // 1024 // 1024} MiB")
        return found

    def _next(self) -> int | None:
        """Return where the object at the start of the buffer ends; None if it goes on. What is before it goes."""
        while found := self._pattern().search(self._buffer, self._at):
            self._at = found.end()
            match found[0]:
                case b'"':
                    self._quoted = not self._quoted
                case b"\\":
                    if self._at == len(self._buffer):
                        self._at = found.start()
                        return None
                    self._at += 1
                case b"{":
                    if not self._depth:
                        del self._buffer[: found.start()]
                        self._at = 1
                    self._depth += 1
                case b"}":
                    self._depth -= 1
                    if not self._depth:
                        return self._at
        self._at = len(self._buffer)
        return None

    def _pattern(self) -> re.Pattern[bytes]:
        """Return what matters next. Between objects it is only where one begins, whatever else stands there."""
        return _BETWEEN if not self._depth else _IN_STRING if self._quoted else _OUTSIDE
