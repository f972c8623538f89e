"""`mini-llm budget`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.booked import DOLLAR, ENTRY, booked
from tests.cli.process import run
from tests.upstream import Provider, Say

NOW = datetime.now(UTC)
BEHIND = NOW.hour - 12
MIDDAY = {"TZ": f"MID{BEHIND:+d}"}  # a zone in which no midnight comes while these tests run


def budgets(home: Path) -> object:
    return json.loads((home / "config.json").read_text()).get("budgets")


def test_a_budget_is_set_shown_and_removed(home: Path) -> None:
    result = run(home, "budget", "set", "daily", "$5.00")
    assert result == (0, "", "the daily budget is $5.00: what would pass it is refused\n")
    assert budgets(home) == {"daily": "5.00"}
    booked(home, ENTRY._replace(time=NOW.timestamp(), cost_nanos=2 * DOLLAR))
    tomorrow = (NOW + timedelta(hours=24 - BEHIND)).date()
    for args in (["budget"], ["budget", "show"]):
        shown = run(home, *args, environ=MIDDAY)
        assert shown == (0, f"everything\tdaily\t$5.00\t$2.00\t\t$3.00\t{tomorrow}\trefused\n", "")
    assert run(home, "budget", "remove", "daily").err == "removed the daily budget\n"
    assert run(home, "budget").err.startswith("no budget is set; ")


def test_json_has_exact_figures_by_stable_keys(home: Path, configure: Callable[..., Path]) -> None:
    configure(budgets={"total": "1.50", "keys": {"ann": {"total": "1", "enforce": "warning"}}})
    booked(home, ENTRY._replace(time=NOW.timestamp(), cost_nanos=2 * DOLLAR, caller="ann"))
    first, second = json.loads(run(home, "budget", "--json").out)
    assert first == {
        "scope": "all",
        "period": "total",
        "limit_nanos": 1_500_000_000,
        "spent_nanos": 2_000_000_000,
        "held_nanos": 0,
        "left_nanos": 0,
        "hard": True,
        "resets_at": None,
    }
    assert (second["scope"], second["spent_nanos"], second["hard"]) == ("key:ann", 2_000_000_000, False)
    (home / "config.json").unlink()
    assert run(home, "budget", "--json").out == "[]\n"


def test_a_tool_and_a_key_have_budgets_of_their_own(home: Path) -> None:
    run(home, "budget", "set", "weekly", "10", "--for", "my.tool", "--warn")
    result = run(home, "budget", "set", "total", "100", "--for", "key:ann")
    assert result.err == "the total budget for the key ann is $100: what would pass it is refused\n"
    assert budgets(home) == {
        "tools": {"my.tool": {"weekly": "10", "enforce": "warning"}},
        "keys": {"ann": {"total": "100"}},
    }
    run(home, "budget", "set", "daily", "1", "--for", "key:ann")
    assert run(home, "budget", "remove", "--for", "key:ann").err == "removed every budget for the key ann\n"
    assert run(home, "budget", "remove", "weekly", "--for", "tool:my.tool").code == 0
    assert budgets(home) is None or budgets(home) == {}


def test_comments_stay_and_what_else_changes_is_said(home: Path, configure: Callable[..., Path]) -> None:
    configure('{\n  // how much\n  "budgets": {"daily": "5", /* and */ "weekly": "20"}\n}\n')
    result = run(home, "budget", "set", "daily", "6", "--warn")
    assert (
        result.err == "the daily budget is $6: passing it only warns\nnote: the weekly budget now only warns as well\n"
    )
    text = (home / "config.json").read_text()
    assert "// how much" in text and "/* and */" in text
    assert "note: the weekly budget now refuses as well" in run(home, "budget", "set", "daily", "6", "--hard").err


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["set", "hourly", "5"], "no budget is called hourly"),
        (["set", "daily", "five"], "a budget cannot be five"),
        (["set", "daily", "1e3"], "a budget cannot be 1e3"),
        (["set", "daily", "5,00"], "a budget cannot be 5,00"),
        (["set", "daily", "0.0000000001"], "budgets.daily"),
        (["set", "daily", "5", "--for", ""], "a tool or a key has a name"),
        (["set", "daily", "5", "--for", "key:"], "a tool or a key has a name"),
        (["set", "daily"], "missing argument"),
        (["remove"], "which budget?"),
        (["remove", "hourly"], "no budget is called hourly"),
    ],
)
def test_what_makes_no_sense_changes_nothing(args: list[str], told: str, home: Path) -> None:
    result = run(home, "budget", *args)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ") and told in result.err
    assert not (home / "config.json").exists()


def test_a_budget_that_is_not_there_cannot_be_removed(home: Path, tmp_path: Path) -> None:
    result = run(home, "budget", "remove", "daily")
    assert result.code == 1
    assert result.err.startswith("error: the daily budget is not set in ")
    result = run(home, "budget", "remove", "daily", environ={"MINI_LLM_BUDGETS_DAILY": "3"})
    assert "MINI_LLM_BUDGETS_DAILY" in result.err


def test_what_holds_in_its_place_is_said(home: Path) -> None:
    result = run(home, "budget", "set", "daily", "5", environ={"MINI_LLM_BUDGETS_DAILY": "3"})
    assert result.code == 0
    assert result.err.endswith("note: environment MINI_LLM_BUDGETS_DAILY sets $3, which holds here\n")
    assert budgets(home) == {"daily": "5"}


def test_a_request_over_the_budget_is_refused_with_exit_6(home: Path, lab: Callable[..., Provider]) -> None:
    provider = lab(Say("Hello"), providers={"openai": {"apiKey": "k"}}, default="openai/gpt-4o")
    environ = {"MINI_LLM_PROVIDERS_OPENAI_BASE_URL": provider.url}
    assert run(home, "config", "set", "providers.openai.baseUrl", provider.url).code == 0
    assert run(home, "budget", "set", "daily", "0").code == 0
    result = run(home, "chat", "hi", environ=environ)
    assert result.code == 6, result.err
    assert "hint: raise it: `mini-llm budget set daily 1`; or ask for fewer tokens" in result.err
    assert not provider.seen
    status = run(home, "status")
    assert status.code == 1
    assert "the daily budget is spent" in status.err
    assert "mini-llm budget set daily 1" in status.err
    assert dict(line.split("\t", 1) for line in status.out.splitlines())["budgets"] == "daily: $0 of $0, $0 left"


def test_status_says_so_once_when_the_ledger_cannot_be_read(home: Path, lab: Callable[..., Provider]) -> None:
    lab(budgets={"daily": "5"})
    (home / "data").mkdir()
    (home / "data" / "ledger.db").write_bytes(b"not a database" * 100)
    problems = json.loads(run(home, "status", "--json").out)["problems"]
    assert len(problems) == 1
