"""`mini-llm models`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.process import run
from tests.upstream import Provider, Say

Lab = Callable[..., Provider]
ENVIRON = {"OPENAI_API_KEY": "sk-none", "ANTHROPIC_API_KEY": "sk-ant-none"}


def test_only_what_can_be_called_now_is_listed(home: Path) -> None:
    result = run(home, "models", environ={"OPENAI_API_KEY": "sk-none"})
    assert result.code == 0
    names = [line.split("\t")[0] for line in result.out.splitlines()]
    assert len(names) > 10
    assert {name.partition("/")[0] for name in names} == {"openai"}
    assert run(home, "models").err.startswith("no models: no provider is set up")


def test_a_query_a_provider_and_all(home: Path) -> None:
    found = run(home, "models", "--query", "OPUS 4", environ=ENVIRON).out.splitlines()
    assert found
    assert all("opus" in line and line.startswith("anthropic/") for line in found)
    one = run(home, "models", "--provider", "anthropic", environ=ENVIRON).out.splitlines()
    assert {line.partition("/")[0] for line in one} == {"anthropic"}
    everything = run(home, "models", "--all").out.splitlines()
    assert len({line.partition("/")[0] for line in everything}) > 5
    assert run(home, "models", "--query", "no-such-thing", environ=ENVIRON).err.startswith("no model matches")
    assert run(home, "models", "--provider", "nowhere").code == 7


def test_a_local_server_is_asked_for_its_models(home: Path, lab: Lab) -> None:
    provider = lab(Say("x"))
    assert run(home, "models", "--provider", "lab").code == 0
    (home / "providers").mkdir()
    (home / "providers" / "box.toml").write_text(f'base_url = "{provider.url}"\nauth = "none"\nlocal = true\n')
    assert run(home, "models", "--provider", "box").out.startswith("box/llama-70b\t")


def test_sorted_by_price_the_unknown_are_last(home: Path) -> None:
    found = json.loads(run(home, "models", "--sort", "price", "--json", environ=ENVIRON).out)
    prices = [
        row["input_nanos_per_million"] + row["output_nanos_per_million"]
        for row in found
        if None not in (row["input_nanos_per_million"], row["output_nanos_per_million"])
    ]
    assert prices == sorted(prices)
    assert prices[0] < prices[-1]
    windows = [
        row["context_window"] or 0
        for row in json.loads(run(home, "models", "--sort", "context", "--json", environ=ENVIRON).out)
    ]
    assert windows == sorted(windows, reverse=True)
    assert run(home, "models", "--sort", "luck", environ=ENVIRON).code == 2


def test_an_update_shows_what_changed(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "data.json"
    for dollars in (1, 3):
        prices = {"input_mtok": dollars, "output_mtok": 5}
        models = [{"id": f"m-{n}", "match": {"equals": f"m-{n}"}, "prices": prices} for n in range(2000)]
        file.write_text(json.dumps([{"id": "openai", "name": "OpenAI", "models": models}]))
        result = run(home, "models", "update", "--from", str(file))
        assert result.code == 0
    assert len(result.out.splitlines()) == 2000
    assert result.out.startswith("openai/m-0\t$1.00 / $5.00\t$3.00 / $5.00\n")
    assert result.err.endswith("; 2000 models changed\n")
    again = run(home, "models", "update", "--from", str(file), "--json")
    assert json.loads(again.out) == []
    listed = run(home, "models", "--query", "m-7", environ={"OPENAI_API_KEY": "sk-none"}).out
    assert listed.startswith("openai/m-7\t\t$3.00\t$5.00\t")


def test_data_that_makes_no_sense_changes_nothing(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "data.json"
    file.write_text("[]")
    result = run(home, "models", "update", "--from", str(file))
    assert result.code == 5
    assert result.err.startswith("error: ")
    assert run(home, "models", "update", "--from", str(tmp_path / "none.json")).code == 2
    with Provider() as web:
        assert run(home, "models", "update", "--from", f"{web.url}/data.json").code == 5


@pytest.mark.parametrize("args", [[], ["--all"]])
def test_names_are_kept_for_the_shell_only_from_a_whole_list(args: list[str], home: Path) -> None:
    run(home, "models", *args, environ={"OPENAI_API_KEY": "sk-none"})
    kept = home / "cache" / "names" / "models"
    assert kept.exists() == (not args)
    if not args:
        assert "openai/gpt-5.5" in kept.read_text().splitlines()
