"""transport: deadlines, cancelling, back-pressure, and every way a connection can break."""

from __future__ import annotations

import asyncio
import time

import pytest

from mini_llm.errors import DeadlineError, NetworkError, ProtocolError, ResetByPeerError, TruncatedError
from mini_llm.transport import Timeouts, Transport
from tests.exchange import QUICK, get, opened, play
from tests.hostile import (
    Hostile,
    Request,
    Script,
    Wire,
    answer,
    closed_port,
    cut,
    events,
    faulty,
    flood,
    hostile,
    huge_head,
    reset,
    stall,
)

# Giving up.


@pytest.mark.parametrize("when", ["before the answer", "in the middle of it"])
def test_cancelling_closes_the_socket_at_once(when: str) -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = stall(0 if when == "before the answer" else 80, of=answer(b"x" * 1000))
        task = asyncio.create_task(get(transport, f"{peer.url}/"))
        while not peer.requests:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.02)
        task.cancel()
        assert await peer.closed(0) < 1.0
        with pytest.raises(asyncio.CancelledError):
            await task

    play(story)


def test_leaving_the_block_early_closes_the_socket_at_once() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = stall(100, of=events(*"abcdefgh"))
        async with transport.send("GET", f"{peer.url}/", timeouts=QUICK) as response:
            async for _ in response.chunks():
                break
        assert await peer.closed(0) < 1.0
        assert (await get(transport, f"{peer.url}/x"))[2] is False

    play(story)


@pytest.mark.parametrize(
    ("script", "timeouts", "phase"),
    [
        (stall(0), QUICK._replace(first_byte=0.1), "first byte"),
        (stall(10), QUICK._replace(silence=0.1), "silence"),
        (stall(90, of=answer(b"x" * 1000)), QUICK._replace(silence=0.1), "silence"),
        (flood(b"x", pause=0.01), QUICK._replace(total=0.1), "total"),
        (faulty("slow@1", answer()), QUICK._replace(total=0.05), "total"),
        (stall(0), QUICK._replace(total=0.1), "total"),
        (stall(0), QUICK._replace(content=0.1), "first content"),
        (flood(b"x", pause=0.01), QUICK._replace(content=0.1), "first content"),
        (faulty("slow@1", answer()), QUICK._replace(content=0.05), "first content"),
    ],
)
def test_each_phase_has_its_deadline(script: Script, timeouts: Timeouts, phase: str) -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = script
        began = time.monotonic()
        with pytest.raises(DeadlineError) as caught:
            await get(transport, f"{peer.url}/", timeouts)
        assert 0.04 < time.monotonic() - began < 1.0
        assert caught.value.phase == phase
        assert f"http://127.0.0.1:{peer.port}" in str(caught.value)
        assert await peer.closed(0) < 1.0

    play(story)


def test_once_content_has_come_only_silence_and_the_total_count() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = stall(90, of=answer(b"x" * 1000))
        timeouts = QUICK._replace(content=0.1, silence=0.2)
        with pytest.raises(DeadlineError) as caught:
            async with transport.send("GET", f"{peer.url}/", timeouts=timeouts) as response:
                response.content_came()
                response.allow_silence(0.4)
                began = time.monotonic()
                await response.read()
        assert caught.value.phase == "silence" and time.monotonic() - began > 0.3

    play(story)


def test_a_slow_reader_is_not_taken_for_a_silent_peer() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        body = b"x" * 20_000_000
        peer.scripts["/"] = answer(body)
        async with transport.send("GET", f"{peer.url}/", timeouts=QUICK._replace(silence=0.1)) as response:
            await asyncio.sleep(0.25)
            assert await response.read() == body

    play(story)


def test_a_peer_that_sends_more_than_is_read_is_made_to_wait() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = answer(b"x" * 50_000_000)
        async with transport.send("GET", f"{peer.url}/", timeouts=QUICK) as response:
            chunks = response.chunks()
            first = await anext(chunks)
            await asyncio.sleep(0.1)
            stuck = peer.requests[0].sent
            await asyncio.sleep(0.1)
            assert peer.requests[0].sent == stuck == 0  # the peer's one send of 50 MB is not through
            second = await anext(chunks)
            assert len(first) + len(second) < 1_000_000  # what lay here while nobody read
            await chunks.aclose()
        assert await peer.closed(0) < 1.0

    play(story)


