"""`mini-llm usage`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from mini_llm.catalogue import Catalogue
from mini_llm.ledger import Entry
from mini_llm.types import Usage
from tests.cli.booked import DOLLAR, ENTRY, at, booked
from tests.cli.process import run
from tests.upstream import Provider, Say

UTC = {"TZ": "UTC"}
LONG_AGO = "2026-03-01"
LEDGER = (
    ENTRY._replace(time=at("2026-03-01"), cost_nanos=DOLLAR, tool="codex"),
    ENTRY._replace(time=at("2026-03-02"), cost_nanos=2 * DOLLAR, tool="codex", model="gpt", provider="openai"),
    ENTRY._replace(time=at("2026-03-02"), cost_nanos=None, model="new", provider="lab"),
    ENTRY._replace(time=at("2026-03-05"), cost_nanos=DOLLAR // 4, usage=Usage(7, 3, estimated=True), tool="=cmd()"),
)


def lines(home: Path, *args: str) -> list[str]:
    result = run(home, "usage", "--since", LONG_AGO, *args, environ=UTC)
    assert result.code == 0, result.err
    return result.out.splitlines()


def test_a_pipe_gets_bare_rows_and_notes_go_to_stderr(home: Path) -> None:
    booked(home, *LEDGER)
    result = run(home, "usage", "--since", LONG_AGO, environ=UTC)
    assert result.out == (
        "2026-03-01\t1\t1\t1000\t50\t$1.00\t\n2026-03-02\t2\t2\t2000\t100\t$2.00+\t\n"
        "2026-03-05\t1\t1\t~7\t~3\t~$0.25\t\n"
    )
    assert result.err == (
        "~ the usage of 1 attempt is estimated\n+ the cost of 1 attempt is unknown, and in none of these sums\n"
    )
    assert run(home, "--quiet", "usage", "--since", LONG_AGO, environ=UTC).err == ""


def test_the_dearest_is_first_and_what_is_unknown_is_not_nothing(home: Path) -> None:
    booked(home, *LEDGER)
    assert [line.split("\t")[0:6:5] for line in lines(home, "--by", "model")] == [
        ["gpt", "$2.00"],
        ["llama", "~$1.25"],
        ["new", "unknown"],
    ]
    assert lines(home, "--by", "tool")[-1].split("\t")[0] == "(none)"
    assert [line.split("\t")[0] for line in lines(home, "--by", "week")] == ["2026-02-23", "2026-03-02"]
    assert [line.split("\t")[0] for line in lines(home, "--by", "month")] == ["2026-03"]


def test_what_is_asked_for_can_be_narrowed(home: Path) -> None:
    booked(home, *LEDGER)
    assert len(lines(home, "--tool", "codex")) == 2
    assert len(lines(home, "--tool", "codex", "--provider", "groq")) == 1
    assert len(lines(home, "--tool=", "--by", "model")) == 1
    assert len(lines(home, "--until", "2026-03-02")) == 2
    assert len(lines(home, "--until", "2026-03-01T13:00")) == 1
    assert len(lines(home, "--payer", "own", "--status", "ok", "-m", "llama")) == 2


def test_what_a_discount_saved_is_told_beside_the_cost(home: Path) -> None:
    booked(home, LEDGER[0]._replace(saved_nanos=250_000_000))
    (line,) = lines(home, "--by", "payer")
    assert line.split("\t")[-2:] == ["$1.00", "$0.25"]


def test_json_has_exact_figures_by_stable_keys(home: Path) -> None:
    booked(home, *LEDGER)
    told = json.loads("\n".join(lines(home, "--by", "model", "--until", "2026-03-31", "--json")))
    assert (told["by"], told["since"], told["until"]) == (
        "model",
        "2026-03-01T00:00:00+00:00",
        "2026-04-01T00:00:00+00:00",
    )
    assert told["rows"][1] == {
        "model": "llama",
        "requests": 2,
        "attempts": 2,
        "input_tokens": 1007,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "output_tokens": 53,
        "reasoning_tokens": 0,
        "cost_nanos": 1_250_000_000,
        "unpriced": 0,
        "estimated": 1,
        "saved_nanos": 0,
    }
    assert told["rows"][2]["cost_nanos"] is None
    assert (told["total"]["cost_nanos"], told["total"]["unpriced"]) == (3_250_000_000, 1)


def test_csv_is_exact_and_no_name_in_it_is_a_formula(home: Path) -> None:
    booked(home, *LEDGER)
    rows = list(csv.DictReader(StringIO("\n".join(lines(home, "--by", "tool", "--csv")))))
    assert [(row["tool"], row["cost_nanos"], row["cost_dollars"]) for row in rows] == [
        ("codex", "3000000000", "3"),
        ("'=cmd()", "250000000", "0.25"),
        ("", "", ""),
    ]


def test_a_name_cannot_drive_the_terminal_or_break_a_row(home: Path) -> None:
    booked(home, ENTRY._replace(time=at(LONG_AGO), tool="a\x1b]0;owned\x07\tb\nc", cost_nanos=0))
    assert lines(home, "--by", "tool") == ["a]0;owned b c\t1\t1\t1000\t50\t$0\t"]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--by", "moon"], "cannot sum by moon"),
        (["--since", "2026-13-01"], "--since cannot be 2026-13-01"),
        (["--until", "soon"], "--until cannot be soon"),
        (["--since", "0d"], "--since cannot be 0d"),
        (["--since", "999999d"], "--since cannot be 999999d"),
        (["--since", "0001-01-01T00:00"], "--since cannot be 0001-01-01T00:00"),
        (["--until", "9999-12-31"], "--until cannot be 9999-12-31"),
        (["--since", "today", "--until", "yesterday"], "nothing lies between"),
        (["--payer", "mum"], "no payer is called mum"),
        (["--status", "fine"], "no status is called fine"),
        (["--json", "--csv"], "--json and --csv"),
        (["--unsettled", "--tool", "x"], "--unsettled"),
    ],
)
def test_what_makes_no_sense_is_a_misuse(args: list[str], told: str, home: Path) -> None:
    result = run(home, "usage", *args, environ=UTC)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ") and told in result.err
    assert "hint: " in result.err


def test_nothing_found_says_what_to_do_next(home: Path) -> None:
    assert "`mini-llm chat" in run(home, "usage").err
    assert not (home / "data" / "ledger.db").exists()
    booked(home, *LEDGER)
    assert "`mini-llm usage --since all`" in run(home, "usage", "--since", "today", environ=UTC).err
    result = run(home, "usage", "--since", "all", "--tool", "vim", environ=UTC)
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith("nothing was asked for tool vim")
    empty = json.loads(run(home, "usage", "--since", "today", "--json", environ=UTC).out)
    assert (empty["rows"], empty["total"]["requests"]) == ([], 0)


def test_a_day_is_one_of_the_zone_that_budgets_count_in(home: Path, configure: Callable[..., Path]) -> None:
    configure(budgets={"zone": "Pacific/Auckland"})
    booked(home, ENTRY._replace(time=at("2026-03-01"), cost_nanos=1))
    assert lines(home)[0].startswith("2026-03-02\t")


def test_an_answer_is_counted(home: Path, lab: Callable[..., Provider]) -> None:
    lab(Say("Hello", usage=(1000, 100)))
    assert run(home, "chat", "hi").code == 0
    (row,) = json.loads(run(home, "usage", "--by", "provider", "--json").out)["rows"]
    assert [row[name] for name in ("provider", "requests", "input_tokens", "output_tokens", "cost_nanos")] == [
        *("lab", 1, 1000, 100, 0),
    ]
    assert run(home, "usage", "verify").code == 0


@pytest.mark.parametrize(("nanos", "code"), [(3_000_000, 0), (3_000_001, 1)])
def test_verify_works_costs_out_anew(nanos: int, code: int, home: Path) -> None:
    dated = ENTRY._replace(time=at(LONG_AGO), price_snapshot=Catalogue.open().snapshot)
    booked(home, dated._replace(provider="openai", model="gpt-4o", cost_nanos=nanos))  # $2.50 in, $10 out a million
    result = run(home, "usage", "verify")
    assert result.code == code
    assert "rows\t1\nworked out anew\t1\n" in result.out
    assert ("$0.003000001 written, $0.003 worked out" in result.out) == bool(code)


def test_verify_tells_what_is_wrong_and_fails(home: Path) -> None:
    file = booked(home, ENTRY._replace(time=at(LONG_AGO), cost_nanos=5, paid_by="local"))
    result = run(home, "usage", "verify")
    assert result.code == 1
    assert "ml-0 attempt 1: $0.000000005 written, $0 worked out" in result.out
    assert result.err.startswith("error: the ledger is not sound: 1 cost")
    assert str(file.parent) in result.err
    told = json.loads(run(home, "usage", "verify", "--json").out)
    assert told == {
        "sound": False,
        "rows": 1,
        "recomputed": 1,
        "differences": [{"request_id": "ml-0", "attempt": 1, "written_nanos": 5, "computed_nanos": 0}],
        "problems": [],
    }


def test_verify_says_which_prices_are_not_at_hand(home: Path) -> None:
    booked(home, ENTRY._replace(time=at(LONG_AGO), cost_nanos=5, price_snapshot="2001-01-01"))
    result = run(home, "usage", "verify")
    assert result.code == 0
    assert "worked out anew\t0\nprice not at hand\t1\n" in result.out


def test_what_nobody_told_the_end_of_is_listed(home: Path) -> None:
    assert run(home, "usage", "--unsettled").err.startswith("nothing is unsettled")
    lost: Entry = ENTRY._replace(time=at(LONG_AGO), status="unknown", cost_nanos=DOLLAR)
    booked(home, lost, ENTRY._replace(time=at(LONG_AGO), cost_nanos=1))
    result = run(home, "usage", "--unsettled", environ=UTC)
    assert result.out == "2026-03-01 12:00\tgroq/llama\t$1.00\testimated\tml-0\n"
    (one,) = json.loads(run(home, "usage", "--unsettled", "--json").out)
    assert (one["request_id"], one["nanos"], one["open"]) == ("ml-0", DOLLAR, False)


def test_a_damaged_ledger_is_told_without_a_traceback(home: Path) -> None:
    (home / "data").mkdir()
    (home / "data" / "ledger.db").write_bytes(b"not a database" * 100)
    result = run(home, "usage")
    assert result.code == 1
    assert "damaged" in result.err
    assert "Traceback" not in result.err


def test_a_pipe_loads_nothing_that_only_a_screen_needs(home: Path) -> None:
    booked(home, *LEDGER)
    loaded = run(home, "usage", "--since", "all", environ={"PYTHONPROFILEIMPORTTIME": "1"}).err
    assert "mini_llm.cli.sums" in loaded
    assert " rich" not in loaded
