"""`mini-llm status`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.cli.process import run
from tests.upstream import Provider, Say


def test_all_is_well(home: Path, lab: Callable[..., Provider]) -> None:
    lab(Say("Hello"), default="lab/m", budgets={"daily": "5.00"})
    result = run(home, "status")
    assert (result.code, result.err) == (0, "")
    rows = dict(line.split("\t", 1) for line in result.out.splitlines())
    assert rows["wallet"].startswith("no wallet")
    assert rows["default"] == "lab/m"
    assert rows["budgets"] == "daily: $0 of $5.00, $5.00 left"
    assert rows["config"] == str(home / "config.json")
    told = json.loads(run(home, "status", "--json").out)
    assert (told["wallet"], told["problems"], told["default"]["targets"]) == (None, [], ["lab/m"])


def test_nothing_set_up_is_a_problem_with_its_way_out(home: Path) -> None:
    result = run(home, "status")
    assert result.code == 1
    told, hint = result.err.splitlines()[:2]
    assert told == "error: nothing is set up that could answer"
    assert hint.startswith("hint: mini-llm login, or bring a key of your own: export OPENAI")
    machine = run(home, "status", "--json")
    assert machine.code == 1
    assert json.loads(machine.out)["problems"][0]["mend"]


def test_each_problem_has_the_command_that_mends_it(home: Path, lab: Callable[..., Provider]) -> None:
    lab(providers={"groq": {"apiKey": "keyring:groq"}, "xai": {"apiKey": "${NOT_SET}"}}, default="grokk/x")
    result = run(home, "status")
    assert result.code == 1
    problems = json.loads(run(home, "status", "--json").out)["problems"]
    assert len(problems) == 3
    assert "mini-llm providers add groq --key" in result.err
    assert "NOT_SET" in result.err
    assert "grokk" in result.err


def test_a_ledger_that_cannot_be_read_is_a_problem(home: Path, lab: Callable[..., Provider]) -> None:
    lab()
    (home / "data").mkdir()
    (home / "data" / "ledger.db").write_bytes(b"not a database" * 100)
    result = run(home, "status")
    assert result.code == 1
    assert "ledger" in result.err
    assert "Traceback" not in result.err
