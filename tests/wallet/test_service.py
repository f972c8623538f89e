"""One question to a wallet service, and what a hostile one gets out of it: nothing."""

from __future__ import annotations

from typing import Any

import pytest

from mini_llm.credentials import Secret
from mini_llm.errors import (
    AuthError,
    CredentialError,
    DeadlineError,
    MiniLLMError,
    NetworkError,
    NotAnAPIError,
    ProtocolError,
    QuotaError,
    RateLimitError,
    ServerError,
)
from mini_llm.wallet import account
from mini_llm.wallet.service import Service
from tests.hostile import Script, answer, closed_port, cut, flood, html, huge_head, packed, reset, stall
from tests.wallet.asking import ask
from tests.wallet.server import ACCOUNT, KEY, Served, told, wallet


def fetched(server: Served, *, seconds: float = 10.0) -> account.Account:
    key = Secret(KEY, origin=server.url, reference="test")
    return ask(lambda service: account.fetch(service, server.api, key), seconds=seconds)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (told({"error": "x"}, status=401), AuthError),
        (told({"error": "x"}, status=402), QuotaError),
        (told({"error": "x"}, status=403), AuthError),
        (told({"error": "x"}, status=429, headers=[("retry-after", "7")]), RateLimitError),
        (answer(b"oops", status=500), ServerError),
        (html(503), ServerError),
        (html(), NotAnAPIError),
        (answer(b"nonsense"), ProtocolError),
        (answer(b""), ProtocolError),
        (answer(b"[1]"), ProtocolError),
        (answer(b"null"), ProtocolError),
        (answer(b"[" * 50_000), ProtocolError),
        (answer(b"{" + b" " * 70_000 + b"}"), ProtocolError),
        (told({"id": 7}), ProtocolError),
        (told({"id": "\x1b\x07"}), ProtocolError),
        (answer(b"x", status=418), ProtocolError),
        (packed(b" " * 1_000_000), ProtocolError),
        (flood(), ProtocolError),
        (huge_head(1 << 20), ProtocolError),
        (b"SSH-2.0-OpenSSH_9.9\r\n", ProtocolError),
        (reset(), NetworkError),
        (reset(40), NetworkError),
        (cut(30), MiniLLMError),
    ],
)
def test_what_is_no_account_is_an_error_and_never_too_much(script: Script, error: type[MiniLLMError]) -> None:
    with wallet() as server:
        server.scripts["/v1/account"] = script
        with pytest.raises(error) as raised:
            fetched(server)
        assert KEY not in f"{raised.value!r}{raised.value.hint}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_takes_the_key_along(status: int) -> None:
    with wallet() as server, wallet() as canary:
        server.scripts["/v1/account"] = answer(b"", status=status, headers=[("location", f"{canary.url}/v1/account")])
        with pytest.raises(NotAnAPIError):
            fetched(server)
        assert canary.peer.requests == []


@pytest.mark.parametrize("script", [stall(), stall(30), flood(b"x", pause=0.05)])
def test_a_service_that_dawdles_is_left(script: Script) -> None:
    with wallet() as server:
        server.scripts["/v1/account"] = script
        with pytest.raises(DeadlineError):
            fetched(server, seconds=0.3)


def test_a_key_is_for_its_own_origin() -> None:
    with wallet() as server, pytest.raises(CredentialError):
        key = Secret(KEY, origin="https://api.passy.ai", reference="test")
        ask(lambda service: account.fetch(service, server.api, key))
    assert server.peer.requests == []


def test_a_service_that_is_not_there_is_named_with_the_reason() -> None:
    port = closed_port()
    with pytest.raises(NetworkError, match=rf"127\.0\.0\.1:{port}: connection refused") as raised:
        ask(lambda service: service.get(f"http://127.0.0.1:{port}/x"))
    assert raised.value.hint == "check the network"


def test_an_account_is_read_with_money_as_whole_numbers() -> None:
    with wallet() as server:
        found = fetched(server)
    assert (found.id, found.label, found.team, found.role, found.key) == (
        *("acc_1", "a@example.com", "Example", "member", "laptop"),
    )
    assert (found.balance, found.today, found.requests_today) == (47_660_000_000, 2_340_000_000, 412)
    assert found.budget is not None
    assert (found.budget.limit, found.budget.period) == (10_000_000_000, "day")
    assert dict(found.features) == {"fallback": True, "costOptimization": True, "discounts": True}


def test_what_an_account_leaves_out_or_gets_wrong_is_left_out() -> None:
    odd = {
        "id": "acc_1",
        "email": 7,
        "name": "\x1b[31mEve\x07",
        "team": "x",
        "credits": {"balance": 47.66, "low": "yes", "top_up_url": "javascript:alert(1)"},
        "usage": {"today": "1e9", "requests_today": True},
        "budget": {"limit": None},
        "features": {"fallback": 1, "discounts": False, "unknown": True},
        "unknown": {},
    }
    found = account.read(odd, "https://api.passy.ai/v1")
    assert found == account.Account("acc_1", name="[31mEve", features=(("discounts", False),))
    assert account.read(ACCOUNT, "x").to_json()["credits"]["balance_nanos"] == 47_660_000_000


@pytest.mark.parametrize(
    ("told", "nanos"),
    [
        *(("0", 0), ("5", 5_000_000_000), ("-1.5", -1_500_000_000), ("0.0123", 12_300_000)),
        *(("0.1234567891", 123_456_789), ("1" * 13, None), ("1.", None), ("", None), ("NaN", None), (5, None)),
        *(("1_0", None), ("٣", None), (None, None)),
    ],
)
def test_money_is_read_exactly_or_not_at_all(told: object, nanos: int | None) -> None:
    assert account.money(told) == nanos


def test_usage_is_asked_for_by_day_or_whatever_else_and_comes_in_rows() -> None:
    row = {"day": "2026-11-21", "requests": 12, "cost": "0.0123", "saved": "0.0014"}
    with wallet() as server:
        server.scripts["/v1/usage"] = told({"rows": [row, "nonsense"], "total": {}, "next": None})
        key = Secret(KEY, origin=server.url, reference="test")

        async def used(service: Service) -> list[dict[str, Any]]:
            return await account.usage(service, server.api, key, since="2026-11-01", until="2026-11-22", by="day")

        assert ask(used) == [row]
        assert server.peer.requests[0].target == "/v1/usage?from=2026-11-01&to=2026-11-22&group_by=day"
        server.scripts["/v1/usage"] = told({"rows": None})
        with pytest.raises(ProtocolError):
            ask(used)
