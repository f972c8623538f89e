"""The virtual clock: timers fire at once and in order, and never before what is on the wire."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.gateway import clock


def now() -> float:
    return asyncio.get_running_loop().time()


def test_half_an_hour_passes_at_once() -> None:
    async def story() -> float:
        began = now()
        await asyncio.sleep(1800)
        return now() - began

    began = time.monotonic()
    assert clock.run(story()) == pytest.approx(1800)
    assert time.monotonic() - began < 5


def test_timers_fire_in_their_order_at_their_times() -> None:
    async def wake(after: float, log: list[tuple[float, float]], began: float) -> None:
        await asyncio.sleep(after)
        log.append((after, now() - began))

    async def story() -> list[tuple[float, float]]:
        log: list[tuple[float, float]] = []
        began = now()
        await asyncio.gather(*(wake(after, log, began) for after in (30, 1, 600, 15, 2.5)))
        return log

    log = clock.run(story())
    assert [after for after, _ in log] == [1, 2.5, 15, 30, 600]
    assert all(at == pytest.approx(after) for after, at in log)


def test_a_deadline_passes_only_when_it_is_due() -> None:
    async def story() -> str:
        try:
            async with asyncio.timeout(10):
                await asyncio.sleep(9.9)
            async with asyncio.timeout(10):
                await asyncio.sleep(10.1)
        except TimeoutError:
            return "late"
        return "never"

    assert clock.run(story()) == "late"


def test_no_time_passes_while_bytes_are_on_their_way() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def talk(port: int, size: int) -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began = now()
        for number in range(20):
            async with asyncio.timeout(0.001):  # virtual: any jump of the clock would end it
                writer.write(b"%d" % (number % 10) * size)
                await reader.readexactly(size)
        writer.close()
        await writer.wait_closed()
        return now() - began

    async def story() -> list[float]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            return [await talk(port, size) for size in (1, 1000, 300_000)]

    assert clock.run(story()) == [0, 0, 0]


def test_a_peer_that_closes_is_seen_before_any_timer_fires() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.transport.abort()

    async def story() -> list[str]:
        seen = []
        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        async with server:
            for _ in range(20):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
                writer.write(b".")
                try:
                    async with asyncio.timeout(0.001):
                        seen.append(str(await reader.read()))
                finally:
                    writer.close()
        return seen

    assert clock.run(story()) == ["b''"] * 20


def test_no_time_passes_while_a_thread_works() -> None:
    async def story() -> float:
        began = now()
        async with asyncio.timeout(0.01):
            await asyncio.to_thread(time.sleep, 0.05)
        return now() - began

    assert clock.run(story()) == 0


def test_waiting_for_nothing_is_a_failure_and_no_hang() -> None:
    class Impatient(clock.VirtualLoop):
        hang = 0.01

    async def story() -> None:
        await asyncio.get_running_loop().create_future()

    with asyncio.Runner(loop_factory=Impatient) as runner, pytest.raises(clock.StuckError):
        runner.run(story())
