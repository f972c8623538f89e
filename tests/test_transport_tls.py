"""transport: which certificates are accepted, and what happens with the others."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trustme

from mini_llm.errors import DeadlineError, NetworkError, ResetByPeerError, TLSError
from mini_llm.transport import Transport
from tests.exchange import QUICK, ask, server_context
from tests.hostile import OK, answer, hostile


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, dict[str, str]]:
    """A certificate authority, and the environment that trusts it."""
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return authority, {"SSL_CERT_FILE": str(path)}


def test_a_certificate_of_a_trusted_authority_is_accepted(authority: tuple[trustme.CA, dict[str, str]]) -> None:
    async def story() -> None:
        async with hostile(tls=server_context(authority[0].issue_cert("127.0.0.1", "localhost"))) as peer:
            assert await ask(peer.url, authority[1]) == (200, OK)
            assert await ask(f"https://localhost:{peer.port}/", authority[1]) == (200, OK)

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
                await ask(peer.url, authority[1])
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
                await ask(peer.url, {"SSL_CERT_DIR": str(tmp_path)})
            assert "SSL_CERT_FILE" in caught.value.hint
            with pytest.raises(TLSError, match="SSL_CERT_FILE: no certificates in"):
                await ask(peer.url, {"SSL_CERT_FILE": str(tmp_path / "missing.pem")})

    asyncio.run(story())


def test_an_old_tls_is_refused(authority: tuple[trustme.CA, dict[str, str]]) -> None:
    async def story() -> None:
        context = server_context(authority[0].issue_cert("127.0.0.1"))
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        async with hostile(tls=context) as peer:
            with pytest.raises(NetworkError):  # the peer may say why, or just hang up
                await ask(peer.url, authority[1])
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
                await ask(url, authority[1], timeouts=QUICK._replace(connect=0.2))
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


def test_certificates_are_read_in_two_steps_and_the_second_is_taken_once(
    authority: tuple[trustme.CA, dict[str, str]],
) -> None:
    hellos: list[str] = []

    async def story() -> None:
        context = server_context(authority[0].issue_cert("localhost"))
        context.sni_callback = lambda _, name, __: hellos.append(name)
        async with hostile(tls=context) as peer:
            peer.scripts["/"] = answer(headers=[("connection", "close")])
            transport = Transport(environ=authority[1])
            for handshakes in (2, 3):  # the first is refused by what the system keeps at hand
                async with transport.send("GET", f"https://localhost:{peer.port}", timeouts=QUICK) as response:
                    assert await response.read() == OK
                assert len(hellos) == handshakes
            await transport.close()

    asyncio.run(story())
