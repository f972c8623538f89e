"""Requests a second and CPU a request: our transport beside aiohttp and httpx, same local server, same run.

    python bench/transport.py [--rounds 7] [--requests 1500] [--uvloop]

CPU is what this process used (user and system); the server is another process. Rounds of the three take turns, so that
a noisy moment hits all; the table shows the least and the median. Ratios compare the least CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, TypeAlias

JSON_BODY = b'{"choices": [{"message": {"content": "' + b"x" * 627 + b'"}}]}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(JSON_BODY) + JSON_BODY
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n' % (b"x" * 250)
EVENTS = 64
PAUSE = 0.001  # between two events: each is read by itself, as a model's tokens are
REQUEST_BODY = b'{"model": "m", "messages": [{"role": "user", "content": "' + b"y" * 600 + b'"}]}'
HEADERS = [
    ("authorization", "Bearer sk-0123456789abcdef"),
    ("content-type", "application/json"),
    ("user-agent", "bench"),
    ("accept", "application/json"),
]

Ask: TypeAlias = Callable[[str], Awaitable[int]]


class Case(NamedTuple):
    """What is asked for, by how many at once."""

    name: str
    path: str
    at_once: int
    share: float  # of the number of requests
    size: int


CASES = (
    Case("JSON, 1 at a time", "/json", 1, 1.0, len(JSON_BODY)),
    Case("JSON, 16 at once", "/json", 16, 2.0, len(JSON_BODY)),
    Case(f"stream of {EVENTS} events, 16 at once", "/stream", 16, 0.1, len(EVENT) * EVENTS),
)


class Responder(asyncio.Protocol):
    """The server: as little as will do."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        lower = head.lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if not found or len(body) < length:
            return
        self.buffer = b""
        if b" /stream " in head[:64]:
            self.transport.write(STREAM_HEAD)
            self.send_event(EVENTS)
        else:
            self.transport.write(ANSWER)

    def send_event(self, left: int) -> None:
        if left:
            self.transport.write(b"%x\r\n%s\r\n" % (len(EVENT), EVENT))
            asyncio.get_running_loop().call_later(PAUSE, self.send_event, left - 1)
        else:
            self.transport.write(b"0\r\n\r\n")


def serve(pipe: Connection) -> None:
    """Run the server and tell its port."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Responder, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@asynccontextmanager
async def ours() -> AsyncIterator[Ask]:
    from mini_llm.transport import Timeouts, Transport

    transport = Transport(environ={})
    timeouts = Timeouts()

    async def ask(url: str) -> int:
        size = 0
        async with transport.send("POST", url, headers=HEADERS, body=REQUEST_BODY, timeouts=timeouts) as response:
            if url.endswith("json"):
                return len(await response.read())
            async for chunk in response.chunks():
                size += len(chunk)
        return size

    yield ask
    await transport.close()


@asynccontextmanager
async def aiohttp() -> AsyncIterator[Ask]:
    from aiohttp import ClientSession, ClientTimeout, TCPConnector

    limits = ClientTimeout(total=600, sock_connect=5, sock_read=120)
    async with ClientSession(connector=TCPConnector(limit=0), timeout=limits, auto_decompress=False) as session:

        async def ask(url: str) -> int:
            size = 0
            async with session.post(url, headers=HEADERS, data=REQUEST_BODY) as response:
                if url.endswith("json"):
                    return len(await response.read())
                async for chunk in response.content.iter_any():
                    size += len(chunk)
            return size

        yield ask


@asynccontextmanager
async def httpx() -> AsyncIterator[Ask]:
    from httpx import AsyncClient, Limits, Timeout

    async with AsyncClient(limits=Limits(max_connections=None), timeout=Timeout(120.0), trust_env=False) as client:

        async def ask(url: str) -> int:
            size = 0
            async with client.stream("POST", url, headers=HEADERS, content=REQUEST_BODY) as response:
                if url.endswith("json"):
                    return len(await response.aread())
                async for chunk in response.aiter_raw():
                    size += len(chunk)
            return size

        yield ask


CLIENTS = {"mini-llm": ours, "aiohttp": aiohttp, "httpx": httpx}


async def measure(client: str, case: Case, url: str, requests: int) -> tuple[float, float]:
    """Return requests a second and CPU µs a request of one round."""
    left = iter(range(requests))

    async def work(ask: Ask) -> None:
        for _ in left:
            size = await ask(url + case.path)
            assert size == case.size, (client, size)

    async with CLIENTS[client]() as ask:
        await asyncio.gather(*(ask(url + case.path) for _ in range(case.at_once)))  # connections are open, code is warm
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(work(ask) for _ in range(case.at_once)))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return requests / wall, cpu / requests * 1e6


def table(case: Case, rounds: dict[str, list[tuple[float, float]]]) -> None:
    """Print one case."""
    print(f"\n{case.name}")
    print(f"{'':10} {'req/s best':>11} {'median':>9} {'CPU µs min':>11} {'median':>9} {'ratio':>7}")
    least = min(cpu for _, cpu in rounds["mini-llm"])
    for client, figures in rounds.items():
        rates, cpus = zip(*figures, strict=True)
        print(
            f"{client:10} {max(rates):11,.0f} {statistics.median(rates):9,.0f}"
            f" {min(cpus):11,.1f} {statistics.median(cpus):9,.1f} {min(cpus) / least:7.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=1500)
    parser.add_argument("--uvloop", action="store_true", help="run the clients on uvloop")
    options = parser.parse_args()
    factory = None
    if options.uvloop:
        import uvloop

        factory = uvloop.new_event_loop
    mine, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{mine.recv()}"
    print(f"Python {sys.version.split()[0]}, {'uvloop' if factory else 'asyncio'}, {options.rounds} rounds each")
    try:
        for case in CASES:
            rounds: dict[str, list[tuple[float, float]]] = {client: [] for client in CLIENTS}
            for _ in range(options.rounds):
                for client in CLIENTS:
                    requests = int(options.requests * case.share)
                    with asyncio.Runner(loop_factory=factory) as runner:
                        rounds[client].append(runner.run(measure(client, case, url, requests)))
            table(case, rounds)
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
