"""Coding agents as people install them finish a streamed turn with a tool, before a provider of another dialect.

    python tests/live/install.py && MINI_LLM_LIVE=1 python -m pytest tests/live

Each runs in a home of its own, against `mini-llm start`, whose provider calls the agent's own shell tool.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conversing import Conversing
from tests.gateway.running import Started, started
from tests.live.install import CLAUDE, CODEX, GEMINI, OPENCODE, Client

pytestmark = [
    pytest.mark.skipif(not os.environ.get("MINI_LLM_LIVE"), reason="asked for with MINI_LLM_LIVE=1"),
    pytest.mark.timeout(200),
]
SHELL = "echo pineapple > made.txt; cat made.txt"


class Trial(NamedTuple):
    """Where one agent runs: its home, the gateway before it, and the model it asks for."""

    home: Path
    url: str
    token: str
    model: str

    @property
    def work(self) -> Path:
        """Return the folder it works in."""
        return self.home / "work"


class Play(NamedTuple):
    """How one agent is run: its command, what it reads, and what is added to its environment."""

    command: list[str]
    environ: Mapping[str, str]
    stdin: str = ""


def prompt(tool: str, **arguments: str) -> str:
    """Return words that make the provider call *tool*."""
    return f"@tool {tool} {json.dumps(arguments)}"


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def claude(trial: Trial) -> Play:
    """Return how Claude Code is run."""
    asked = prompt("Bash", command=SHELL, description="write a file")
    environ = {
        "ANTHROPIC_BASE_URL": trial.url,
        "ANTHROPIC_AUTH_TOKEN": trial.token,
        "ANTHROPIC_MODEL": trial.model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    return Play([str(CLAUDE.path), "-p", asked, "--allowedTools", "Bash", "--output-format", "json"], environ)


def codex(trial: Trial) -> Play:
    """Return how Codex is run."""
    write(
        trial.home / ".codex" / "config.toml",
        f'model = "{trial.model}"\nmodel_provider = "gw"\napproval_policy = "never"\n'
        'sandbox_mode = "danger-full-access"\n[model_providers.gw]\nname = "gw"\n'
        f'base_url = "{trial.url}/v1"\nwire_api = "responses"\nenv_key = "GW_KEY"\n',
    )
    asked = prompt("exec_command", cmd=SHELL)
    environ = {"CODEX_HOME": str(trial.home / ".codex"), "GW_KEY": trial.token}
    return Play([str(CODEX.path), "exec", "--skip-git-repo-check", "--json", asked], environ)


def gemini(trial: Trial) -> Play:
    """Return how Gemini CLI is run."""
    settings = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": False}}
    write(trial.home / ".gemini" / "settings.json", json.dumps(settings))
    asked = prompt("run_shell_command", command=SHELL)
    environ = {
        "GEMINI_API_KEY": trial.token,
        "GOOGLE_GEMINI_BASE_URL": trial.url,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }
    return Play([str(GEMINI.path), "-m", trial.model, "--approval-mode", "yolo", "-o", "json", "-p", asked], environ)


def opencode(trial: Trial) -> Play:
    """Return how OpenCode is run."""
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{trial.url}/v1", "apiKey": trial.token},
        "models": {trial.model: {"name": trial.model}},
    }
    model = f"gw/{trial.model}"
    settings = {"autoupdate": False, "share": "disabled", "model": model, "small_model": model}
    write(trial.home / ".config" / "opencode" / "opencode.json", json.dumps({**settings, "provider": {"gw": provider}}))
    environ = {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"}
    return Play([str(OPENCODE.path), "run"], environ, prompt("bash", command=SHELL, description="write a file"))


@pytest.fixture
def provider() -> Iterator[Conversing]:
    with Conversing() as model:
        yield model


@pytest.mark.parametrize(
    ("client", "play", "dialect"),
    [
        pytest.param(client, play, dialect, id=f"{client.program}-{dialect}")
        for client, play, dialects in (
            (CLAUDE, claude, ("openai", "anthropic")),
            (CODEX, codex, ("anthropic", "openai")),
            (GEMINI, gemini, ("openai", "anthropic")),
            (OPENCODE, opencode, ("anthropic", "openai")),
        )
        for dialect in dialects
    ],
)
def test_a_coding_agent_finishes_a_turn_with_a_tool(
    client: Client, play: Callable[[Trial], Play], dialect: str, provider: Conversing, tmp_path: Path
) -> None:
    if not client.ready:
        pytest.skip(f"{client.package} is not here: run `python tests/live/install.py`")
    lab = {"baseUrl": provider.url, "models": ["m"], "dialect": dialect}
    with started(tmp_path / "mini", {}, {"providers": {"lab": lab}}) as gateway:
        done = run(play, tmp_path / "home", gateway)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    assert (tmp_path / "home" / "work" / "made.txt").read_text() == "pineapple\n", said[-3000:]
    assert "The tool said:" in done.stdout, said[-3000:]
    assert "pineapple" in done.stdout.partition("The tool said:")[2], said[-3000:]
    asked = [seen for seen in provider.seen if seen.body.get("tools")]
    assert len(asked) >= 2
    assert all(seen.body["stream"] for seen in asked)


def run(play: Callable[[Trial], Play], home: Path, gateway: Started) -> subprocess.CompletedProcess[str]:
    """Run an agent to its end."""
    trial = Trial(home, gateway.url, gateway.token, "lab/m")
    trial.work.mkdir(parents=True)
    how = play(trial)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return subprocess.run(
        how.command,
        cwd=trial.work,
        env={**kept, "HOME": str(home), **how.environ},
        input=how.stdin,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
