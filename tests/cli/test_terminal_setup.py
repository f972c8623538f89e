"""Consent to a change of a tool's settings, on a real terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.process import Terminal
from tests.cli.test_setup import BEFORE, settings
from tests.cli.tools import tool
from tests.upstream import Provider, Say


@pytest.fixture
def file(home: Path, lab: Callable[..., Provider]) -> Path:
    """Return Claude Code's settings in a home with a provider."""
    lab(Say("Hello"), gateway={"port": 16464}, default="lab/m")
    return settings(home)


def asked(home: Path, *args: str) -> Terminal:
    """Run `setup claude` until it asks."""
    terminal = Terminal(home, "setup", "claude", "--no-check", *args, environ=tool(home, "claude"))
    terminal.until("Write this? [y/N]: ", timeout=60)
    return terminal


def test_the_change_is_seen_and_made_once_it_is_agreed_to(home: Path, file: Path) -> None:
    terminal = asked(home)
    assert '+    "ANTHROPIC_BASE_URL": "http://127.0.0.1:16464",' in terminal.plain
    assert file.read_text() == BEFORE
    terminal.press("y\n")
    assert terminal.end(60) == 0
    assert f"wrote {file}" in terminal.plain.replace("\n", "")
    assert "16464" in file.read_text()
    terminal = asked(home, "--undo")
    assert '-    "ANTHROPIC_BASE_URL": "http://127.0.0.1:16464",' in terminal.plain
    terminal.press("y\n")
    assert terminal.end(60) == 0
    assert file.read_text() == BEFORE


@pytest.mark.parametrize(("keys", "code"), [("n\n", 1), ("\n", 1), ("\x03", 130)])
def test_nothing_is_written_without_a_yes(keys: str, code: int, home: Path, file: Path) -> None:
    terminal = asked(home)
    terminal.insist(keys)
    assert terminal.end(60) == code
    assert file.read_text() == BEFORE
    assert not (home / "setup").exists() or not list((home / "setup").glob("*.json"))
