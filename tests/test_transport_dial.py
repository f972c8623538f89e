"""transport: the ways to a peer. Names and addresses, TLS, proxies, Unix sockets."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import pytest
import trustme

from mini_llm.errors import DeadlineError, NetworkError, ProtocolError, ResetByPeerError, TLSError
from mini_llm.transport import Timeouts, Transport
from mini_llm.transport.origin import Origin
from mini_llm.transport.proxy import Proxy, proxy_for
from mini_llm.transport.resolver import Resolver
from tests.hostile import OK, Hostile, Request, Wire, answer, closed_port, hostile

QUICK = Timeouts(connect=2.0, first_byte=2.0, silence=2.0, total=5.0)


async def get(
    url: str,
    environ: Mapping[str, str] | None = None,
    *,
    timeouts: Timeouts = QUICK,
    resolve: Callable[[str, int], Awaitable[Sequence[tuple[str, int]]]] | None = None,
) -> tuple[int, bytes]:
    """Ask once, with a transport of its own."""
    transport = Transport(environ=environ or {}, resolve=resolve)
    try:
        async with transport.send("GET", url, headers=[("authorization", "canary")], timeouts=timeouts) as response:
            return response.status, await response.read()
    finally:
        await transport.close()


# Names and addresses.


def test_a_name_is_resolved_outside_and_the_connection_goes_where_that_says() -> None:
    asked: list[tuple[str, int]] = []

    async def story() -> None:
        async with hostile() as peer:

            async def resolve(host: str, port: int) -> list[tuple[str, int]]:
                asked.append((host, port))
                return [("127.0.0.1", peer.port)]

            assert await get("http://API.example.com/v1", resolve=resolve) == (200, OK)
            assert peer.requests[0].header("host") == "api.example.com"

    asyncio.run(story())
    assert asked == [("api.example.com", 80)]


def test_the_systems_resolver_knows_localhost_and_says_no_to_an_invalid_name() -> None:
    async def story() -> None:
        async with hostile() as peer:
            assert await get(f"http://localhost:{peer.port}/") == (200, OK)

    asyncio.run(story())
    long = "a" * 70
    with pytest.raises(NetworkError, match=rf"cannot reach http://{long}\.invalid:80: no such host"):
        asyncio.run(get(f"http://{long}.invalid/"))


def test_an_international_name_is_asked_for_in_its_ascii_form() -> None:
    assert Origin.parse("https://B\xfccher.example").label == "https://xn--bcher-kva.example:443"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_ipv6_address_works_in_a_url() -> None:
    async def story() -> None:
        try:
            async with hostile(host="::1") as peer:
                assert await get(f"http://[::1]:{peer.port}/") == (200, OK)
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
                assert await get("http://two.example/", resolve=resolve) == (200, OK)
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
        asyncio.run(get("http://two.example/", resolve=resolve))


def test_a_resolver_that_hangs_meets_the_deadline_and_leaves_nothing_behind() -> None:
    async def resolve(host: str, port: int) -> list[tuple[str, int]]:
        await asyncio.sleep(60)
        return []

    began = time.monotonic()
    with pytest.raises(DeadlineError) as caught:
        asyncio.run(get("http://slow.example/", resolve=resolve, timeouts=QUICK._replace(connect=0.1)))
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
            await get(f"http://127.0.0.1:{blackhole.getsockname()[1]}/", timeouts=QUICK._replace(connect=0.1))
        assert caught.value.phase == "connect"
        for sock in (*full, blackhole):
            sock.close()

    if sys.platform != "linux":
        pytest.skip("a full backlog swallows connections on Linux only")
    asyncio.run(story())


# TLS.


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, dict[str, str]]:
    """A certificate authority, and the environment that trusts it."""
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return authority, {"SSL_CERT_FILE": str(path)}


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def test_a_certificate_of_a_trusted_authority_is_accepted(authority: tuple[trustme.CA, dict[str, str]]) -> None:
    async def story() -> None:
        async with hostile(tls=server_context(authority[0].issue_cert("127.0.0.1", "localhost"))) as peer:
            assert await get(peer.url, authority[1]) == (200, OK)
            assert await get(f"https://localhost:{peer.port}/", authority[1]) == (200, OK)

    asyncio.run(story())


def expired(authority: trustme.CA) -> trustme.LeafCert:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    return authority.issue_cert("127.0.0.1", not_before=past, not_after=past + datetime.timedelta(days=1))


def self_signed(authority: trustme.CA) -> trustme.LeafCert:
    """A certificate that vouches for itself."""
    alone = trustme.CA()
    return trustme.LeafCert(alone.private_key_pem.bytes(), alone.cert_pem.bytes(), [])


@pytest.mark.parametrize(
    ("issue", "told"),
    [
        pytest.param(expired, "certificate has expired", id="expired"),
        pytest.param(lambda good: good.issue_cert("other.example"), "mismatch", id="wrong host"),
        pytest.param(lambda good: trustme.CA().issue_cert("127.0.0.1"), "local issuer", id="unknown authority"),
        pytest.param(self_signed, "self-signed|self signed", id="self-signed"),
    ],
)
def test_a_certificate_that_is_not_right_is_refused_and_nothing_is_sent(
    authority: tuple[trustme.CA, dict[str, str]], issue: Callable[[trustme.CA], trustme.LeafCert], told: str
) -> None:
    async def story() -> None:
        async with hostile(tls=server_context(issue(authority[0]))) as peer:
            with pytest.raises(TLSError, match=told) as caught:
                await get(peer.url, authority[1])
            assert f"https://127.0.0.1:{peer.port}" in str(caught.value)
            assert isinstance(caught.value.__cause__, ssl.SSLError)
            assert peer.requests == []

    asyncio.run(story())


def test_an_authority_in_neither_file_nor_folder_is_not_trusted_and_a_missing_file_is_told(
    authority: tuple[trustme.CA, dict[str, str]], tmp_path: Path
) -> None:
    async def story() -> None:
        async with hostile(tls=server_context(authority[0].issue_cert("127.0.0.1"))) as peer:
            with pytest.raises(TLSError, match="local issuer") as caught:
                await get(peer.url, {"SSL_CERT_DIR": str(tmp_path)})
            assert "SSL_CERT_FILE" in caught.value.hint
            with pytest.raises(TLSError, match="SSL_CERT_FILE: no certificates in"):
                await get(peer.url, {"SSL_CERT_FILE": str(tmp_path / "missing.pem")})

    asyncio.run(story())


def test_an_old_tls_is_refused(authority: tuple[trustme.CA, dict[str, str]]) -> None:
    async def story() -> None:
        context = server_context(authority[0].issue_cert("127.0.0.1"))
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        async with hostile(tls=context) as peer:
            with pytest.raises(NetworkError):  # the peer may say why, or just hang up
                await get(peer.url, authority[1])
            assert peer.requests == []

    with pytest.warns(DeprecationWarning):
        asyncio.run(story())


def test_tls_against_a_peer_that_speaks_none_is_told_or_meets_the_deadline(
    authority: tuple[trustme.CA, dict[str, str]],
) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read(1000)
        writer.close()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        writer.close()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def story() -> None:
        wanted: dict[type[Exception], Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]] = {
            TLSError: shout,
            DeadlineError: hang,
            ResetByPeerError: hang_up,
        }
        for error, serve in wanted.items():
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            with pytest.raises(error):
                await get(url, authority[1], timeouts=QUICK._replace(connect=0.2))
            server.close()
            await asyncio.sleep(0.02)

    asyncio.run(story())


def test_a_thousand_kilobytes_and_an_early_leave_work_over_tls(authority: tuple[trustme.CA, dict[str, str]]) -> None:
    async def story() -> None:
        async with hostile(tls=server_context(authority[0].issue_cert("127.0.0.1"))) as peer:
            peer.scripts["/big"] = answer(b"x" * 1_000_000, chunked=True)
            transport = Transport(environ=authority[1])
            async with transport.send("POST", f"{peer.url}/big", body=b"y" * 1_000_000, timeouts=QUICK) as response:
                assert len(await response.read()) == 1_000_000
            async with transport.send("GET", f"{peer.url}/big", timeouts=QUICK) as response:
                assert response.reused
                await anext(response.chunks())
            await peer.closed(1, within=1.0)
            await transport.close()

    asyncio.run(story())


# Unix sockets.


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")
def test_a_unix_socket_is_an_origin_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "gateway.sock"
    base = f"http+unix://{str(path).replace('/', '%2F')}"

    async def story() -> None:
        async with hostile(unix=str(path)) as peer:
            assert await get(f"{base}/v1/models?a=b", {"ALL_PROXY": "http://127.0.0.1:1"}) == (200, OK)
            assert (peer.requests[0].target, peer.requests[0].header("host")) == ("/v1/models?a=b", "localhost")
        path.unlink(missing_ok=True)
        with pytest.raises(NetworkError, match=f"cannot reach http\\+unix://{path}: no such file"):
            await get(f"{base}/v1/models")

    asyncio.run(story())


# Proxies.


def tunnel(peer: Hostile) -> Callable[[Wire, Request], Awaitable[None]]:
    """A CONNECT proxy that leads everything to *peer*."""

    async def script(wire: Wire, request: Request) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
        await wire.send(b"HTTP/1.1 200 Connection established\r\nvia: proxy\r\n\r\n")

        async def back() -> None:
            while data := await reader.read(65536):
                await wire.send(data)

        task = asyncio.create_task(back())
        while data := await wire.read():
            writer.write(data)
        writer.close()
        await task

    return script


def test_https_goes_through_a_tunnel_that_sees_no_header(authority: tuple[trustme.CA, dict[str, str]]) -> None:
    async def story() -> None:
        tls = server_context(authority[0].issue_cert("api.example.com"))
        async with hostile() as proxy, hostile(tls=tls) as peer:
            proxy.scripts["api.example.com:443"] = tunnel(peer)
            environ = {**authority[1], "HTTPS_PROXY": f"http://user:p%40ss@127.0.0.1:{proxy.port}"}
            assert await get("https://api.example.com/v1", environ) == (200, OK)
            assert proxy.requests[0].raw == (
                b"CONNECT api.example.com:443 HTTP/1.1\r\nhost: api.example.com:443\r\n"
                b"proxy-authorization: Basic dXNlcjpwQHNz\r\n\r\n"
            )
            assert peer.requests[0].header("proxy-authorization") == ""
            assert peer.requests[0].target == "/v1"

    asyncio.run(story())


def test_http_asks_the_proxy_for_the_whole_url() -> None:
    async def story() -> None:
        async with hostile() as proxy:
            environ = {"http_proxy": f"user:pass@127.0.0.1:{proxy.port}"}
            assert await get("http://api.example.com:8080/v1?a=b", environ) == (200, OK)
            assert proxy.requests[0].target == "http://api.example.com:8080/v1?a=b"
            assert proxy.requests[0].header("host") == "api.example.com:8080"
            assert proxy.requests[0].header("proxy-authorization") == "Basic dXNlcjpwYXNz"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("reply", "error", "told"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", NetworkError, "refused a tunnel .* 407"),
        (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", NetworkError, "refused a tunnel .* 403"),
        (b"HTTP/1.1 200 OK\r\n\r\nearly bytes", ProtocolError, "did not answer CONNECT with HTTP"),
        (b"SSH-2.0\r\n\r\n", ProtocolError, "did not answer CONNECT with HTTP"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000, ProtocolError, "did not answer CONNECT with HTTP"),
    ],
)
def test_a_proxy_that_opens_no_tunnel_is_named(reply: bytes, error: type[Exception], told: str) -> None:
    async def story() -> None:
        async with hostile() as proxy:
            proxy.scripts["api.example.com:443"] = reply
            with pytest.raises(error, match=told) as caught:
                environ = {"https_proxy": f"http://user:canary@127.0.0.1:{proxy.port}"}
                await get("https://api.example.com/", environ)
            assert f"http://127.0.0.1:{proxy.port}" in str(caught.value)
            assert "canary" not in str(caught.value) + repr(caught.value.__cause__)

    asyncio.run(story())


def test_a_proxy_that_is_not_there_or_hangs_is_named() -> None:
    async def story() -> None:
        port = closed_port()
        with pytest.raises(NetworkError, match=rf"127\.0\.0\.1:{port} \(the proxy for https://api\.example\.com:443\)"):
            await get("https://api.example.com/", {"ALL_PROXY": f"http://127.0.0.1:{port}"})
        async with hostile() as proxy:
            proxy.scripts["api.example.com:443"] = b"HTTP/1.1 2"
            with pytest.raises(DeadlineError) as caught:
                await get(
                    "https://api.example.com/",
                    {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"},
                    timeouts=QUICK._replace(connect=0.1),
                )
            assert caught.value.phase == "connect"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("url", "excluded", "through"),
    [
        ("https://api.example.com", "", True),
        ("https://api.example.com", "*", False),
        ("https://api.example.com", "other.com, api.example.com", False),
        ("https://api.example.com", "example.com", False),
        ("https://api.example.com", ".example.com", False),
        ("https://api.example.com", "*.example.com", False),
        ("https://api.example.com", "API.EXAMPLE.COM:443", False),
        ("https://api.example.com", "api.example.com:8443", True),
        ("https://badexample.com", "example.com", True),
        ("https://10.1.2.3", "10.0.0.0/8", False),
        ("https://11.1.2.3", "10.0.0.0/8", True),
        ("https://api.example.com", "10.0.0.0/8", True),
        ("https://[fd00::1]", "fd00::/8", False),
        ("https://[fd00::1]", "[fd00::1]:443", False),
        ("https://[fd00::1]", "fd00::1", False),
        ("https://10.1.2.3", "nonsense/x", True),
        ("http://localhost:8080", "", False),
        ("http://ollama.localhost", "", False),
        ("http://127.8.9.1", "", False),
        ("http://[::1]:11434", "", False),
        ("https://localhost.example.com", "", True),
    ],
)
def test_no_proxy_lists_hosts_domains_ports_and_networks_and_loopback_is_never_proxied(
    url: str, excluded: str, through: bool
) -> None:
    environ = {"ALL_PROXY": "http://proxy:3128", "NO_PROXY": excluded}
    assert (proxy_for(Origin.parse(url), environ) is not None) is through


def test_the_scheme_chooses_the_proxy_and_small_letters_win() -> None:
    environ = {"https_proxy": "a:1", "HTTPS_PROXY": "b:2", "HTTP_PROXY": "http://c:3/", "ALL_PROXY": "d:4"}
    chosen = [proxy_for(Origin.parse(url), environ) for url in ("https://x.example", "http://x.example")]
    assert [proxy.origin.label for proxy in chosen if proxy] == ["http://a:1", "http://c:3"]
    assert "secret" not in repr(Proxy(Origin.parse("http://a:1"), "secret"))


@pytest.mark.parametrize("url", ["socks5://user:canary@proxy:1080", "https://proxy", "http://pro xy", "://"])
def test_a_kind_of_proxy_that_is_not_supported_is_told_and_not_passed_by(url: str) -> None:
    with pytest.raises(NetworkError, match="all_proxy names a kind of proxy that is not supported") as caught:
        proxy_for(Origin.parse("https://api.example.com"), {"all_proxy": url})
    assert "canary" not in str(caught.value)
