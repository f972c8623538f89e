"""The faults, as scripts of a hostile provider. `cut(4, RESET)`: four events of a good stream, then a reset."""

from __future__ import annotations

import asyncio
import gzip
import socket
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.gateway import tongues
from tests.gateway.hostile import END, EVENTS, HTML, JSON, RESET, STALL, Script, Wire, answer, chunk, plays, say, sends


def refused(
    status: int, message: str = tongues.FAILED, code: str = "", headers: Sequence[tuple[str, str]] = ()
) -> Script:
    """Refuse, in the dialect that was asked."""

    async def script(wire: Wire) -> None:
        body = tongues.error(wire.seen.dialect, status, message, code)
        await wire.send(answer(body, status=status, headers=(*JSON, *headers)))

    return script


def silence() -> Script:
    """Take the request and send nothing."""
    return sends(b"", STALL)


def at_byte(number: int, how: str) -> Script:
    """Send a good answer up to that byte (negative: counted from its end), then stop."""

    async def script(wire: Wire) -> None:
        await wire.send(good(wire.seen.dialect, stream=wire.seen.streams)[:number])
        await wire.stop(how)

    return script


def good(dialect: str, *, stream: bool) -> bytes:
    """Return every byte of a good answer."""
    if not stream:
        return answer(tongues.whole(dialect))
    return answer(b"", headers=EVENTS, chunks=(*tongues.stream(dialect).events, b""))


def cut(events: int, how: str = END) -> Script:
    """Stream so many events, then stop."""
    return plays(lambda stream, _: stream.events[:events], how)


def fails_inside(events: int, *, code: str = "", status: int = 500) -> Script:
    """Stream so many events, then one that says it failed; a whole answer is such an object in a 200."""

    async def script(wire: Wire) -> None:
        dialect = wire.seen.dialect
        if not wire.seen.streams:
            await wire.send(answer(tongues.error(dialect, status, code=code)))
            return
        event = tongues.error_event(dialect, status, code=code)
        await plays(lambda stream, _: (*stream.events[:events], event))(wire)

    return script


def spoiled(number: int, data: bytes) -> Script:
    """Stream with these bytes where the event of that number should be; a whole answer is these bytes."""

    async def script(wire: Wire) -> None:
        if not wire.seen.streams:
            await wire.send(answer(data.removeprefix(b"data: ").strip()))
            return
        await plays(lambda stream, _: (*stream.events[:number], data, *stream.events[number + 1 :]))(wire)

    return script


def page(status: int = 200) -> Script:
    """Answer with a web page."""
    return sends(answer(HTML, status=status, headers=(("content-type", "text/html; charset=utf-8"),)))


def labelled(kind: str) -> Script:
    """Answer properly, but call it something else."""

    async def script(wire: Wire) -> None:
        body = tongues.whole(wire.seen.dialect)
        await wire.send(answer(body, headers=(("content-type", kind),)))

    return script


def nothing(status: int = 200) -> Script:
    """Answer with an empty body."""

    async def script(wire: Wire) -> None:
        await wire.send(answer(b"", status=status, headers=EVENTS if wire.seen.streams else JSON))

    return script


def packed(encoding: str, body: bytes) -> Script:
    """Answer with a body that is said to be compressed, though nobody asked for that."""
    return sends(answer(body, headers=(*JSON, ("content-encoding", encoding))))


def bomb(size: int = 10 << 20) -> bytes:
    """Return a few kilobytes that unpack to *size*."""
    return gzip.compress(bytes(size), 9)


def nested_bomb() -> bytes:
    """Return a bomb in a bomb."""
    return gzip.compress(bomb(20 << 20))


def deflated(dialect: str) -> bytes:
    """Return a good answer, compressed."""
    return zlib.compress(tongues.whole(dialect))


def large_head(size: int, fields: int = 1) -> Script:
    """Answer properly under a head with *fields* more fields of *size* bytes in all."""

    async def script(wire: Wire) -> None:
        extra = [(f"x-{number}", "x" * (size // fields)) for number in range(fields)]
        await wire.send(answer(tongues.whole(wire.seen.dialect), headers=(*JSON, *extra)))

    return script


def endless(word: str = " and" * 1000, pause: float = 0.0) -> Script:
    """Stream words for ever; a whole answer is a string that never ends."""

    async def script(wire: Wire) -> None:
        stream = tongues.stream(wire.seen.dialect, (word,))
        await wire.send(answer(b"", headers=EVENTS if wire.seen.streams else JSON, chunks=()))
        for event in stream.head if wire.seen.streams else (b'{"id": "',):
            await wire.send(chunk(event))
        while True:
            await wire.send(chunk(stream.words[0] if wire.seen.streams else word.encode()))
            await asyncio.sleep(pause)

    return script


def drips(event: bytes, pause: float = 5.0) -> Script:
    """Send the head of a stream, and *event* (no content) again and again."""

    async def script(wire: Wire) -> None:
        await wire.send(answer(b"", headers=EVENTS, chunks=()))
        while True:
            await wire.send(chunk(event))
            await asyncio.sleep(pause)

    return script


def without_usage() -> Script:
    """Answer properly, but tell no usage."""
    return say(usage=None)


def named(fault: str) -> Script:
    """Return the script of a fault's name: `status-529`, `cut-3-reset`, `silence`, `page`."""
    kind, *rest = fault.split("-")
    if kind == "status":
        return refused(int(rest[0]))
    if kind == "cut":
        return cut(int(rest[0]), rest[1] if len(rest) > 1 else END)
    if kind == "reset":
        return at_byte(int(rest[0]) if rest else 0, RESET)
    return {"silence": silence, "page": page, "endless": endless, "nothing": nothing}[kind]()


def closed_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def blackhole() -> Iterator[int]:
    """Give a port on which connecting neither succeeds nor fails: its queue is full and nobody takes from it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        try:
            yield int(listener.getsockname()[1])
        finally:
            for one in waiting:
                one.close()


def bad_events(dialect: str) -> dict[str, bytes]:
    """Return what may stand where an event should: none of them is one, in any dialect."""
    good = tongues.stream(dialect).words[0]
    return {
        "half of its JSON": good[: len(good) // 2] + b"\n\n",
        "no JSON": b"data: <html>\n\n",
        "a list": b"data: [1, 2]\n\n",
        "a number": b"data: 7\n\n",
        "a NUL": good.replace(b"One", b"\x00"),
    }
