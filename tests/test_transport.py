"""transport: one request, its answer, and the life of connections, against a peer on real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from mini_llm.errors import DeadlineError, NetworkError, ProtocolError, ResetByPeerError, TruncatedError, UsageError
from mini_llm.transport import Limits, Timeouts, Transport
from tests.hostile import (
    OK,
    Hostile,
    Request,
    Script,
    Wire,
    answer,
    chunk,
    closed_port,
    cut,
    events,
    faulty,
    flood,
    hostile,
    huge_head,
    packed,
    reset,
    stall,
)

USUAL = Limits()
QUICK = Timeouts(connect=2.0, first_byte=2.0, silence=2.0, total=5.0)


@asynccontextmanager
async def opened(limits: Limits = USUAL, now: Callable[[], float] = time.monotonic) -> AsyncIterator[Transport]:
    """A transport that is closed after the block, and that has left no task behind then."""
    before = asyncio.all_tasks()
    transport = Transport(environ={}, limits=limits, now=now)
    try:
        yield transport
    finally:
        await transport.close()
    await asyncio.sleep(0)
    ours = {task for task in asyncio.all_tasks() - before if "serve" not in repr(task)}
    assert not ours


async def get(transport: Transport, url: str, timeouts: Timeouts = QUICK) -> tuple[int, bytes, bool]:
    """Return status, body, and whether the connection was a used one."""
    async with transport.send("GET", url, timeouts=timeouts) as response:
        return response.status, await response.read(), response.reused


def run(story: Callable[[Transport, Hostile], Awaitable[None]], *, limits: Limits = USUAL) -> None:
    """Play a story between a transport and a hostile peer."""

    async def play() -> None:
        async with hostile() as peer, opened(limits) as transport:
            await story(transport, peer)

    asyncio.run(play())


# What is sent.


def test_a_request_leaves_as_one_plain_head_and_its_body() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        headers = [("Authorization", "Bearer k"), ("x-note", "caf\xe9\tau lait")]
        async with transport.send("POST", f"{peer.url}/v1/chat?a=%20b", headers=headers, body=b"{}") as response:
            assert (response.status, await response.read()) == (200, OK)
        assert peer.requests[0].body == b"{}"
        assert peer.requests[0].raw.decode("latin-1") == (
            f"POST /v1/chat?a=%20b HTTP/1.1\r\nhost: 127.0.0.1:{peer.port}\r\naccept-encoding: identity\r\n"
            "Authorization: Bearer k\r\nx-note: caf\xe9\tau lait\r\ncontent-length: 2\r\n\r\n"
        )

    run(story)


def test_a_post_without_a_body_says_so_and_a_get_says_nothing() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        async with transport.send("POST", peer.url):
            pass
        await get(transport, f"{peer.url}/")
        assert [request.header("content-length") for request in peer.requests] == ["0", ""]
        assert [request.target for request in peer.requests] == ["/", "/"]

    run(story)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-a", "canary\r\nx-injected: 1"),
        ("x-a", "canary\n"),
        ("x-a", "canary\0"),
        ("x-a", "canary\x7f"),
        ("x-a", "canary \u20ac"),
        ("x-a\r\nx-b", "canary"),
        ("x-a:", "canary"),
        ("x a", "canary"),
        ("", "canary"),
        ("Host", "canary"),
        ("content-length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("connection", "close"),
        ("Proxy-Authorization", "canary"),
    ],
)
def test_a_header_that_could_add_a_line_or_move_the_end_is_refused_before_anything_is_sent(
    name: str, value: str
) -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        with pytest.raises(UsageError) as caught:
            transport.send("POST", peer.url, headers=[(name, value)])
        assert "canary" not in str(caught.value)
        assert peer.connections == 0

    run(story)


@pytest.mark.parametrize("target", ["/a b", "/a\r\nx: y", "/a\0", "/caf\xe9", "/a#b", "/a\x7f"])
def test_a_path_with_a_character_that_does_not_belong_there_is_refused(target: str) -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        with pytest.raises(UsageError):
            transport.send("GET", peer.url + target)
        with pytest.raises(UsageError):
            transport.send("GET\r\n", peer.url)
        assert peer.connections == 0

    run(story)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/v1",
        "file:///etc/passwd",
        "ftp://host/",
        "http://",
        "http:/x",
        "http://user:canary@host/",
        "http://host?canary",
        "http://host:0/",
        "http://host:99999/",
        "http://ho st/",
        "http://ho\r\nst/",
        "http://a\0/",
        "http://a\\b/",
        "http://[::1/",
        "http://a\uff1a80/",
        "http://a\uff0fb/",
        "http+unix://%00/",
    ],
)
def test_what_is_no_url_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Transport(environ={}).send("GET", url)
    assert "canary" not in str(caught.value)


def test_a_large_body_arrives_whole_and_waits_for_a_peer_that_reads_slowly() -> None:
    body = bytes(range(256)) * 32_768  # 8 MiB

    async def story(transport: Transport, peer: Hostile) -> None:
        async with transport.send("POST", f"{peer.url}/", body=body, timeouts=QUICK) as response:
            assert response.status == 200
        assert peer.requests[0].body == body

    run(story)


def test_an_answer_that_comes_before_the_request_was_sent_whole_is_read() -> None:
    async def story() -> None:
        async with hostile(body_first=False) as peer, opened() as transport:
            peer.scripts["/"] = faulty("cut@1000", answer(b"too large", status=413))
            async with transport.send("POST", f"{peer.url}/", body=b"x" * 30_000_000, timeouts=QUICK) as response:
                assert (response.status, await response.read()) == (413, b"too large")
            assert (await get(transport, f"{peer.url}/other"))[2] is False

    asyncio.run(story())


def test_an_answer_may_stream_while_the_request_is_still_being_sent() -> None:
    async def echo(wire: Wire, request: Request) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        left = int(request.header("content-length"))
        while left:
            piece = await wire.read()
            left -= len(piece)
            await wire.send(chunk(piece))
        await wire.send(b"0\r\n\r\n")

    async def story() -> None:
        body = bytes(range(256)) * 20_000
        async with hostile(body_first=False) as peer, opened() as transport:
            peer.scripts["/"] = echo
            async with transport.send("POST", f"{peer.url}/", body=body, timeouts=QUICK) as response:
                assert await response.read() == body

    asyncio.run(story())


# What comes back.


def test_a_streamed_answer_comes_piece_by_piece_as_it_is_sent() -> None:
    async def drip(wire: Wire, request: Request) -> None:
        whole = events("one", "two", "three")
        at = whole.index(b"data: two") - 4
        await wire.send(whole[:at])
        await asyncio.sleep(0.05)
        await wire.send(whole[at:])

    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = drip
        async with transport.send("GET", f"{peer.url}/", timeouts=QUICK) as response:
            chunks = [piece async for piece in response.chunks()]
        assert chunks == [b"data: one\n\n", b"data: two\n\ndata: three\n\n"]

    run(story)


def test_every_fault_of_pace_gives_the_same_answer() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        whole = answer(b"hello", chunked=True, before=b"HTTP/1.1 100 Continue\r\n\r\n", trailers=b"a: b\r\n")
        for step in (1, 3, 50):
            peer.scripts["/"] = faulty(f"slow@{step}", whole)
            assert await get(transport, f"{peer.url}/") == (200, b"hello", step != 1)

    run(story)


def test_an_answer_to_head_has_a_length_and_no_body() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\ncontent-encoding: br\r\n\r\n"
        for reused in (False, True):
            async with transport.send("HEAD", f"{peer.url}/", timeouts=QUICK) as response:
                assert (response.headers.get("content-length"), await response.read()) == ("500", b"")
                assert response.reused is reused

    run(story)


def test_no_redirect_is_followed() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        for status in (301, 302, 303, 307, 308):
            peer.scripts["/"] = answer(b"", status=status, headers=[("location", f"{peer.url}/canary")])
            assert (await get(transport, f"{peer.url}/"))[0] == status
        assert {request.path for request in peer.requests} == {"/"}

    run(story)


def test_a_body_larger_than_the_limit_is_refused_and_its_connection_closed() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = flood()
        with pytest.raises(ProtocolError, match="more than 100000 bytes"):
            async with transport.send("GET", f"{peer.url}/", timeouts=QUICK) as response:
                await response.read(100_000)
        assert await peer.closed(0) < 1.0

    run(story)


def test_a_packed_body_is_unpacked_and_an_unknown_packing_refused() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/gzip"] = packed(b"hello")
        peer.scripts["/bomb"] = packed(b"\0" * 10_000_000)
        peer.scripts["/brotli"] = packed(b"hello", "br")
        assert (await get(transport, f"{peer.url}/gzip"))[1] == b"hello"
        with pytest.raises(ProtocolError, match="unpacks to too much"):
            await get(transport, f"{peer.url}/bomb")
        with pytest.raises(ProtocolError, match="not asked for"):
            await get(transport, f"{peer.url}/brotli")

    run(story)


def test_a_response_cannot_be_read_after_its_block() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        async with transport.send("GET", peer.url) as response:
            await response.close()
        with pytest.raises(RuntimeError, match="closed"):
            await response.read()

    run(story)


# Connections.


def test_connections_are_kept_and_used_again() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        assert [(await get(transport, f"{peer.url}/{n}"))[2] for n in range(4)] == [False, True, True, True]
        await asyncio.gather(*(get(transport, f"{peer.url}/{n}") for n in range(5)))
        assert peer.connections == 5

    run(story)


def test_a_connection_that_will_not_stay_is_not_kept() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = answer(b"bye", headers=[("connection", "close")])
        peer.scripts["/end"] = faulty("cut@1000", b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        assert await get(transport, f"{peer.url}/") == (200, b"bye", False)
        assert await get(transport, f"{peer.url}/end") == (200, b"until the end", False)
        assert await get(transport, f"{peer.url}/x") == (200, OK, False)

    run(story)


def test_a_stale_connection_is_replaced_without_a_word() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/close"] = [answer(), cut(0), answer(b"again")]
        peer.scripts["/reset"] = [answer(), reset(0), answer(b"again")]
        for path in ("/close", "/reset"):
            await get(transport, peer.url + path)
            assert await get(transport, peer.url + path) == (200, b"again", False)
        assert len(peer.requests) == 6

    run(story)


def test_a_stale_connection_is_replaced_once_and_then_the_failure_is_told() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = [answer(), reset(0)]
        await get(transport, f"{peer.url}/")
        with pytest.raises(ResetByPeerError) as caught:
            await get(transport, f"{peer.url}/")
        assert (caught.value.reused, caught.value.answered) == (False, False)
        assert len(peer.requests) == 3

    run(story)


def test_a_used_connection_that_breaks_after_a_byte_is_not_tried_again() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = [answer(), reset(1)]
        await get(transport, f"{peer.url}/")
        with pytest.raises(ResetByPeerError) as caught:
            await get(transport, f"{peer.url}/")
        assert (caught.value.reused, caught.value.answered) == (True, True)
        assert len(peer.requests) == 2

    run(story)


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

    run(story)


def test_idle_connections_are_few_and_do_not_grow_old() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        await asyncio.gather(*(get(transport, f"{peer.url}/{n}") for n in range(5)))
        await asyncio.wait_for(peer.requests[0].gone.wait(), 1.0)
        await asyncio.sleep(0.02)
        assert sum(request.gone.is_set() for request in peer.requests) == 3
        await asyncio.sleep(0.2)
        assert all(request.gone.is_set() for request in peer.requests)
        assert (await get(transport, f"{peer.url}/"))[2] is False

    run(story, limits=Limits(idle=2, idle_age=0.15))


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

    run(story, limits=Limits(open=2))


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

    run(story)


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

    run(story)


def test_leaving_the_block_early_closes_the_socket_at_once() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = stall(100, of=events(*"abcdefgh"))
        async with transport.send("GET", f"{peer.url}/", timeouts=QUICK) as response:
            async for _ in response.chunks():
                break
        assert await peer.closed(0) < 1.0
        assert (await get(transport, f"{peer.url}/x"))[2] is False

    run(story)


@pytest.mark.parametrize(
    ("script", "timeouts", "phase"),
    [
        (stall(0), QUICK._replace(first_byte=0.1), "first byte"),
        (stall(10), QUICK._replace(silence=0.1), "silence"),
        (stall(90, of=answer(b"x" * 1000)), QUICK._replace(silence=0.1), "silence"),
        (flood(b"x", pause=0.01), QUICK._replace(total=0.1), "total"),
        (faulty("slow@1", answer()), QUICK._replace(total=0.05), "total"),
        (stall(0), QUICK._replace(total=0.1), "total"),
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

    run(story)


def test_a_slow_reader_is_not_taken_for_a_silent_peer() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        body = b"x" * 20_000_000
        peer.scripts["/"] = answer(body)
        async with transport.send("GET", f"{peer.url}/", timeouts=QUICK._replace(silence=0.1)) as response:
            await asyncio.sleep(0.25)
            assert await response.read() == body

    run(story)


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

    run(story)


def test_a_slow_reader_bounds_what_the_peer_can_send() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = flood()
        async with transport.send("GET", f"{peer.url}/", timeouts=QUICK) as response:
            await anext(response.chunks())
            await asyncio.sleep(0.1)
            stuck = peer.requests[0].sent
            await asyncio.sleep(0.1)
            assert peer.requests[0].sent == stuck < 16_000_000  # the sockets' own buffers, and ours

    run(story)


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

    run(story)


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

    run(story)


def test_a_clean_end_at_any_byte_is_an_error_and_never_the_end_of_the_answer() -> None:
    whole = events("one", "two")

    async def story(transport: Transport, peer: Hostile) -> None:
        async def attempt(at: int) -> None:
            peer.scripts[f"/{at}"] = cut(at, of=whole)
            with pytest.raises(TruncatedError if at else ResetByPeerError, match=f"127.0.0.1:{peer.port}"):
                await get(transport, f"{peer.url}/{at}")

        await asyncio.gather(*(attempt(at) for at in range(len(whole) - 1)))

    run(story)


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

    run(story)


@pytest.mark.parametrize("script", [b"SSH-2.0-OpenSSH\r\n", b"\x15\x03\x01\x00\x02\x02\x50", huge_head()])
def test_an_answer_that_is_no_http_is_refused_and_its_connection_closed(script: bytes) -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = script
        with pytest.raises(ProtocolError, match=f"127.0.0.1:{peer.port}"):
            await get(transport, f"{peer.url}/")
        assert await peer.closed(0) < 1.0

    run(story)
