"""transport: tunnels, absolute URLs, and who is never proxied."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trustme

from mini_llm.errors import DeadlineError, NetworkError, ProtocolError
from mini_llm.transport.origin import Origin
from mini_llm.transport.proxy import Proxy, proxy_for
from tests.exchange import QUICK, ask, server_context
from tests.hostile import OK, Hostile, Request, Wire, closed_port, hostile


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


def test_https_goes_through_a_tunnel_that_sees_no_header(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = server_context(authority.issue_cert("api.example.com"))

    async def story() -> None:
        async with hostile() as proxy, hostile(tls=tls) as peer:
            proxy.scripts["api.example.com:443"] = tunnel(peer)
            environ = {
                "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
                "HTTPS_PROXY": f"http://user:p%40ss@127.0.0.1:{proxy.port}",
            }
            assert await ask("https://api.example.com/v1", environ) == (200, OK)
            assert proxy.requests[-1].raw == (
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
            assert await ask("http://api.example.com:8080/v1?a=b", environ) == (200, OK)
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
                await ask("https://api.example.com/", environ)
            assert f"http://127.0.0.1:{proxy.port}" in str(caught.value)
            assert "canary" not in str(caught.value) + repr(caught.value.__cause__)

    asyncio.run(story())


def test_a_proxy_that_is_not_there_or_hangs_is_named() -> None:
    async def story() -> None:
        port = closed_port()
        with pytest.raises(NetworkError, match=rf"127\.0\.0\.1:{port} \(the proxy for https://api\.example\.com:443\)"):
            await ask("https://api.example.com/", {"ALL_PROXY": f"http://127.0.0.1:{port}"})
        async with hostile() as proxy:
            proxy.scripts["api.example.com:443"] = b"HTTP/1.1 2"
            with pytest.raises(DeadlineError) as caught:
                await ask(
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
