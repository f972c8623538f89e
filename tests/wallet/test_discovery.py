"""Where a wallet service wants to be asked, and what it may not say."""

from __future__ import annotations

from typing import Any

import pytest

from mini_llm.errors import MiniLLMError, NotAnAPIError, ProtocolError
from mini_llm.wallet import discovery
from mini_llm.wallet.addresses import ISSUER
from mini_llm.wallet.discovery import DEFAULT, discover
from tests.hostile import answer, html
from tests.wallet.asking import ask
from tests.wallet.server import DISCOVERY, told, wallet

API = {"version": 1, "api": "https://api.passy.ai/v1"}
DOCUMENT: dict[str, Any] = {
    "issuer": ISSUER,
    "device_authorization_endpoint": f"{ISSUER}/oauth/device/code",
    "token_endpoint": "https://login.passy.ai/oauth/token",
    "revocation_endpoint": "https://api.passy.ai/revoke",
    "mini_llm_wallet": API,
}


def test_a_service_tells_where_it_is_asked() -> None:
    with wallet() as server:
        found = ask(lambda service: discover(service, server.url))
    assert found == discovery.Endpoints(
        *(server.url, f"{server.url}/oauth/device/code", f"{server.url}/oauth/token", f"{server.url}/oauth/revoke"),
        *(server.api, f"{server.url}/dashboard"),
    )


def test_hosts_below_the_issuer_s_and_that_of_its_api_are_believed() -> None:
    assert discovery.read(DOCUMENT, ISSUER).token == "https://login.passy.ai/oauth/token"
    elsewhere = {**DOCUMENT, "mini_llm_wallet": {**API, "api": "https://api.example.net/v1/"}}
    moved = {**elsewhere, "token_endpoint": "https://api.example.net/token"}
    assert discovery.read(moved, ISSUER).api == "https://api.example.net/v1"


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.com"},
        {"issuer": None},
        {"issuer": f"{ISSUER}/other"},
        {"token_endpoint": "https://evil.com/token"},
        {"token_endpoint": "https://passy.ai.evil.com/token"},
        {"token_endpoint": "http://passy.ai/token"},
        {"token_endpoint": "http://127.0.0.1/token"},
        {"token_endpoint": None},
        {"token_endpoint": ["https://passy.ai/token"]},
        {"device_authorization_endpoint": "file:///etc/passwd"},
        {"revocation_endpoint": "https://evil.com/revoke"},
        {"mini_llm_wallet": {**API, "api": "http://api.passy.ai/v1"}},
        {"mini_llm_wallet": {**API, "api": "http://127.0.0.1:11434/v1"}},
        {"mini_llm_wallet": {**API, "dashboard": "https://evil.com"}},
        {"mini_llm_wallet": {**API, "dashboard": "javascript:alert(1)"}},
        {"mini_llm_wallet": {**API, "version": 2}},
        {"mini_llm_wallet": {**API, "version": True}},
        {"mini_llm_wallet": {}},
        {"mini_llm_wallet": None},
        {"grant_types_supported": ["authorization_code"]},
        {"grant_types_supported": "device_code"},
    ],
)
def test_what_a_service_may_not_say_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        discovery.read({**DOCUMENT, **change}, ISSUER)


def test_the_refused_address_is_named() -> None:
    with pytest.raises(ProtocolError, match=r"passy\.ai names 'https://evil\.com/token' as its token_endpoint"):
        discovery.read({**DOCUMENT, "token_endpoint": "https://evil.com/token"}, ISSUER)


@pytest.mark.parametrize("script", [answer(b"", status=404), html(), answer(b"", status=302), answer(b"[]")])
def test_an_address_without_a_wallet_is_told(script: bytes) -> None:
    with wallet() as server:
        server.scripts[DISCOVERY] = script
        with pytest.raises(MiniLLMError) as raised:
            ask(lambda service: discover(service, server.url))
    assert raised.value.exit_code == 5


def test_another_login_server_is_no_wallet() -> None:
    with wallet() as server:
        server.scripts[DISCOVERY] = told(server.document(mini_llm_wallet=None))
        with pytest.raises(NotAnAPIError, match="it is no wallet"):
            ask(lambda service: discover(service, server.url))


def test_what_is_known_of_the_default_service_is_what_it_may_say() -> None:
    document = {
        "issuer": DEFAULT.issuer,
        "device_authorization_endpoint": DEFAULT.device,
        "token_endpoint": DEFAULT.token,
        "revocation_endpoint": DEFAULT.revocation,
        "mini_llm_wallet": {"version": 1, "api": DEFAULT.api, "dashboard": DEFAULT.dashboard},
    }
    assert discovery.read(document, ISSUER) == DEFAULT