def test_a_slow_reader_bounds_what_the_peer_can_send() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = flood()
        async with transport.send("GET", f"{peer.url}/", timeouts=QUICK) as response:
            await anext(response.chunks())
            await asyncio.sleep(0.1)
            stuck = peer.requests[0].sent
            await asyncio.sleep(0.1)
            assert peer.requests[0].sent == stuck < 16_000_000  # the sockets' own buffers, and ours

    play(story)


def test_a_peer_that_takes_no_more_of_the_request_is_given_up() -> None:
    async def story() -> None:
        async with hostile(body_first=False) as peer, opened() as transport:

            async def deaf(wire: Wire, request: Request) -> None:
                await asyncio.sleep(0.5)

            peer.scripts["/"] = deaf
            with pytest.raises(DeadlineError) as caught:
                async with transport.send(
                    "POST", f"{peer.url}/", body=b"x" * 60_000_000, timeouts=QUICK._replace(first_byte=0.15)
                ):
                    pass
            assert caught.value.phase == "first byte"

    asyncio.run(story())


def test_an_answer_has_one_reader() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = stall(80, of=answer(b"x" * 1000))
        async with transport.send("GET", f"{peer.url}/", timeouts=QUICK) as response:
            await anext(response.chunks())
            first = asyncio.create_task(response.read())
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="one reader"):
                await response.read()
        with pytest.raises(NetworkError, match="was closed"):
            await first

    play(story)


# Breaking.


def test_a_refused_connection_is_told_with_its_address() -> None:
    async def story() -> None:
        port = closed_port()
        async with opened() as transport:
            with pytest.raises(NetworkError) as caught:
                await get(transport, f"http://127.0.0.1:{port}/?key=canary")
            assert str(caught.value) == f"cannot reach http://127.0.0.1:{port}: connection refused"
            assert isinstance(caught.value.__cause__, ConnectionRefusedError)
            assert not isinstance(caught.value, ResetByPeerError)

    asyncio.run(story())


def test_a_reset_at_any_byte_is_an_error_and_never_the_end() -> None:
    whole = answer(b"hello", chunked=True)

    async def story(transport: Transport, peer: Hostile) -> None:
        async def attempt(at: int) -> None:
            peer.scripts[f"/{at}"] = reset(at, of=whole)
            with pytest.raises(ResetByPeerError, match=f"127.0.0.1:{peer.port}") as caught:
                await get(transport, f"{peer.url}/{at}")
            assert (caught.value.reused, caught.value.answered) == (False, at > 0)

        await asyncio.gather(*(attempt(at) for at in range(len(whole) - 1)))

    play(story)


def test_a_clean_end_at_any_byte_is_an_error_and_never_the_end_of_the_answer() -> None:
    whole = events("one", "two")

    async def story(transport: Transport, peer: Hostile) -> None:
        async def attempt(at: int) -> None:
            peer.scripts[f"/{at}"] = cut(at, of=whole)
            with pytest.raises(TruncatedError if at else ResetByPeerError, match=f"127.0.0.1:{peer.port}"):
                await get(transport, f"{peer.url}/{at}")

        await asyncio.gather(*(attempt(at) for at in range(len(whole) - 1)))

    play(story)


def test_what_came_before_a_break_is_delivered_before_the_error() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        whole = events("one", "two")
        for script in (reset(len(whole) - 5, of=whole), cut(len(whole) - 5, of=whole)):
            peer.scripts["/"] = script
            got = b""
            with pytest.raises((ResetByPeerError, TruncatedError)):
                async with transport.send("GET", f"{peer.url}/", timeouts=QUICK) as response:
                    await asyncio.sleep(0.05)
                    async for piece in response.chunks():
                        got += piece
            assert got == b"data: one\n\ndata: two\n\n"

    play(story)


@pytest.mark.parametrize("script", [b"SSH-2.0-OpenSSH\r\n", b"\x15\x03\x01\x00\x02\x02\x50", huge_head()])
def test_an_answer_that_is_no_http_is_refused_and_its_connection_closed(script: bytes) -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = script
        with pytest.raises(ProtocolError, match=f"127.0.0.1:{peer.port}"):
            await get(transport, f"{peer.url}/")
        assert await peer.closed(0) < 1.0

    play(story)
