"""`mini-llm alias`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.process import run


def test_one_target_or_a_chain_with_a_strategy(home: Path) -> None:
    assert run(home, "alias", "fast", "groq/x").err == "fast is now groq/x\n"
    assert run(home, "alias", "set", "smart", "a/b", "c/d", "--strategy", "cost").code == 0
    assert json.loads((home / "config.json").read_text())["aliases"] == {
        "fast": "groq/x",
        "smart": {"targets": ["a/b", "c/d"], "strategy": "cost"},
    }
    assert run(home, "alias").out == "fast\tgroq/x\t\nsmart\ta/b → c/d\tcost\n"
    assert json.loads(run(home, "alias", "list", "--json").out)["smart"] == {
        "targets": ["a/b", "c/d"],
        "strategy": "cost",
    }


def test_show_and_remove(home: Path) -> None:
    run(home, "alias", "gpt-4.1", "a/b", "c/d")
    assert run(home, "alias", "show", "gpt-4.1").out == "a/b\nc/d\n"
    assert run(home, "alias", "gpt-4.1").out == "a/b\nc/d\n"
    assert json.loads(run(home, "alias", "show", "gpt-4.1", "--json").out)["targets"] == ["a/b", "c/d"]
    assert run(home, "alias", "remove", "gpt-4.1").err == "removed gpt-4.1\n"
    assert run(home, "alias", "list").out == ""


def test_the_shell_completes_a_new_alias(home: Path) -> None:
    for name in ("smart", "fast"):
        run(home, "alias", name, "groq/x")
    assert (home / "cache" / "names" / "aliases").read_text() == "fast\nsmart\n"
    run(home, "alias", "remove", "fast")
    assert (home / "cache" / "names" / "aliases").read_text() == "smart\n"


def test_an_unknown_alias_is_exit_7_with_the_nearest(home: Path) -> None:
    run(home, "alias", "fast", "groq/x")
    for command in ("show", "remove"):
        result = run(home, "alias", command, "fats")
        assert result == (7, "", "error: no alias called fats\nhint: did you mean fast?\n")


def test_what_makes_no_sense_changes_nothing(home: Path) -> None:
    for args in (["set", "fast"], ["fast", "a/b", "--strategy", "luck"], ["a b", "x/y"], ["fast", "fa st/x"]):
        result = run(home, "alias", *args)
        assert result.code == 2, args
        assert result.err.startswith("error: ")
    assert not (home / "config.json").exists()
    assert run(home, "alias", "a", "b").code == run(home, "alias", "b", "c").code == 0
    assert run(home, "alias", "c", "a").code == 2
