"""The completions: fresh, harmless, and right in the shells that are here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mini_llm.cli import COMMANDS, shell_files, shells
from tests.cli.process import inside, run, world

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
def test_installed_twice_is_as_installed_once_and_can_be_undone(shell: str, home: Path) -> None:
    place = shell_files.place_of(shell, world(home))
    assert place.script.is_relative_to(home)
    if place.startup is not None:
        place.startup.parent.mkdir(parents=True, exist_ok=True)
        place.startup.write_text("export MINE=1")  # with no line break at its end
        place.startup.chmod(0o600)
    said = inside(home, "completions", shell, "--install")
    assert (said.code, said.out) == (0, "")
    assert f"wrote {place.script}" in said.err
    assert f"undo: mini-llm completions {shell} --uninstall" in said.err
    once = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert once[place.script].decode() == shells.script(shell)
    assert "of this version already" in inside(home, "completions", shell, "--install").err
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == once
    inside(home, "completions", shell, "--uninstall")
    assert not place.script.exists()
    if place.startup is not None:
        assert place.startup.read_text() == "export MINE=1\n"
        assert place.startup.stat().st_mode & 0o777 == 0o600
    assert "nothing of ours" in inside(home, "completions", shell, "--uninstall").err


def test_a_block_stays_where_it_was_put_and_goes_without_what_stands_around_it(tmp_path: Path) -> None:
    place = shell_files.Place(tmp_path / "script", tmp_path / "links" / "rc", ("line",))
    real = tmp_path / "real"
    real.write_text("before\n")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "rc").symlink_to(real)
    shell_files.install(place, "x")
    real.write_text(real.read_text() + "after\n")
    assert shell_files.install(place, "x") == []
    assert shell_files.install(place._replace(lines=("another",)), "x") == [place.startup]
    shell_files.uninstall(place)
    assert (tmp_path / "links" / "rc").is_symlink()
    assert real.read_text() == "before\nafter\n"


def test_names_are_known_as_soon_as_something_is_installed_or_added(home: Path) -> None:
    inside(home, "completions", "bash", "--install", environ={"OPENAI_API_KEY": "sk-0123456789abcdef"})
    kept = (home / "cache" / "names" / "models").read_text().split()
    assert any(name.startswith("openai/gpt") for name in kept)
    inside(home, "providers", "add", "lab", "--url", "http://127.0.0.1:9/v1", "--model", "own")
    assert "lab/own" in (home / "cache" / "names" / "models").read_text().split()
    assert "lab" in (home / "cache" / "names" / "providers").read_text().split()
    inside(home, "providers", "remove", "lab")
    assert "lab" not in (home / "cache" / "names" / "providers").read_text().split()


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
def test_bash_needs_no_cache(home: Path) -> None:
    assert _in_bash(home, "mini-llm chat -m ") == []


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash here")
def test_bash_starts_no_process_at_all_to_complete(names: Path) -> None:
    """A PATH without programs lets none start, and every answer is there all the same."""
    script = f"""
source {ROOT}/completions/mini-llm.bash
PATH={names}/empty
for line in 'mini-llm ch' 'mini-llm chat -m open' 'mini-llm providers remove g' 'mini-llm chat --no-s'; do
    COMP_LINE=$line COMP_POINT=${{#line}}
    _mini_llm
    echo "${{COMPREPLY[*]}}"
done
"""
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run([bash, "--norc", "-c", script], capture_output=True, env=world(names), check=True, text=True)
    assert done.stderr == ""
    assert done.stdout.split("\n")[:4] == ["chat", "openai/gpt-5.5", "groq", "--no-stream --no-stdin"]


def test_no_script_calls_a_program_of_ours_or_python() -> None:
    for shell in shells.FILES:
        lines = [line for line in shells.script(shell).splitlines() if not line.lstrip().startswith("#")]
        text = "\n".join(lines)
        assert "python" not in text.lower().replace("langchain", "")
        assert not re.search(r"[(|;&]\s*(command )?mini-llm\b", text), shell


@pytest.mark.skipif(not shutil.which("fish"), reason="there is no fish here")
def test_fish_completes_commands_and_names(names: Path) -> None:
    for line, wanted in (("mini-llm ch", "chat"), ("mini-llm chat -m open", "openai/gpt-5.5")):
        script = f"source {ROOT}/completions/mini-llm.fish; set PATH {names}/empty; complete -C '{line}'"
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
