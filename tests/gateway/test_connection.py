"""One connection: what is read, how it is answered, and what is refused. Raw bytes over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mini_llm.errors import MiniLLMError
from mini_llm.gateway.connection import Limits, RefusedError, Server
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder

Room = Callable[[Request, Responder], Awaitable[None]]


class Echo:
    """Answers with the method, the path and the body; `seen` are the requests, `left` those whose client went away."""

    def __init__(self, room: Room | None = None) -> None:
        self._room = room
        self.seen: list[Request] = []
        self.left: list[str] = []

    def admit(self, request: Request) -> None:
        if request.path == "/secret":
            raise RefusedError(401, "not for you", code="unauthorized")

    def refuse(self, request: Request, responder: Responder, error: MiniLLMError) -> None:
        responder.send(error.status, [], error.message.encode())

    async def __call__(self, request: Request, responder: Responder) -> None:
        self.seen.append(request)
        try:
            if self._room is not None:
                await self._room(request, responder)
                return
            responder.send(200, [("x-kind", "echo")], f"{request.method} {request.path} ".encode() + request.body)
        except asyncio.CancelledError:
            self.left.append(request.path)
            raise


def exchange(
    *sent: bytes,
    room: Room | None = None,
    limits: Limits = Limits(),  # noqa: B008  (immutable)
    pause: float = 0.0,
) -> tuple[bytes, Echo]:
    """Return all that a server answers to *sent*, and what it saw."""

    async def go() -> tuple[bytes, Echo]:
        echo = Echo(room)
        server = Server(echo, limits)
        listening = await asyncio.get_running_loop().create_server(server.protocol, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        for piece in sent:
            writer.write(piece)
            await asyncio.sleep(pause)
        data = b""
        try:
            while chunk := await asyncio.wait_for(reader.read(65536), 0.3):
                data += chunk
        except (TimeoutError, ConnectionError):
            pass
        writer.close()
        listening.close()
        for _ in range(200):
            if not server.connections:
                break
            await asyncio.sleep(0.01)
        assert not server.connections
        return data, echo

    return asyncio.run(go())


def get(path: str = "/a", *headers: str, version: str = "1.1") -> bytes:
    return "\r\n".join([f"GET {path} HTTP/{version}", "host: x", *headers, "", ""]).encode()


def post(body: bytes, *headers: str) -> bytes:
    return (
        "\r\n".join(["POST /a HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers, "", ""]).encode() + body
    )


def test_a_connection_serves_one_request_after_the_other() -> None:
    data, echo = exchange(post(b"one"), post(b"two"), pause=0.05)
    assert data.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert data.endswith(b"POST /a two") and b"POST /a one" in data
    assert len(echo.seen) == 2


def test_requests_sent_ahead_are_answered_in_order() -> None:
    data, _ = exchange(b"".join(get(f"/{number}") for number in range(5)))
    assert [line for line in data.split() if line.startswith(b"/")] == [b"/%d" % number for number in range(5)]


def test_too_many_requests_sent_ahead_are_not_kept() -> None:
    async def slow(request: Request, responder: Responder) -> None:
        await asyncio.sleep(0.05)
        responder.send(200, [], b"")

    data, echo = exchange(get() * 50, room=slow)
    assert len(echo.seen) < 12
    assert data.count(b"HTTP/1.1 200") == 1  # the one under way; then the connection is closed


def test_a_body_may_come_in_pieces_and_in_chunks() -> None:
    head = b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    data, _ = exchange(head, b"3\r\nabc\r\n", b"2;x=y\r\nde\r\n0\r\n\r\n", pause=0.02)
    assert data.endswith(b"POST /a abcde")


def test_a_client_that_waits_for_leave_to_send_its_body_gets_it() -> None:
    data, _ = exchange(b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n", pause=0.05)
    assert data == b"HTTP/1.1 100 Continue\r\n\r\n"
    data, _ = exchange(
        b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n", b"ok", pause=0.05
    )
    assert data.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK") and data.endswith(b"POST /a ok")


def test_an_offer_of_another_protocol_is_passed_over() -> None:
    offer = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQCAAAAAAIAAAAA")
    data, echo = exchange(post(b"body", *offer), get("/next"), pause=0.05)
    assert data.count(b"HTTP/1.1 200") == 2 and b"POST /a body" in data and data.endswith(b"GET /next ")
    assert len(echo.seen) == 2


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"not http\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # TLS spoken to a plain port
        (b"GET /a HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", 400),
        (b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n", 413),
        (get("/a", *[f"x-{number}: 1" for number in range(101)]), 431),
        (get("/a", "x-long: " + "a" * 33_000), 431),
        (b"GET /" + b"a" * 70_000, 431),
        (get("/secret"), 401),
    ],
)
def test_what_cannot_be_served_is_told_and_the_connection_closed(request_bytes: bytes, status: int) -> None:
    data, echo = exchange(request_bytes, get("/after"))
    assert data.startswith(b"HTTP/1.1 %d " % status), data[:200]
    assert data.count(b"\r\n\r\n") == 1 and b"connection: close" in data
    assert echo.seen == []


def test_a_body_that_grows_beyond_the_limit_is_stopped_while_it_comes() -> None:
    head = b"POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    data, echo = exchange(head, b"400\r\n" + b"a" * 1024 + b"\r\n", b"400\r\n" + b"a" * 1024, limits=Limits(body=1500))
    assert data.startswith(b"HTTP/1.1 413 ") and echo.seen == []
    data, echo = exchange(post(b"a" * 1500), limits=Limits(body=1500))
    assert data.startswith(b"HTTP/1.1 200 ")


def test_a_refused_body_is_read_on_for_a_while_so_that_its_sender_hears_why() -> None:
    data, _ = exchange(
        b"POST /secret HTTP/1.1\r\nhost: x\r\ncontent-length: 900000\r\n\r\n", b"a" * 900_000, pause=0.05
    )
    assert data.startswith(b"HTTP/1.1 401 ") and data.endswith(b"not for you")


def test_an_old_client_gets_an_answer_that_ends_with_the_connection() -> None:
    async def streamed(request: Request, responder: Responder) -> None:
        responder.start(200, [])
        responder.write(b"one")
        await asyncio.sleep(0.02)
        responder.write(b"two")
        responder.finish()

    data, _ = exchange(get(version="1.0"), room=streamed)
    head, _, body = data.partition(b"\r\n\r\n")
    assert body == b"onetwo" and b"chunked" not in head and b"connection: close" in head
    data, _ = exchange(get(), room=streamed)
    assert data.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_an_answer_to_head_has_no_body() -> None:
    data, _ = exchange(b"HEAD /a HTTP/1.1\r\nhost: x\r\n\r\n")
    assert data.endswith(b"content-length: 8\r\n\r\n")


def test_what_is_written_in_one_turn_goes_out_as_one_chunk() -> None:
    async def many(request: Request, responder: Responder) -> None:
        responder.start(200, [])
        for _ in range(10):
            responder.write(b"x")
        responder.finish()

    data, _ = exchange(get(), room=many)
    assert data.endswith(b"\r\n\r\na\r\nxxxxxxxxxx\r\n0\r\n\r\n")


def test_a_room_that_fails_in_a_stream_leaves_it_visibly_cut() -> None:
    async def broken(request: Request, responder: Responder) -> None:
        responder.start(200, [])
        responder.write(b"half")
        await asyncio.sleep(0.01)

    data, _ = exchange(get(), room=broken)
    assert data.endswith(b"4\r\nhalf\r\n")  # and no last chunk


def test_a_header_with_a_line_break_is_never_written() -> None:
    async def split(request: Request, responder: Responder) -> None:
        with pytest.raises(ValueError, match="line break"):
            responder.send(200, [("x-bad", "a\r\nset-cookie: b")], b"")
        responder.status = 0
        responder.send(200, [("x-good", "a")], b"")

    data, _ = exchange(get(), room=split)
    assert b"set-cookie" not in data and b"x-good: a" in data


def test_a_client_that_leaves_cancels_its_request() -> None:
    async def go() -> list[str]:
        async def forever(request: Request, responder: Responder) -> None:
            await asyncio.sleep(60)

        echo = Echo(forever)
        server = Server(echo)
        listening = await asyncio.get_running_loop().create_server(server.protocol, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        writer.write(get())
        while not echo.seen:
            await asyncio.sleep(0.01)
        writer.transport.abort()
        for _ in range(100):
            if echo.left:
                break
            await asyncio.sleep(0.01)
        listening.close()
        return echo.left

    assert asyncio.run(go()) == ["/a"]


def test_a_slow_reader_pauses_the_room_that_writes_for_it() -> None:
    async def go() -> tuple[int, int]:
        written = 0

        async def flood(request: Request, responder: Responder) -> None:
            nonlocal written
            responder.start(200, [])
            for _ in range(1000):
                responder.write(b"x" * 65536)
                written += 65536
                await asyncio.sleep(0)
                if responder.paused:
                    await responder.drain()
            responder.finish()

        server = Server(Echo(flood))
        listening = await asyncio.get_running_loop().create_server(server.protocol, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname(), limit=1024)
        writer.write(get())
        await asyncio.sleep(0.5)
        stalled = written
        total = 0
        while chunk := await reader.read(1 << 20):
            total += len(chunk)
            if total > 65536 * 1000:
                break
        writer.close()
        listening.close()
        await asyncio.sleep(0.05)
        return stalled, total

    stalled, total = asyncio.run(go())
    assert stalled < 32 << 20  # what the sockets of this system hold, and little more
    assert total > 65536 * 1000
