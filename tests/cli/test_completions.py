"""The completions: fresh, harmless, and right in the shells that are here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from mini_llm.cli import COMMANDS, shells
from tests.cli.process import run, world

ROOT = Path(__file__).parents[2]
EVIL = "$(touch pwned)"


@pytest.fixture
def names(home: Path) -> Path:
    """Return a home whose cache holds names, one of them hostile."""
    folder = home / "cache" / "names"
    folder.mkdir(parents=True)
    (folder / "models").write_text(f"openai/gpt-5.5\nollama/llama3:8b\nollama/llama3:70b\n{EVIL}\n")
    (folder / "aliases").write_text("fast\n")
    (folder / "providers").write_text("groq\nopenai\n")
    return home


@pytest.mark.parametrize(("shell", "name"), shells.FILES.items())
def test_the_files_in_the_repository_are_fresh(shell: str, name: str, home: Path) -> None:
    result = run(home, "completions", shell)
    kept = (ROOT / "completions" / name).read_text(encoding="utf-8")
    assert result.out == kept, "run `python scripts/completions.py`"


def test_the_shell_is_guessed_and_an_unknown_one_is_a_misuse(home: Path) -> None:
    assert run(home, "completions", environ={"SHELL": "/usr/bin/fish"}).out == shells.script("fish")
    assert run(home, "completions", "powershell").out == shells.script("pwsh")
    result = run(home, "completions", "tcsh")
    assert result.err == "error: there are no completions for tcsh\nhint: name one: bash, zsh, fish, pwsh\n"
    assert result.code == 2


@pytest.mark.parametrize("shell", shells.FILES)
def test_installed_where_the_shell_looks(shell: str, home: Path) -> None:
    result = run(home, "completions", shell, "--install")
    assert (result.code, result.out) == (0, "")
    place = Path(result.err.removeprefix("installed ").partition(";")[0])
    assert place.is_relative_to(home)
    assert place.read_text(encoding="utf-8") == shells.script(shell)
    assert (home / "cache" / "names" / "providers").exists()


def test_every_command_and_option_is_in_every_script() -> None:
    for shell in shells.FILES:
        script = shells.script(shell)
        for page in shells.table():
            assert all(name in script for name, _ in page.below)
            assert all(option.names[-1].lstrip("-") in script for option in page.options)


def _in_bash(home: Path, line: str) -> list[str]:
    script = """
source "$1"
COMP_LINE=$2 COMP_POINT=${#2}
_mini_llm
printf "%s\\n" "${COMPREPLY[@]}"
"""
    command = ["bash", "--norc", "-c", script, "bash", str(ROOT / "completions" / "mini-llm.bash"), line]
    done = subprocess.run(command, capture_output=True, env=world(home), cwd=home, check=True, text=True)
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash here")
def test_bash_completes_commands_options_and_names(names: Path) -> None:
    (names / "notes.md").touch()
    assert _in_bash(names, "mini-llm ") == list(COMMANDS)
    assert _in_bash(names, "mini-llm ch") == ["chat"]
    assert _in_bash(names, "mini-llm providers re") == ["remove"]
    assert _in_bash(names, "mini-llm chat hi -m ") == [
        "openai/gpt-5.5",
        "ollama/llama3:8b",
        "ollama/llama3:70b",
        EVIL,
        "fast",
    ]
    assert _in_bash(names, "mini-llm chat -m ollama/llama3:") == ["8b", "70b"]
    assert _in_bash(names, "mini-llm chat --model=open") == ["openai/gpt-5.5"]
    assert _in_bash(names, "mini-llm providers remove g") == ["groq"]
    assert _in_bash(names, "mini-llm chat --no-s") == ["--no-stream", "--no-stdin"]
    assert _in_bash(names, "mini-llm chat -a no") == ["notes.md"]
    assert _in_bash(names, "mini-llm alias set x y --strategy b") == ["balanced"]
    assert _in_bash(names, "mini-llm chat ") == []
    assert not (names / "pwned").exists()


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash here")
def test_bash_needs_no_cache_and_no_python(home: Path) -> None:
    assert _in_bash(home, "mini-llm chat -m ") == []
    begun = time.process_time(), os.times().children_user
    _in_bash(home, "mini-llm ")
    assert os.times().children_user - begun[1] < 0.1


@pytest.mark.skipif(not shutil.which("fish"), reason="there is no fish here")
def test_fish_completes_commands_and_names(names: Path) -> None:
    for line, wanted in (("mini-llm ch", "chat"), ("mini-llm chat -m open", "openai/gpt-5.5")):
        script = f"source {ROOT}/completions/mini-llm.fish; complete -C '{line}'"
        done = subprocess.run(
            ["fish", "--no-config", "-c", script],
            capture_output=True,
            env=world(names),
            cwd=names,
            check=True,
            text=True,
        )
        assert done.stdout.startswith(wanted)


@pytest.mark.skipif(not shutil.which("zsh"), reason="there is no zsh here")
def test_zsh_can_read_its_script() -> None:
    assert subprocess.run(["zsh", "-n", str(ROOT / "completions" / "_mini-llm")], check=False).returncode == 0


def test_names_a_shell_would_expand_are_not_kept(home: Path) -> None:
    aliases = {"fine-1.0": "a/b", EVIL.replace(" ", ""): "a/b", "`id`": "a/b"}
    (home / "config.json").write_text(json.dumps({"aliases": aliases}))
    run(home, "completions", "bash", "--install")
    assert (home / "cache" / "names" / "aliases").read_text() == "fine-1.0\n"
