"""`mini-llm auth token`, as people and as coding agents call it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.process import run


def test_the_token_is_made_once_for_its_owner_alone(home: Path) -> None:
    first = run(home, "auth", "token")
    assert first.code == 0 and first.err == ""
    assert len(first.out.strip()) > 40
    assert run(home, "auth", "token") == first
    assert (home / "gateway.token").stat().st_mode & 0o077 == 0


def test_each_tool_has_a_token_of_its_own(home: Path) -> None:
    main = run(home, "auth", "token").out
    tool = run(home, "auth", "token", "--for", "claude").out
    assert tool not in ("", main)
    assert run(home, "auth", "token", "--for", "claude").out == tool
    assert run(home, "auth", "token", "--for", "codex").out not in (tool, main)


def test_what_is_wrong_is_told_with_what_to_do(home: Path) -> None:
    bad = run(home, "auth", "token", "--for", "../config")
    assert (bad.code, bad.out) == (2, "")
    assert "can't name a tool" in bad.err and "hint: " in bad.err
    run(home, "auth", "token")
    (home / "gateway.token").chmod(0o644)
    seen = run(home, "auth", "token")
    assert seen.code == 2 and seen.out == "" and "other users can read the token" in seen.err


def test_another_home_has_another_token(home: Path, tmp_path: Path) -> None:
    first = run(home, "auth", "token").out
    other = run(home, "auth", "token", environ={"MINI_LLM_HOME": str(tmp_path / "other")}).out
    assert other not in ("", first)
