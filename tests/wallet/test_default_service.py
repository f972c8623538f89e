"""passy.ai itself, as far as that can be played on one machine: its names, over TLS with a certificate of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from mini_llm.errors import MiniLLMError, ProtocolError, TLSError
from mini_llm.wallet import device
from mini_llm.wallet.addresses import ISSUER
from mini_llm.wallet.discovery import DEFAULT, Endpoints, discover
from mini_llm.wallet.service import Service
from tests.exchange import server_context
from tests.hostile import Hostile, answer, hostile
from tests.wallet.server import DISCOVERY, USER_CODE, told

DEVICE = {
    "device_code": "pd-" + "d" * 43,
    "user_code": USER_CODE,
    "verification_uri": "https://passy.ai/auth",
    "expires_in": 600,
}


def found(folder: Path, script: Callable[[Hostile], None], name: str = "passy.ai") -> tuple[Endpoints, device.Grant]:
    """Ask a machine that says that it is passy.ai."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))

    async def ask() -> tuple[Endpoints, device.Grant]:
        async with hostile(tls=server_context(authority.issue_cert(name))) as peer:
            script(peer)

            async def here(host: str, port: int) -> list[tuple[str, int]]:
                assert (host, port) == ("passy.ai", 443)
                return [("127.0.0.1", peer.port)]

            async with Service.open({"SSL_CERT_FILE": str(folder / "ca.pem")}, resolve=here) as service:
                endpoints = await discover(service, ISSUER)
                return endpoints, await device.begin(service, endpoints, device="laptop")

    return asyncio.run(ask())


def without_discovery(peer: Hostile) -> None:
    peer.scripts |= {DISCOVERY: answer(b"", status=404), "/oauth/device/code": told(DEVICE)}


def test_where_it_says_nothing_it_is_asked_where_it_always_is(tmp_path: Path) -> None:
    endpoints, grant = found(tmp_path, without_discovery)
    assert endpoints == DEFAULT
    assert (grant.uri, grant.user_code, grant.interval) == ("https://passy.ai/auth", USER_CODE, 5)


@pytest.mark.parametrize("status", [200, 302, 401, 500])
def test_only_a_404_means_that_it_says_nothing(tmp_path: Path, status: int) -> None:
    with pytest.raises(MiniLLMError):
        found(tmp_path, lambda peer: peer.scripts.update({DISCOVERY: answer(b"", status=status)}))


def test_a_page_at_another_host_is_not_opened(tmp_path: Path) -> None:
    def script(peer: Hostile) -> None:
        without_discovery(peer)
        peer.scripts["/oauth/device/code"] = told({**DEVICE, "verification_uri": "https://passy.ai.evil.com/auth"})

    with pytest.raises(ProtocolError, match="at another host"):
        found(tmp_path, script)


def test_somebody_else_s_certificate_ends_it(tmp_path: Path) -> None:
    with pytest.raises(TLSError):
        found(tmp_path, without_discovery, name="evil.com")
