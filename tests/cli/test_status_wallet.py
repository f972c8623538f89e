"""`mini-llm status` with a wallet: connected, away, refused, short of credits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mini_llm.cli import wallet_prices
from mini_llm.runtime import Runtime
from tests.cli.process import inside, on_terminal, world
from tests.hostile import Script, answer, html, reset, stall
from tests.wallet.server import ACCOUNT, KEY, REFRESH, Served, grant, refusal, told, wallet


@pytest.fixture
def server() -> Iterator[Served]:
    with wallet() as running:
        yield running


@pytest.fixture
def home_of_a_member(home: Path, server: Served) -> Path:
    assert inside(home, "login", "--url", server.url, "--with-token", stdin=KEY).code == 0
    return home


def shown(home: Path) -> str:
    """Return the wallet's line."""
    rows = dict(line.split("\t", 1) for line in inside(home, "status").out.splitlines())
    return rows["wallet"]


def known(home: Path) -> tuple[int, dict[str, Any]]:
    result = inside(home, "status", "--json")
    return result.code, json.loads(result.out)


def test_who_is_connected_sees_account_credits_usage_plan_team_and_budget(
    home_of_a_member: Path, server: Served
) -> None:
    line = shown(home_of_a_member)
    assert line.startswith(
        f"Connected to {server.url[7:]} as a@example.com credits $47.66 · today $2.34 in 412 requests"
    )
    assert "budget $2.34 of $10.00 a day" in line
    assert "plan free · team Example (member) key from file" in line
    code, found = known(home_of_a_member)
    wallet_ = found["wallet"]
    assert (code, found["problems"]) == (0, [])
    assert (wallet_["connected"], wallet_["service"], wallet_["endpoint"]) == (True, server.url[7:], server.api)
    assert wallet_["credits"]["balance_nanos"] == 47_660_000_000
    assert wallet_["logins"] == [{"account": "a@example.com", "id": "acc_1", "service": server.url[7:], "active": True}]
    assert KEY not in json.dumps(found)


@pytest.mark.parametrize("script", [reset(), stall(), answer(b"", status=503), html(), answer(b"nonsense")])
def test_a_service_that_is_away_is_a_problem_and_what_was_known_is_shown(
    home_of_a_member: Path, server: Served, script: Script
) -> None:
    server.scripts["/v1/account"] = script
    line = shown(home_of_a_member)
    assert line.startswith(f"can't reach {server.url[7:]} as a@example.com; this was known at 20")
    assert "credits $47.66" in line
    code, found = known(home_of_a_member)
    assert (code, found["wallet"]["connected"]) == (1, False)
    assert isinstance(found["wallet"]["as_of"], float)
    assert found["problems"][0]["what"].startswith("the wallet can't be asked: ")


def test_what_was_never_known_is_not_made_up(home_of_a_member: Path, server: Served) -> None:
    (home_of_a_member / "cache" / "wallet-account.json").write_text("{damaged")
    server.scripts["/v1/account"] = reset()
    line = shown(home_of_a_member)
    assert line.startswith(f"can't reach {server.url[7:]} key from")
    assert "$" not in line


def test_a_key_that_is_refused_says_how_to_mend_it(home_of_a_member: Path, server: Served) -> None:
    server.scripts["/v1/account"] = told({}, status=401)
    assert shown(home_of_a_member).startswith(f"signed out of {server.url[7:]}; `mini-llm login`")
    code, found = known(home_of_a_member)
    assert (code, found["wallet"]["refused"]) == (1, True)
    assert {"what": "127.0.0.1 refuses the key", "mend": "mini-llm login"} in found["problems"]


def test_a_login_that_is_over_says_the_same(home: Path, server: Served) -> None:
    server.scripts["/oauth/token"] = [grant(refresh_token=REFRESH, expires_in=1), refusal("invalid_grant")]
    assert inside(home, "login", "--url", server.url).code == 0
    server.scripts["/v1/account"] = told({}, status=401)
    code, found = known(home)
    assert (code, found["wallet"]["refused"]) == (1, True)
    assert found["problems"][0]["mend"] == "mini-llm login"


def test_a_token_that_ran_out_is_renewed_on_the_way(home: Path, server: Served) -> None:
    new = "pk-" + "n" * 43
    server.scripts["/oauth/token"] = [
        grant(refresh_token=REFRESH, expires_in=3600),
        grant(new, refresh_token=f"{REFRESH}2", expires_in=3600),
    ]
    assert inside(home, "login", "--url", server.url).code == 0
    server.scripts["/v1/account"] = [told({}, status=401), told(ACCOUNT)]
    code, found = known(home)
    assert (code, found["wallet"]["connected"]) == (0, True)
    assert server.asked("/v1/account")[-1].header("authorization") == f"Bearer {new}"


def test_no_credits_and_a_spent_budget_are_problems(home_of_a_member: Path, server: Served) -> None:
    spent = {"limit": "10.00", "period": "day", "spent": "10.00", "resets_at": "2026-11-23T00:00:00Z"}
    credits = {"balance": "0.00", "low": True, "top_up_url": "https://passy.ai/credits"}
    server.scripts["/v1/account"] = told({**ACCOUNT, "credits": credits, "budget": spent})
    code, found = known(home_of_a_member)
    assert code == 1
    assert [problem["mend"] for problem in found["problems"]] == [
        "top up: https://passy.ai/credits",
        "it begins anew at 2026-11-23T00:00:00Z",
    ]
    assert "credits $0, running low: https://passy.ai/credits" in shown(home_of_a_member)


def test_an_address_to_top_up_at_is_a_web_address(home_of_a_member: Path, server: Served) -> None:
    credits = {"balance": "1.00", "low": True, "top_up_url": "javascript:alert(1)"}
    server.scripts["/v1/account"] = told({**ACCOUNT, "credits": credits})
    assert "javascript" not in shown(home_of_a_member)


def test_prices_are_asked_for_once_a_day_and_when_the_catalogue_is_updated(
    home_of_a_member: Path, server: Served, tmp_path: Path
) -> None:
    kept = home_of_a_member / "cache" / "wallet-models.json"
    assert (known(home_of_a_member)[0], len(server.asked("/v1/models"))) == (0, 1)  # the login's
    told_ = json.loads(kept.read_text())
    kept.write_text(json.dumps({**told_, "seen_at": told_["seen_at"] - 100_000}))
    assert (known(home_of_a_member)[0], len(server.asked("/v1/models"))) == (0, 2)
    assert (known(home_of_a_member)[0], len(server.asked("/v1/models"))) == (0, 2)
    server.scripts["/v1/models"] = told({"data": [{"id": "m", "pricing": {"input": "1", "output": "2"}}]})
    assert wallet_prices.update(Runtime.open(environ=world(home_of_a_member), cwd=tmp_path)) is not None
    assert json.loads(kept.read_text())["data"][0]["id"] == "m"
    server.scripts["/v1/models"] = reset()
    kept.unlink()
    assert known(home_of_a_member)[0] == 0  # what can't be had harms nothing


def test_on_a_terminal_each_part_has_its_line(home_of_a_member: Path, server: Served) -> None:
    code, screen = on_terminal(home_of_a_member, "status", timeout=60)
    lines = screen.splitlines()
    assert code == 0
    assert lines[0].split(maxsplit=1) == ["wallet", f"Connected to {server.url[7:]} as a@example.com"]
    assert lines[1].strip().startswith("credits $47.66")
    assert lines[2].strip().startswith("plan free")
