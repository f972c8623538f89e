"""transport: from a name to a connection. Addresses, head starts, resolvers that hang, Unix sockets."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from pathlib import Path

import pytest

from mini_llm.errors import DeadlineError, NetworkError
from mini_llm.transport.connection import Connection
from mini_llm.transport.dial import Dialer
from mini_llm.transport.origin import Origin
from mini_llm.transport.resolver import Resolver
from tests.exchange import QUICK, ask
from tests.hostile import OK, closed_port, hostile


def test_a_name_is_resolved_outside_and_the_connection_goes_where_that_says() -> None:
    asked: list[tuple[str, int]] = []

    async def story() -> None:
        async with hostile() as peer:

            async def resolve(host: str, port: int) -> list[tuple[str, int]]:
                asked.append((host, port))
                return [("127.0.0.1", peer.port)]

            assert await ask("http://API.example.com/v1", resolve=resolve) == (200, OK)
            assert peer.requests[0].header("host") == "api.example.com"

    asyncio.run(story())
    assert asked == [("api.example.com", 80)]


def test_the_systems_resolver_knows_localhost_and_says_no_to_an_invalid_name() -> None:
    async def story() -> None:
        async with hostile() as peer:
            assert await ask(f"http://localhost:{peer.port}/") == (200, OK)

    asyncio.run(story())
    long = "a" * 70
    with pytest.raises(NetworkError, match=rf"cannot reach http://{long}\.invalid:80: no such host"):
        asyncio.run(ask(f"http://{long}.invalid/"))


def test_an_international_name_is_asked_for_in_its_ascii_form() -> None:
    assert Origin.parse("https://B\xfccher.example").label == "https://xn--bcher-kva.example:443"


def test_a_connection_given_up_in_the_moment_it_opens_counts_as_lost() -> None:
    uvloop = pytest.importorskip("uvloop")  # asyncio's own loop tells by itself
    held: set[Connection] = set()

    async def story() -> None:
        async with hostile() as peer:

            def opened(connection: Connection) -> None:
                held.add(connection)
                dialing.cancel()

            def create() -> Connection:
                return Connection("a peer", idle_age=30.0, opened=opened, lost=held.discard)

            origin = Origin.parse(f"http://127.0.0.1:{peer.port}")
            dialing = asyncio.create_task(Dialer({}).dial(origin, None, create))
            with pytest.raises(asyncio.CancelledError):
                await dialing

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())
    assert not held


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_ipv6_address_works_in_a_url() -> None:
    async def story() -> None:
        try:
            async with hostile(host="::1") as peer:
                assert await ask(f"http://[::1]:{peer.port}/") == (200, OK)
                assert peer.requests[0].header("host") == f"[::1]:{peer.port}"
        except OSError:
            pytest.skip("no IPv6 loopback here")

    asyncio.run(story())


def test_a_dead_address_costs_a_head_start_and_a_refused_one_costs_nothing() -> None:
    async def story() -> None:
        blackhole = socket.socket()
        blackhole.bind(("127.0.0.2", 0))
        blackhole.listen(0)
        full = [await _knock(blackhole) for _ in range(3)]
        async with hostile() as peer:
            ways = {"dead": blackhole.getsockname(), "refused": ("127.0.0.1", closed_port())}
            for kind, (least, most) in {"dead": (0.2, 1.0), "refused": (0.0, 0.2)}.items():

                async def resolve(host: str, port: int, way: tuple[str, int] = ways[kind]) -> list[tuple[str, int]]:
                    return [way, ("127.0.0.1", peer.port)]

                began = time.monotonic()
                assert await ask("http://two.example/", resolve=resolve) == (200, OK)
                assert least <= time.monotonic() - began < most, kind
        for sock in (*full, blackhole):
            sock.close()

    if sys.platform != "linux":
        pytest.skip("a full backlog swallows connections on Linux only")
    asyncio.run(story())


async def _knock(listener: socket.socket) -> socket.socket:
    """Fill one place in a listener's backlog."""
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex(listener.getsockname())
    await asyncio.sleep(0.01)
    return sock


def test_when_no_address_answers_the_first_ones_reason_is_told() -> None:
    async def resolve(host: str, port: int) -> list[tuple[str, int]]:
        return [("127.0.0.1", closed_port()), ("127.0.0.1", closed_port())]

    with pytest.raises(NetworkError, match=r"cannot reach http://two\.example:80: connection refused"):
        asyncio.run(ask("http://two.example/", resolve=resolve))


def test_a_resolver_that_hangs_meets_the_deadline_and_leaves_nothing_behind() -> None:
    async def resolve(host: str, port: int) -> list[tuple[str, int]]:
        await asyncio.sleep(60)
        return []

    began = time.monotonic()
    with pytest.raises(DeadlineError) as caught:
        asyncio.run(ask("http://slow.example/", resolve=resolve, timeouts=QUICK._replace(connect=0.1)))
    assert caught.value.phase == "connect"
    assert time.monotonic() - began < 1.0


def test_the_last_good_answer_serves_while_the_resolver_is_down() -> None:
    answers: list[list[tuple[str, int]] | OSError] = [[("127.0.0.1", 1)], socket.gaierror(-2, "down"), [("::1", 2)], []]

    async def resolve(host: str, port: int) -> list[tuple[str, int]]:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    async def story() -> None:
        resolver = Resolver(resolve)
        assert await resolver.addresses("a.example", 80) == [("127.0.0.1", 1)]
        assert await resolver.addresses("a.example", 80) == [("127.0.0.1", 1)]
        assert await resolver.addresses("a.example", 80) == [("::1", 2)]
        assert await resolver.addresses("a.example", 80) == []

    asyncio.run(story())


def test_many_who_ask_for_one_name_ask_once() -> None:
    asked = []

    async def resolve(host: str, port: int) -> list[tuple[str, int]]:
        asked.append(host)
        await asyncio.sleep(0.01)
        return [("127.0.0.1", 1)]

    async def story() -> None:
        resolver = Resolver(resolve)
        await asyncio.gather(*(resolver.addresses("a.example", 80) for _ in range(50)))
        await resolver.addresses("127.0.0.1", 80)

    asyncio.run(story())
    assert asked == ["a.example"]


def test_a_connect_that_hangs_meets_the_deadline() -> None:
    async def story() -> None:
        blackhole = socket.socket()
        blackhole.bind(("127.0.0.1", 0))
        blackhole.listen(0)
        full = [await _knock(blackhole) for _ in range(3)]
        with pytest.raises(DeadlineError) as caught:
            await ask(f"http://127.0.0.1:{blackhole.getsockname()[1]}/", timeouts=QUICK._replace(connect=0.1))
        assert caught.value.phase == "connect"
        for sock in (*full, blackhole):
            sock.close()

    if sys.platform != "linux":
        pytest.skip("a full backlog swallows connections on Linux only")
    asyncio.run(story())


# Unix sockets.


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")
def test_a_unix_socket_is_an_origin_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    base = f"http+unix://{str(path).replace('/', '%2F')}"

    async def story() -> None:
        async with hostile(unix=str(path)) as peer:
            assert await ask(f"{base}/v1/models?a=b", {"ALL_PROXY": "http://127.0.0.1:1"}) == (200, OK)
            assert (peer.requests[0].target, peer.requests[0].header("host")) == ("/v1/models?a=b", "localhost")
        path.unlink(missing_ok=True)
        with pytest.raises(NetworkError, match=f"cannot reach http\\+unix://{path}: no such file"):
            await ask(f"{base}/v1/models")

    asyncio.run(story())
