"""Coding agents as people install them, set up by one command each, or started by `run`, finish a turn with a tool.

    python tests/live/install.py && MINI_LLM_LIVE=1 python -m pytest tests/live/test_setup.py

Each has a home of its own; the provider before them calls the agent's own shell tool.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.cli.process import MINI_LLM
from tests.conversing import Conversing
from tests.gateway.running import wait_for
from tests.live.install import CLAUDE, CODEX, GEMINI, OPENCODE, Client
from tests.live.test_clients import SHELL, prompt

pytestmark = [
    pytest.mark.skipif(not os.environ.get("MINI_LLM_LIVE"), reason="asked for with MINI_LLM_LIVE=1"),
    pytest.mark.timeout(300),
]
Run = Callable[..., subprocess.CompletedProcess[str]]

# How each agent is asked, without a person; what it needs besides in its environment.
ASKED: Mapping[str, tuple[Client, tuple[str, ...], str, Mapping[str, str]]] = {
    "claude": (
        CLAUDE,
        ("-p", prompt("Bash", command=SHELL, description="write"), "--allowedTools", "Bash", "--output-format", "json"),
        "",
        {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "ANTHROPIC_API_KEY": "sk-ant-of-the-shell"},
    ),
    "codex": (
        CODEX,
        ("exec", "--skip-git-repo-check", "--json", "-s", "danger-full-access", prompt("exec_command", cmd=SHELL)),
        "",
        {},
    ),
    "opencode": (
        OPENCODE,
        ("run",),
        prompt("bash", command=SHELL, description="write"),
        {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"},
    ),
    "gemini": (
        GEMINI,
        ("--approval-mode", "yolo", "-o", "json", "-p", prompt("run_shell_command", command=SHELL)),
        "",
        {"GEMINI_CLI_TRUST_WORKSPACE": "true"},
    ),
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Run]:
    """Yield what runs a command in a home of its own; the gateway is started by who needs it."""
    home, mini = tmp_path / "home", tmp_path / "mini"
    (home / "work").mkdir(parents=True)
    mini.mkdir(mode=0o700)
    programs = ":".join(str(client.path.parent) for client, *_ in ASKED.values())
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
    path = f"{programs}:{Path(shutil.which('node') or '/usr/bin/node').parent}:/usr/bin:/bin"
    environ = {**kept, "PATH": path, "HOME": str(home), "MINI_LLM_HOME": str(mini)}

    def run(*command: str, stdin: str = "", more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=home / "work",
            env={**environ, **(more or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    with Conversing() as provider:
        lab = {"baseUrl": provider.url, "models": ["m"], "dialect": "openai"}
        settings = {"providers": {"lab": lab}, "default": "lab/m", "gateway": {"port": 0}}
        (mini / "config.json").write_text(json.dumps(settings))
        (mini / "config.json").chmod(0o600)
        yield run
        run(*MINI_LLM, "stop", "--now")


def play(run: Run, tool: str, *command: str) -> None:
    """Let an agent play its turn, and hold it to its result."""
    _, words, stdin, more = ASKED[tool]
    done = run(*command, *words, stdin=stdin, more=more)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    assert "pineapple" in done.stdout.partition("The tool said:")[2], said[-3000:]
    rows = wait_for(
        lambda: json.loads(run(*MINI_LLM, "usage", "--by", "tool", "--json").stdout)["rows"] or None, "rows"
    )
    assert [row["tool"] for row in rows] == [tool]


def skipped(tool: str) -> None:
    client = ASKED[tool][0]
    if not client.ready:
        pytest.skip(f"{client.package} is not here: run `python tests/live/install.py`")


@pytest.mark.parametrize("command", [("claude",), ("codex", "--profile", "mini-llm"), ("opencode",)], ids=" ".join)
def test_one_command_sets_an_agent_up(command: tuple[str, ...], world: Run, tmp_path: Path) -> None:
    tool = command[0]
    skipped(tool)
    done = world(*MINI_LLM, "setup", tool, "--yes")
    assert done.returncode == 0 and "tried: lab/m answered" in done.stderr, done.stderr
    play(world, tool, *command)
    assert (tmp_path / "home" / "work" / "made.txt").read_text() == "pineapple\n"
    undone = world(*MINI_LLM, "setup", tool, "--undo", "--yes")
    assert undone.returncode == 0, undone.stderr


@pytest.mark.parametrize("tool", ASKED)
def test_run_starts_an_agent(tool: str, world: Run, tmp_path: Path) -> None:
    skipped(tool)
    if tool == "gemini":
        assert world(*MINI_LLM, "setup", "gemini", "--yes").returncode == 0
    play(world, tool, *MINI_LLM, "run", "-m", "lab/m", tool)
    assert (tmp_path / "home" / "work" / "made.txt").read_text() == "pineapple\n"
