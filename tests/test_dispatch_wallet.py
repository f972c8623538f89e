"""The wallet answers, and what it says that it took is what the ledger says it cost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from mini_llm.errors import AuthError, QuotaError
from mini_llm.wallet.account import Account
from mini_llm.wallet.lastly import Lastly
from tests.upstream import Provider, Say, Status
from tests.world import World

PRICES = {"passy/m": {"input": "1", "output": "10"}}  # dollars a million tokens


def told(
    home: Path, wallet: Provider, providers: dict[str, Provider], *, discounts: bool = True, **settings: Any
) -> World:
    """Return a world whose wallet is *wallet*, which may pay for the user's own providers."""
    features = {"fallback": True, "discounts": discounts}
    service = {"apiKey": "pk-0123456789", "endpoint": wallet.url, "features": features}
    usual = {"wallet": service, "default": "passy/m", "prices": PRICES}
    return World(home, providers, usual | settings, {"OPENAI_API_KEY": "sk-0123456789"})


def test_what_the_wallet_took_is_what_the_ledger_says(tmp_path: Path) -> None:
    with Provider(Say("Hello", usage=(100, 10), headers={"x-passy-cost": "0.00018"})) as wallet:
        ours = told(tmp_path / "home", wallet, {})
        assert ours.ask().cost_nanos == 180_000
    assert [(row["paid_by"], row["cost_nanos"], row["reported_nanos"]) for row in ours.rows()] == [
        ("wallet", 180_000, 180_000)
    ]


@pytest.mark.parametrize(
    ("headers", "saved"),
    [
        ({"x-passy-cost": "0.00018", "x-passy-discount": "0.10"}, 20_000),
        ({"x-passy-cost": "0.00018"}, 0),
        ({"x-passy-discount": "0.10"}, 0),  # of a cost that nobody told
        ({"x-passy-cost": "0.00018", "x-passy-discount": "1"}, 0),
        ({"x-passy-cost": "0.00018", "x-passy-discount": "lots"}, 0),
    ],
)
def test_what_the_wallets_discount_took_off_is_written_down(
    tmp_path: Path, headers: dict[str, str], saved: int
) -> None:
    with Provider(Say("Hello", usage=(100, 10), headers=headers)) as wallet:
        ours = told(tmp_path / "home", wallet, {})
        ours.ask()
    assert [row["saved_nanos"] for row in ours.rows()] == [saved]


@pytest.mark.parametrize(("discounts", "first"), [(True, "passy/m"), (False, "openai/m")])
def test_the_wallet_competes_with_what_it_last_said_it_asks(tmp_path: Path, *, discounts: bool, first: str) -> None:
    with Provider() as wallet, Provider() as own:
        aliases = {"r": {"targets": ["openai/m"], "strategy": "cost"}}
        prices = {"openai/m": {"input": "1.10", "output": "1.10"}}
        home = tmp_path / "home"
        ours = told(home, wallet, {"openai": own}, discounts=discounts, aliases=aliases, prices=prices)
        cache = ours.runtime.loaded.paths.cache
        cache.mkdir(parents=True)
        listed = {"data": [{"id": "m", "pricing": {"input": "1.00", "output": "1.00"}}]}
        kept = {"api": wallet.url, "etag": "", "seen_at": 1.0, **listed}
        (cache / "wallet-models.json").write_text(json.dumps(kept), encoding="utf-8")
        Lastly(cache).keep(wallet.url, "pk-0123456789", Account("acc_1", discount="0.20"), 1.0)
        assert str(ours.runtime.decide("r").choices[0].target) == first


@pytest.mark.parametrize("nonsense", ["", "free", "-1", "1e3", "NaN", "9" * 40, "0.1.2"])
def test_nonsense_about_a_cost_is_no_cost(tmp_path: Path, nonsense: str) -> None:
    with Provider(Say("Hello", usage=(100, 10), headers={"x-passy-cost": nonsense})) as wallet:
        assert told(tmp_path / "home", wallet, {}).ask().cost_nanos == 200_000


def test_only_the_wallet_is_believed(tmp_path: Path) -> None:
    with Provider(Say("Hello", usage=(100, 10), headers={"x-passy-cost": "5"})) as own, Provider() as wallet:
        ours = told(tmp_path / "home", wallet, {"lab": own})
        assert ours.ask(model="lab/m").cost_nanos == 0


def test_the_wallet_answers_when_the_users_own_key_fails(tmp_path: Path) -> None:
    refused = Status(401, {"error": {"message": "no such key", "type": "invalid_api_key"}})
    with Provider(refused) as own, Provider(Say("Hello", headers={"x-passy-cost": "0.002"})) as wallet:
        ours = told(tmp_path / "home", wallet, {"lab": own})
        assert ours.ask(model="lab/m").text == "Hello"
        assert wallet.seen[0].headers["authorization"] == "Bearer pk-0123456789"
    assert [(row["provider"], row["status"], row["paid_by"]) for row in ours.rows()] == [
        ("lab", "failed", "local"),
        ("passy", "ok", "wallet"),
    ]


def test_a_wallet_without_credits_says_where_to_get_some(tmp_path: Path) -> None:
    body = {"error": {"message": "no credits left", "type": "insufficient_credits", "balance": "0.00"}}
    with Provider() as wallet:
        for url, shown in ((f"{wallet.url}/credits", True), ("https://evil.example/", False), ("javascript:x", False)):
            body["error"]["top_up_url"] = url
            wallet.script[:] = [Status(402, body)]
            error = told(tmp_path / url.replace("/", "_"), wallet, {}).failure()
            assert isinstance(error, QuotaError) and error.exit_code == 6
            assert (url in error.hint) is shown


def test_a_wallet_key_that_is_refused_wants_another_login(tmp_path: Path) -> None:
    with Provider(Status(401, {"error": {"message": "no", "type": "invalid_api_key"}})) as wallet:
        error = told(tmp_path / "home", wallet, {}).failure()
    assert isinstance(error, AuthError) and "mini-llm login" in error.hint and error.exit_code == 4


def test_a_model_that_a_key_may_not_use_is_missing_there_and_the_key_stays_good(tmp_path: Path) -> None:
    body = {"error": {"message": "this key may not use m", "type": "model_not_allowed"}}
    with Provider(Status(403, body)) as wallet, Provider(Say("Hello")) as own:
        ours = told(tmp_path / "home", wallet, {"lab": own}, aliases={"r": ["passy/m", "lab/m"]})
        assert ours.ask(model="r").text == "Hello"
        assert ours.ask(model="r").text == "Hello"
        assert len(wallet.seen) == 2


def test_the_wallets_models_are_listed_behind_the_users_own(tmp_path: Path) -> None:
    with Provider() as wallet, Provider() as own:
        ours = told(tmp_path / "home", wallet, {"lab": own}, prices=PRICES)

        async def listed() -> list[str]:
            async with ours.client() as client:
                return [f"{model.provider}/{model.id}" for model in await client.models()]

        assert [name for name in asyncio.run(listed()) if not name.startswith("openai/")] == ["lab/m", "passy/m"]
