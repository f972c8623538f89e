"""Newline-delimited JSON: every line of the stream is one event."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterator

from mini_llm import sse
from mini_llm.errors import ProtocolError


async def events(chunks: AsyncIterable[bytes]) -> AsyncGenerator[sse.Event, None]:
    """Yield the lines of *chunks* as they become whole, the last one also without its line feed."""
    begun: list[bytes] = []  # of the line that is not whole yet
    size = 0
    try:
        async for chunk in chunks:
            head, feed, rest = chunk.partition(b"\n")
            begun.append(head)
            size += len(head)
            _check(size)
            if not feed:
                continue
            lines = [b"".join(begun), *rest.split(b"\n")]
            begun = [lines.pop()]
            size = len(begun[0])
            for event in _events(lines):
                yield event
    finally:
        await sse.close(chunks)
    for event in _events([b"".join(begun)]):
        yield event


def _events(lines: list[bytes]) -> Iterator[sse.Event]:
    for line in lines:
        _check(len(line))
        if data := line.strip():
            yield sse.Event("", data)


def _check(size: int) -> None:
    if size > sse.MAX_EVENT:
        raise ProtocolError(f"a line of the stream is larger than {sse.MAX_EVENT // 1024 // 1024} MiB")
