"""What a gateway must bear: idle streams, readers that stall, senders that dawdle, clients that leave."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from gateway_load import wrk
from gateway_processes import Served
from gateway_servers import Ask
from gateway_streams import Reader, open_reader, planned, wire


async def idle_streams(server: Served, ask: Ask, count: int = 1000) -> float:
    """Return by how many MB *count* streams that say one word and then nothing make the server grow."""
    before = server.memory()
    readers = [await open_reader(planned(ask, f"events=1 hold=1 id={number}")) for number in range(count)]
    await asyncio.wait_for(asyncio.gather(*(reader.began_to_answer for reader in readers)), 60)
    silent = sum(reader.first is None for reader in readers)
    if silent:
        raise SystemExit(f"{silent} of {count} streams did not begin")
    grown = server.memory() - before
    await _leave(readers)
    return grown


async def stalled_readers(server: Served, ask: Ask, count: int = 100, megabytes: int = 50) -> float:
    """Return by how many MB *count* readers that never read their *megabytes* make the server grow at most."""
    before = most = server.memory()
    plan = f"events={megabytes * 1000} size=1000 ms=0 id="
    readers = []
    for number in range(count):
        reader = await open_reader(planned(ask, f"{plan}{number}"))
        reader.transport.pause_reading()
        readers.append(reader)
    for _ in range(50):
        await asyncio.sleep(0.1)
        most = max(most, server.memory())
    await _leave(readers)
    return most - before


def slow_senders(ask: Ask, folder: Path, count: int = 200, rounds: int = 3) -> tuple[float, float]:
    """Return a healthy client's p99 in ms, alone and while *count* others send their requests byte by byte."""
    request = wire(ask)
    body = request.index(b"\r\n\r\n") + 4
    alone, among = [], []
    for _ in range(rounds):
        alone.append(wrk(ask, folder, connections=1, seconds=2).p99)
        senders = [_Slow(ask.port, request, 30 if number % 2 else body + 10) for number in range(count)]
        load = threading.Thread(target=lambda: among.append(wrk(ask, folder, connections=1, seconds=2).p99))
        load.start()
        while load.is_alive():
            for sender in senders:
                sender.send()
            time.sleep(0.25)
        load.join()
        for sender in senders:
            sender.close()
    return min(alone), min(among)


class _Slow:
    """A client that has sent *begun* bytes of its request, and sends one more when told to."""

    def __init__(self, port: int, request: bytes, begun: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._request = request
        self._sent = begun
        self._socket.sendall(request[:begun])

    def send(self) -> None:
        self._socket.sendall(self._request[self._sent : self._sent + 1])
        self._sent += 1

    def close(self) -> None:
        self._socket.close()


async def leaving_clients(ask: Ask, upstream: Served, count: int = 100) -> list[float]:
    """Return how many seconds after each of *count* clients left its upstream connection was closed; inf if never."""
    first = random.randrange(1_000_000, 2_000_000)
    left: dict[str, float] = {}
    for number in range(first, first + count):
        reader = await open_reader(planned(ask, f"events=100000 ms=20 id={number}"))
        await asyncio.wait_for(reader.began_to_answer, 20)
        await asyncio.sleep(random.random() * 0.03)
        if number % 2:
            reset = struct.pack("ii", 1, 0)
            reader.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        left[str(number)] = time.monotonic()
        reader.transport.abort()
    await asyncio.sleep(2)
    gone = _gone(upstream)
    return [gone.get(number, float("inf")) - at for number, at in left.items()]


def _gone(upstream: Served) -> Mapping[str, float]:
    connection = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=10)
    connection.request("GET", "/gone")
    found: Mapping[str, float] = json.loads(connection.getresponse().read())
    connection.close()
    return found


async def _leave(readers: list[Reader]) -> None:
    for reader in readers:
        reader.transport.abort()
    await asyncio.sleep(1)
