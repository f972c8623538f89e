"""A stretch of bad network: a TCP relay with latency, little bandwidth, small pieces, limits, and ends of every kind.

    async with link(peer.port, Weather(latency=0.2, piece=1, limit=500, then=RESET)) as port:

Bytes towards the caller of the link pass through its weather; the other way they pass as they are.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from tests.gateway.hostile import CLOSE, RESET, STALL

READ = 65536


class Weather(NamedTuple):
    """Seconds each piece is late, bytes a second, bytes in a piece, and what happens after so many bytes: `then` is
    `close`, `reset` or `stall`. `lingers` is how many seconds late the end of the other side is passed on; `down`: who
    connects is reset at once."""

    latency: float = 0.0
    rate: float = 0.0
    piece: int = READ
    limit: int = 1 << 60
    then: str = CLOSE
    lingers: float = 0.0
    down: bool = False


@asynccontextmanager
async def link(port: int, weather: Weather) -> AsyncIterator[int]:
    """Relay to *port* of this machine; give the port of the relay."""
    running: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        task.add_done_callback(running.discard)
        await _relay(reader, writer, port, weather)

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.sleep(0)


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, weather: Weather) -> None:
    if weather.down:
        _reset(writer)
        return
    there, back = await asyncio.open_connection("127.0.0.1", port)
    out = asyncio.create_task(_pass(reader, back, Weather()))
    try:
        await _pass(there, writer, weather)
    finally:
        out.cancel()
        writer.close()
        back.close()
        await asyncio.gather(out, writer.wait_closed(), back.wait_closed(), return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, weather: Weather) -> None:
    """Pass bytes on through *weather* until one side ends."""
    passed = 0
    with suppress(ConnectionError):
        while data := await reader.read(READ):
            for at in range(0, len(data), weather.piece):
                piece = data[at : at + weather.piece][: weather.limit - passed]
                await asyncio.sleep(weather.latency + (len(piece) / weather.rate if weather.rate else 0.0))
                writer.write(piece)
                await writer.drain()
                passed += len(piece)
                if passed >= weather.limit:
                    await _end(writer, weather.then)
                    return
        await asyncio.sleep(weather.lingers)
        if writer.can_write_eof():
            writer.write_eof()


async def _end(writer: asyncio.StreamWriter, how: str) -> None:
    if how == STALL:
        await asyncio.Event().wait()  # until the link is taken down, or its caller leaves
    if how == RESET:
        await asyncio.sleep(0.001)  # what was sent must leave first
        _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
