"""config: budgets for everything, for tools and for keys; a stranger's file may only make them stricter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.config import Config, Loaded, Paths, load, project
from mini_llm.config.build import nanos
from mini_llm.config.settings import Budget
from mini_llm.errors import ConfigError


def read(folder: Path, user: Any, stranger: Any = None, **environ: str) -> Loaded:
    home, cwd = folder / "home", folder / "work"
    home.mkdir(exist_ok=True)
    cwd.mkdir(exist_ok=True)
    (home / "config.json").write_text(json.dumps(user))
    if stranger is not None:
        (cwd / project.NAME).write_text(json.dumps(stranger))
    return load(Paths.find({"MINI_LLM_HOME": str(home)}), environ=environ, cwd=cwd)


def config(folder: Path, user: Any, stranger: Any = None, **environ: str) -> Config:
    return read(folder, {"budgets": user}, None if stranger is None else {"budgets": stranger}, **environ).config


def test_budgets_stand_for_everything_for_tools_and_for_keys(tmp_path: Path) -> None:
    told = config(
        tmp_path,
        {
            "daily": "5",
            "total": 99.5,
            "enforce": "warning",
            "zone": "Asia/Kathmandu",
            "tools": {"codex": {"weekly": "2"}, "claude": {"daily": "1", "enforce": "hard"}},
            "keys": {"ann": {"monthly": "7"}},
        },
    )
    assert told.limits == (
        Budget("all", "daily", "5", False),
        Budget("all", "total", "99.5", False),
        Budget("tool:codex", "weekly", "2", False),
        Budget("tool:claude", "daily", "1", True),
        Budget("key:ann", "monthly", "7", False),
    )
    assert told.budgets == {"daily": "5", "total": "99.5"}
    assert told.budget_zone == "Asia/Kathmandu"


def test_budgets_are_hard_and_rows_outlive_a_crash_unless_said(tmp_path: Path) -> None:
    assert config(tmp_path, {"daily": "5"}).limits == (Budget("all", "daily", "5", True),)
    assert config(tmp_path, {}).limits == ()
    assert config(tmp_path, {}).durability == "process"
    assert read(tmp_path, {"ledger": {"durability": "power"}}).config.durability == "power"
    assert config(tmp_path, {}, MINI_LLM_BUDGETS_DAILY="3").limits == (Budget("all", "daily", "3", True),)


@pytest.mark.parametrize(
    "wrong",
    [
        {"zone": "Europe/Atlantis"},
        {"zone": "../../etc/passwd"},
        {"zone": 3},
        {"enforce": "soft"},
        {"tools": {"codex": {"daily": "much"}}},
        {"keys": []},
    ],
    ids=str,
)
def test_what_is_no_budget_is_told(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(ConfigError, match="budgets"):
        config(tmp_path, wrong)


@pytest.mark.parametrize(
    ("mine", "theirs", "then"),
    [
        ({"daily": "5"}, {"daily": "50"}, {"daily": "5"}),
        ({"daily": "5"}, {"daily": 5.000000001}, {"daily": "5"}),
        ({"daily": "5"}, {"daily": "2"}, {"daily": "2"}),
        ({"daily": "5"}, {"daily": 0}, {"daily": "0"}),
        ({"daily": "5"}, {"monthly": "20"}, {"daily": "5", "monthly": "20"}),
        ({}, {"daily": "20"}, {"daily": "20"}),
        ({"daily": "0"}, {"daily": "0.000000001"}, {"daily": "0"}),
    ],
)
def test_a_strangers_file_may_only_lower_a_budget(tmp_path: Path, mine: Any, theirs: Any, then: Any) -> None:
    assert config(tmp_path, mine, theirs).budgets == then


def test_what_it_may_not_is_told_and_done_once_it_is_trusted(tmp_path: Path) -> None:
    mine = {"budgets": {"daily": "5", "tools": {"codex": {"daily": "1"}}}}
    theirs = {"budgets": {"daily": "6", "enforce": "warning", "zone": "UTC", "tools": {"codex": {"daily": "2"}}}}
    loaded = read(tmp_path, mine, theirs)
    assert loaded.config.limits == (Budget("all", "daily", "5", True), Budget("tool:codex", "daily", "1", True))
    assert loaded.config.budget_zone == ""
    (notice,) = loaded.notices
    assert "ignored budgets.daily, budgets.enforce, budgets.tools.codex.daily, budgets.zone" in notice
    project.trust(tmp_path / "work" / project.NAME, loaded.paths)
    assert read(tmp_path, mine, theirs).config.limits == (
        Budget("all", "daily", "6", False),
        Budget("tool:codex", "daily", "2", False),
    )


def test_it_may_make_a_warning_hard(tmp_path: Path) -> None:
    assert config(tmp_path, {"daily": "5", "enforce": "warning"}, {"enforce": "hard"}).limits[0].hard


AMOUNTS = st.integers(0, 50) | st.floats(0, 50) | st.sampled_from(["0", "7.5", "20", "50.000000001"])
BUDGETS = st.dictionaries(st.sampled_from(["daily", "total"]), AMOUNTS) | st.fixed_dictionaries(
    {}, optional={"enforce": st.sampled_from(["hard", "warning"]), "daily": AMOUNTS}
)
ALL = st.builds(
    lambda own, tools, keys: {**own, "tools": tools, "keys": keys},
    BUDGETS,
    st.dictionaries(st.sampled_from(["codex", "tools", "a.b"]), BUDGETS),
    st.dictionaries(st.sampled_from(["ann", "daily"]), BUDGETS),
)


@given(ALL, ALL)
def test_no_untrusted_file_loosens_a_limit(
    tmp_path_factory: pytest.TempPathFactory, mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("loosen")
    alone = config(folder, mine).limits
    merged = {(limit.scope, limit.period): limit for limit in config(folder, mine, theirs).limits}
    for limit in alone:
        now = merged[limit.scope, limit.period]
        assert nanos(now.dollars) <= nanos(limit.dollars)
        assert now.hard >= limit.hard


def test_names_in_a_strangers_budgets_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    mine = {"tools": {"\x1b]0;x\x07": {"daily": "1"}, "codex": {"daily": "1"}}}
    loaded = read(tmp_path, {"budgets": mine}, {"budgets": {"tools": {"\x1b]0;x\x07": {"daily": "2"}}}})
    assert all(notice.isprintable() for notice in loaded.notices)
    assert loaded.config.limits[0].dollars == "1"
