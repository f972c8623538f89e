"""transport: one request and its answer, against a peer on real sockets."""

from __future__ import annotations

import asyncio

import pytest

from mini_llm.errors import ProtocolError, UsageError
from mini_llm.transport import Transport
from tests.exchange import QUICK, get, opened, play
from tests.hostile import OK, Hostile, Request, Wire, answer, chunk, events, faulty, flood, hostile, packed

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

    play(story)


def test_a_post_without_a_body_says_so_and_a_get_says_nothing() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        async with transport.send("POST", peer.url):
            pass
        await get(transport, f"{peer.url}/")
        assert [request.header("content-length") for request in peer.requests] == ["0", ""]
        assert [request.target for request in peer.requests] == ["/", "/"]

    play(story)


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

    play(story)


@pytest.mark.parametrize("target", ["/a b", "/a\r\nx: y", "/a\0", "/caf\xe9", "/a#b", "/a\x7f"])
def test_a_path_with_a_character_that_does_not_belong_there_is_refused(target: str) -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        with pytest.raises(UsageError):
            transport.send("GET", peer.url + target)
        with pytest.raises(UsageError):
            transport.send("GET\r\n", peer.url)
        assert peer.connections == 0

    play(story)


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

    play(story)


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

    play(story)


def test_every_fault_of_pace_gives_the_same_answer() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        whole = answer(b"hello", chunked=True, before=b"HTTP/1.1 100 Continue\r\n\r\n", trailers=b"a: b\r\n")
        for step in (1, 3, 50):
            peer.scripts["/"] = faulty(f"slow@{step}", whole)
            assert await get(transport, f"{peer.url}/") == (200, b"hello", step != 1)

    play(story)


def test_an_answer_to_head_has_a_length_and_no_body() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\ncontent-encoding: br\r\n\r\n"
        for reused in (False, True):
            async with transport.send("HEAD", f"{peer.url}/", timeouts=QUICK) as response:
                assert (response.headers.get("content-length"), await response.read()) == ("500", b"")
                assert response.reused is reused

    play(story)


def test_no_redirect_is_followed() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        for status in (301, 302, 303, 307, 308):
            peer.scripts["/"] = answer(b"", status=status, headers=[("location", f"{peer.url}/canary")])
            assert (await get(transport, f"{peer.url}/"))[0] == status
        assert {request.path for request in peer.requests} == {"/"}

    play(story)


def test_a_body_larger_than_the_limit_is_refused_and_its_connection_closed() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        peer.scripts["/"] = flood()
        with pytest.raises(ProtocolError, match="more than 100000 bytes"):
            async with transport.send("GET", f"{peer.url}/", timeouts=QUICK) as response:
                await response.read(100_000)
        assert await peer.closed(0) < 1.0

    play(story)


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

    play(story)


def test_a_response_cannot_be_read_after_its_block() -> None:
    async def story(transport: Transport, peer: Hostile) -> None:
        async with transport.send("GET", peer.url) as response:
            await response.close()
        with pytest.raises(RuntimeError, match="closed"):
            await response.read()

    play(story)
