"""`mini-llm config`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.process import run


def test_path_tells_where_the_file_is_without_making_it(home: Path) -> None:
    assert run(home, "config", "path").out == f"{home / 'config.json'}\n"
    assert list(home.iterdir()) == []


def test_show_tells_each_value_and_its_source_and_no_secret(home: Path, configure: Callable[..., Path]) -> None:
    path = configure('{\n  "default": "groq/x",\n  "providers": {"groq": {"apiKey": "gsk_canary0123456789"}}\n}')
    result = run(home, "config", "show", environ={"MINI_LLM_GATEWAY_PORT": "7000"})
    rows = dict(line.split("\t", 1) for line in result.out.splitlines())
    assert rows["default"] == f"groq/x\t{path}:2"
    assert rows["routing.strategy"] == "priority\tbuilt-in"
    assert "canary" not in result.out + result.err
    told = json.loads(run(home, "config", "show", "--json").out)
    assert told["default"] == {"value": "groq/x", "source": f"{path}:2"}
    assert "canary" not in json.dumps(told)


def test_set_and_get_keep_comments(home: Path, configure: Callable[..., Path]) -> None:
    path = configure('{\n  // mine\n  "default": "groq/x",\n}')
    assert run(home, "config", "set", "default", "groq/y").err == f"set default in {path}\n"
    assert path.read_text() == '{\n  // mine\n  "default": "groq/y",\n}'
    assert run(home, "config", "get", "default").out == "groq/y\n"
    assert run(home, "config", "get", "default", "--json").out == '"groq/y"\n'


def test_values_have_the_type_of_their_setting(home: Path) -> None:
    for key, value in (("routing.maxAttempts", "2"), ("budgets.daily", "5"), ("history", "true")):
        assert run(home, "config", "set", key, value).code == 0
    assert run(home, "config", "set", "aliases.fast", '["a/b", "c/d"]').code == 0
    assert run(home, "config", "set", "default", "-", stdin=b"groq/x\n").code == 0
    told = json.loads((home / "config.json").read_text())
    assert told["routing"] == {"maxAttempts": 2}
    assert told["history"] is True
    assert told["aliases"] == {"fast": ["a/b", "c/d"]}
    assert told["default"] == "groq/x"
    assert run(home, "config", "get", "history").out == "true\n"


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["set", "routing.maxAttempts", "many"], 2),
        (["set", "nothing.like.this", "1"], 2),
        (["set", "default"], 2),
        (["get", "nothing"], 2),
        (["get", "wallet.apiKey"], 1),
        (["get", 'aliases."open'], 2),
    ],
)
def test_what_makes_no_sense_changes_nothing(args: list[str], code: int, home: Path) -> None:
    result = run(home, "config", *args)
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith("error: ")
    assert not (home / "config.json").exists()


def test_check_tells_all_problems_or_that_there_are_none(home: Path, configure: Callable[..., Path]) -> None:
    assert run(home, "config", "check").code == 0
    path = configure('{\n  "default": 3,\n  "routing": {"strategy": "fastest"}\n}')
    result = run(home, "config", "check")
    assert result.code == 2
    assert result.err.startswith(f"error: 2 problems in the config\n  {path}:2:")


def test_the_schema_is_json(home: Path) -> None:
    assert json.loads(run(home, "config", "schema").out)["type"] == "object"


def test_a_project_file_counts_in_full_once_it_is_trusted(home: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    file = project / "mini-llm.config.json"
    file.write_text('{"providers": {"lab": {"baseUrl": "http://127.0.0.1:9/v1"}}}')
    before = run(home, "config", "show", cwd=project)
    assert "providers.lab" not in before.out
    assert "trust" in before.err
    assert run(home, "config", "trust", cwd=project).code == 0
    assert "providers.lab.baseUrl" in run(home, "config", "show", cwd=project).out
    assert run(home, "config", "trust", str(file)).code == 0
    assert run(home, "config", "trust", str(project / "none.json")).code == 2
    assert run(home, "config", "trust").err.startswith("error: no mini-llm.config.json here")
