"""A spent budget, as the gateway's callers hear of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.gateway.running import running
from tests.gateway.test_relay import ASKED, CHAT, MESSAGES, ask
from tests.upstream import Provider, Say

PRICES = {"lab/m": {"input": "1", "output": "10"}}  # dollars a million tokens


def settings(home: Path, provider: Provider, budget: str) -> dict[str, Any]:
    (home / "providers").mkdir(parents=True, mode=0o700)
    told = f'base_url = "{provider.url}"\nmodels = ["m"]\nauth = "none"\n'
    (home / "providers" / "lab.toml").write_text(told, encoding="utf-8")
    return {"providers": {"lab": {}}, "prices": PRICES, "budgets": {"daily": budget}}


@pytest.mark.parametrize("path", [CHAT, MESSAGES, "/v1/responses"])
def test_a_spent_budget_is_402_in_the_callers_dialect(tmp_path: Path, path: str) -> None:
    body = (
        {"model": "lab/m", "input": "Hi", "max_output_tokens": 900}
        if "responses" in path
        else {**ASKED, "max_tokens": 900}
    )
    with Provider(Say("Hello", usage=(100, 900))) as provider:
        with running(tmp_path, {}, settings(tmp_path, provider, "0.0095")) as ours:
            assert ask(ours, path, body).status == 200
            ours.rows(1)
            told = ask(ours, path, body)
        assert len(provider.seen) == 1
    assert told.status == 402
    error = told.json["error"]
    assert "budget" in error["message"]
    assert error.get("code") == "insufficient_quota" or path == MESSAGES
    assert told.headers["x-should-retry"] == "false"


def test_an_answer_cut_to_the_budget_says_so(tmp_path: Path) -> None:
    with Provider(Say("Hello", usage=(10, 20))) as provider:
        with running(tmp_path, {}, settings(tmp_path, provider, "0.005")) as ours:
            told = ask(ours, CHAT, ASKED)
            held = ask(ours, CHAT, {**ASKED, "max_tokens": 5})
        asked = provider.seen[0].body
    most = int(told.headers["x-mini-llm-max-tokens"])
    assert most == asked.get("max_tokens", asked.get("max_completion_tokens"))
    assert 400 < most <= 500
    assert "x-mini-llm-max-tokens" not in held.headers


def test_a_budget_that_only_warns_is_told_in_a_header(tmp_path: Path) -> None:
    with Provider(Say("Hello", usage=(100, 900))) as provider:
        told = settings(tmp_path, provider, "0.005")
        told["budgets"]["enforce"] = "warning"
        with running(tmp_path, {}, told) as ours:
            first = ask(ours, CHAT, {**ASKED, "max_tokens": 1})
            ask(ours, CHAT, {**ASKED, "max_tokens": 900})
            ours.rows(2)
            second = ask(ours, CHAT, {**ASKED, "max_tokens": 1})
    assert "x-mini-llm-budget-warning" not in first.headers
    assert second.headers["x-mini-llm-budget-warning"].startswith("the budget of $0.0050 a day is passed, with $0.0")


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_stream_past_its_money_ends_in_one_error_event_of_the_callers_dialect(tmp_path: Path, path: str) -> None:
    longer = Provider(Say("word " * 1000, usage=(1, 1000)))  # than it was told
    with longer as provider, running(tmp_path, {}, settings(tmp_path, provider, "0.001")) as ours:
        told = ask(ours, path, {**ASKED, "max_tokens": 4000, "stream": True}).body.decode()
        (row,) = ours.rows(1)
    assert 90 <= told.count("word") <= 101
    assert told.count("was ended") == 1
    assert "[DONE]" not in told and "message_stop" not in told
    assert (row["status"], row["error"]) == ("partial", "insufficient_quota")
