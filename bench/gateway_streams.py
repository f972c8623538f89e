"""Streams read by a client of our own: how late each event is, whether any is lost, what each costs the server."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import NamedTuple, cast

from gateway_processes import Served
from gateway_servers import Ask

_MARK = re.compile(rb"@(\d+):(\d+):(\d+)@")
_ENDS = (b"data: [DONE]", b"event: message_stop")
_TAIL = 64  # bytes of one piece that a mark may begin in


class Figures(NamedTuple):
    """What one round of streams found: CPU of the server in µs an event, times in ms."""

    cpu: float
    lost: int
    late_p99: float
    latest: float
    first_p50: float
    first_p99: float


class Reader(asyncio.Protocol):
    """One caller of a stream. `ended` is set when the stream has ended properly, or its connection was lost."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.numbers: list[int] = []
        self.delays: list[float] = []
        self.first: float | None = None
        self.complete = False
        self.ended = asyncio.get_running_loop().create_future()
        self.began_to_answer = asyncio.get_running_loop().create_future()
        self.tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.asked = time.monotonic()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        data = self.tail + data
        end = 0
        for mark in _MARK.finditer(data):
            if self.first is None:
                self.first = now - self.asked
                self.began_to_answer.set_result(None)
            self.numbers.append(int(mark[2]))
            self.delays.append(now - int(mark[3]) / 1e9)
            end = mark.end()
        self.complete = self.complete or any(word in data for word in _ENDS)
        self.tail = data[max(end, len(data) - _TAIL) :]
        if self.complete and data.endswith(b"0\r\n\r\n"):
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        for future in (self.ended, self.began_to_answer):
            if not future.done():
                future.set_result(None)


def planned(ask: Ask, plan: str) -> Ask:
    """Return *ask* with its text replaced by *plan*."""
    return ask._replace(body=ask.body.replace(b"PLAN", b"plan " + plan.encode()))


def wire(ask: Ask) -> bytes:
    """Return the bytes of *ask*."""
    headers = {"host": f"127.0.0.1:{ask.port}", "content-type": "application/json", **ask.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {ask.path} HTTP/1.1\r\n{lines}content-length: {len(ask.body)}\r\n\r\n".encode() + ask.body


async def open_reader(ask: Ask) -> Reader:
    """Send *ask* on a connection of its own."""
    loop = asyncio.get_running_loop()
    _, reader = await loop.create_connection(lambda: Reader(wire(ask)), "127.0.0.1", ask.port)
    return reader


async def streams(
    server: Served, ask: Ask, *, count: int = 200, events: int = 64, pace: int = 20, spread: float = 1.0
) -> Figures:
    """Read *count* streams at once, begun one after the other within *spread* seconds."""
    before = server.cpu()
    pending = []
    begins = time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(0.0, begins + spread * number / count - time.monotonic()))
        pending.append(asyncio.ensure_future(open_reader(planned(ask, f"events={events} ms={pace} id={number}"))))
    readers = await asyncio.gather(*pending)
    await asyncio.wait_for(asyncio.gather(*(reader.ended for reader in readers)), 60 + events * pace / 1000)
    cpu = (server.cpu() - before) / (count * events) * 1e6
    lost = sum(not reader.complete for reader in readers)
    lost += sum(sum(number not in reader.numbers for number in range(events)) for reader in readers)
    lost += sum(reader.numbers != sorted(reader.numbers) for reader in readers)
    delays = [delay for reader in readers for delay in reader.delays]
    firsts = [reader.first for reader in readers if reader.first is not None]
    if not firsts:
        raise SystemExit(f"no stream came from {ask.path} at {ask.port}: {readers[0].tail!r}")
    return Figures(cpu, lost, at(delays, 0.99), max(delays) * 1000, at(firsts, 0.5), at(firsts, 0.99))


def at(values: Sequence[float], share: float) -> float:
    """Return in ms the value that *share* of *values* (in seconds) do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000
