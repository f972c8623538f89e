"""transport: the life of connections. Kept, used again, stale, too many, too old."""

from __future__ import annotations

import asyncio

import pytest

from mini_llm.errors import DeadlineError, NetworkError, ResetByPeerError
from mini_llm.transport import Limits, Transport
from mini_llm.transport.pool import Places
from tests.exchange import QUICK, get, opened, play
from tests.hostile import OK, Hostile, Request, Script, Wire, answer, cut, faulty, hostile, reset, stall


def test_connections_are_kept_and_used_again() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        assert [(await get(transport, f"{peer.url}/{n}"))[2] for n in range(4)] == [False, True, True, True]
        await asyncio.gather(*(get(transport, f"{peer.url}/{n}") for n in range(5)))
        assert peer.connections == 5

    play(story)


def test_a_connection_that_will_not_stay_is_not_kept() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = answer(b"bye", headers=[("connection", "close")])
        peer.scripts["/end"] = faulty("cut@1000", b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        assert await get(transport, f"{peer.url}/") == (200, b"bye", False)
        assert await get(transport, f"{peer.url}/end") == (200, b"until the end", False)
        assert await get(transport, f"{peer.url}/x") == (200, OK, False)

    play(story)


def test_a_stale_connection_is_replaced_without_a_word() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/close"] = [answer(), cut(0), answer(b"again")]
        peer.scripts["/reset"] = [answer(), reset(0), answer(b"again")]
        for path in ("/close", "/reset"):
            await get(transport, peer.url + path)
            assert await get(transport, peer.url + path) == (200, b"again", False)
        assert len(peer.requests) == 6

    play(story)


def test_a_stale_connection_is_replaced_once_and_then_the_failure_is_told() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = [answer(), reset(0)]
        await get(transport, f"{peer.url}/")
        with pytest.raises(ResetByPeerError) as caught:
            await get(transport, f"{peer.url}/")
        assert (caught.value.reused, caught.value.answered) == (False, False)
        assert len(peer.requests) == 3

    play(story)


def test_a_used_connection_that_breaks_after_a_byte_is_not_tried_again() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = [answer(), reset(1)]
        await get(transport, f"{peer.url}/")
        with pytest.raises(ResetByPeerError) as caught:
            await get(transport, f"{peer.url}/")
        assert (caught.value.reused, caught.value.answered) == (True, True)
        assert len(peer.requests) == 2

    play(story)


async def late_extra(wire: Wire, request: Request) -> None:
    await wire.send(answer(b"first"))
    await asyncio.sleep(0.02)
    await wire.send(answer(b"poison"))


@pytest.mark.parametrize("script", [late_extra, answer(b"first") + answer(b"poison"), answer(b"first") + b"\0"])
def test_bytes_nobody_asked_for_close_the_connection(script: Script) -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = script
        assert (await get(transport, f"{peer.url}/"))[1] == b"first"
        await asyncio.sleep(0.05)
        assert await get(transport, f"{peer.url}/next") == (200, OK, False)

    play(story)


def test_idle_connections_are_few_and_do_not_grow_old() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        await asyncio.gather(*(get(transport, f"{peer.url}/{n}") for n in range(5)))
        await asyncio.wait_for(peer.requests[0].gone.wait(), 1.0)
        await asyncio.sleep(0.02)
        assert sum(request.gone.is_set() for request in peer.requests) == 3
        await asyncio.sleep(0.2)
        assert all(request.gone.is_set() for request in peer.requests)
        assert (await get(transport, f"{peer.url}/"))[2] is False

    play(story, limits=Limits(idle=2, idle_age=0.15))


def test_a_connection_that_rested_too_long_by_the_clock_is_not_used() -> None:
    async def play() -> None:
        time = [1000.0]
        async with hostile() as peer, opened(Limits(idle_age=30.0), now=lambda: time[0]) as transport:
            await get(transport, peer.url)
            time[0] += 29.0
            assert (await get(transport, peer.url))[2] is True
            time[0] += 31.0
            assert (await get(transport, peer.url))[2] is False

    asyncio.run(play())


def test_no_more_connections_than_allowed_are_open_at_once() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = faulty("slow@10", answer())
        await asyncio.gather(*(get(transport, f"{peer.url}/") for _ in range(6)))
        assert peer.connections == 2
        peer.scripts["/"] = stall(0)
        waiting = [asyncio.create_task(get(transport, f"{peer.url}/")) for _ in range(2)]
        await asyncio.sleep(0.02)
        with pytest.raises(DeadlineError) as caught:
            await get(transport, f"{peer.url}/", QUICK._replace(connect=0.05))
        assert caught.value.phase == "connect"
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert (await get(transport, f"{peer.url}/other"))[0] == 200

    play(story, limits=Limits(open=2))


def test_closing_the_transport_ends_what_is_under_way() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = stall(0)
        waiting = asyncio.create_task(get(transport, f"{peer.url}/"))
        while not peer.requests:
            await asyncio.sleep(0.001)
        await transport.close()
        with pytest.raises(NetworkError, match="was closed"):
            await waiting
        assert await peer.closed(0) < 1.0
        with pytest.raises(RuntimeError):
            transport.send("GET", peer.url)

    play(story)


def test_a_place_given_to_one_who_just_left_goes_to_the_next() -> None:
    async def story() -> None:
        places = Places(1)
        assert places.take()
        first, second = (asyncio.create_task(places.wait()) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        places.leave()  # before the one that was cancelled has run
        with pytest.raises(asyncio.CancelledError):
            await first
        await second
        assert not places.take()
        places.leave()
        assert places.take()

    asyncio.run(story())
