"""`mini-llm run` and `mini-llm env`: a tool started before the gateway, with nothing written."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mini_llm.gateway import process
from mini_llm.gateway.tokens import Tokens
from mini_llm.setup import environment
from tests.cli.process import run, start, world
from tests.cli.tools import told, tool
from tests.gateway.running import wait_for
from tests.upstream import Provider, Say

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the tools here are scripts with a #! line")
ASK = """\
import json, os, urllib.request
body = json.dumps({"model": "lab/m", "messages": [{"role": "user", "content": "Hi"}]}).encode()
fields = {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "content-type": "application/json"}
asked = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/chat/completions", body, fields)
print(json.load(urllib.request.urlopen(asked))["choices"][0]["message"]["content"])
"""


@pytest.fixture
def gateway(home: Path, lab: Callable[..., Provider]) -> Iterator[Path]:
    """Return a home whose gateway is started by who needs it, on any port; it ends with the test."""
    lab(Say("Hello"), gateway={"port": 0}, default="lab/m")
    yield home
    run(home, "stop", "--now", timeout=60)


def test_a_tool_gets_the_gateway_its_own_token_and_its_arguments_untouched(gateway: Path) -> None:
    environ = tool(gateway, "claude") | {"ANTHROPIC_API_KEY": "sk-other", "KEPT": "1"}
    words = ("-p", "Hi", "--model", "opus", "--", "-x")
    first = run(gateway, "run", "-m", "lab/m", "claude", *words, environ=environ, timeout=60)
    assert first.code == 0, first.err
    record = process.find(gateway)
    assert record is not None
    assert first.err == f"the gateway was started: {record.url} (pid {record.pid}); `mini-llm stop` ends it\n"
    seen = told(first.out)
    assert seen["args"] == list(words)
    given = seen["environ"]
    assert given["ANTHROPIC_BASE_URL"] == record.url
    assert given["ANTHROPIC_AUTH_TOKEN"] == Tokens(gateway).create("claude")
    assert given["ANTHROPIC_MODEL"] == "lab/m" and given["ANTHROPIC_API_KEY"] == "" and given["KEPT"] == "1"
    assert not (gateway / ".claude").exists()
    again = run(gateway, "run", "claude", environ=environ | {"ENDS_WITH": "37"})
    assert (again.code, again.err) == (37, "")


def test_anything_can_be_run_and_asks_as_itself(gateway: Path) -> None:
    done = run(gateway, "run", "--", sys.executable, "-c", ASK, timeout=60)
    assert (done.code, done.out) == (0, "Hello\n"), done.err
    rows = wait_for(lambda: json.loads(run(gateway, "usage", "--by", "tool", "--json").out)["rows"] or None, "a row")
    assert [row["tool"] for row in rows] == ["run"]


def test_behind_two_dashes_the_name_of_a_tool_is_a_program_like_any_other(gateway: Path) -> None:
    done = run(gateway, "run", "--", "cursor", "--x", environ=tool(gateway, "cursor"), timeout=60)
    seen = told(done.out)
    assert seen["args"] == ["--x"]
    given = seen["environ"]
    assert (
        given["OPENAI_API_KEY"]
        == given["ANTHROPIC_API_KEY"]
        == given["GEMINI_API_KEY"]
        == Tokens(gateway).create("run")
    )


def test_it_becomes_the_tool_so_signals_reach_it(gateway: Path) -> None:
    body = "#!/bin/sh\ntrap 'echo got it; exit 5' TERM\necho $$\nwhile :; do sleep 0.05; done\n"
    begun = start(gateway, "run", "claude", environ=tool(gateway, "claude", body))
    assert begun.stdout is not None
    assert begun.stdout.readline() == f"{begun.pid}\n".encode()
    begun.send_signal(signal.SIGTERM)
    out, _ = begun.communicate(timeout=60)
    assert (begun.returncode, out) == (5, b"got it\n")


def test_settings_that_would_win_over_the_environment_are_overruled(gateway: Path) -> None:
    (gateway / ".claude").mkdir()
    (gateway / ".claude" / "settings.json").write_text('{"env": {"ANTHROPIC_BASE_URL": "https://corp.example"}}')
    done = run(gateway, "run", "claude", environ=tool(gateway, "claude"), timeout=60)
    seen = told(done.out)
    assert seen["args"][0] == "--settings"
    over = json.loads(seen["args"][1])
    assert over["env"]["ANTHROPIC_BASE_URL"] == process.need(gateway).url
    assert "auth token --for claude" in over["apiKeyHelper"]


@pytest.mark.parametrize(
    ("words", "code", "error", "hint"),
    [
        (("cursor",), 1, "its servers ask the models", "mini-llm start --help"),
        (("openai",), 1, "OpenAI SDK is a library, not a program", "mini-llm run -- CMD"),
        (("cline",), 1, "Cline takes nothing from its environment", "mini-llm setup cline"),
        (("claude",), 1, "Claude Code is not installed here", "`claude` has to be on PATH"),
        (("vim",), 2, "vim is none of the tools", "mini-llm run -- vim"),
        (("--", "no-such-program"), 1, "no-such-program is not installed here", "on PATH"),
        ((), 2, "missing argument", "mini-llm run --help"),
    ],
)
def test_what_can_not_be_started_is_told_before_a_gateway_is(
    words: tuple[str, ...], code: int, error: str, hint: str, home: Path
) -> None:
    done = run(home, "run", *words, environ={"PATH": str(home)})
    assert (done.code, done.out) == (code, "")
    assert error in done.err.splitlines()[0] and hint in done.err.splitlines()[1]
    assert not (home / "gateway.json").exists()


def test_a_model_that_nobody_has_is_told_at_once(gateway: Path) -> None:
    done = run(gateway, "run", "-m", "nobody/has-it", "claude", environ=tool(gateway, "claude"), timeout=60)
    assert done.code == 7 and done.out == ""


ODD = {"PLAIN": "http://127.0.0.1:1", "QUOTED": 'it\'s "$HOME" `x` \\ %', "GONE": None}


@pytest.mark.parametrize(
    ("shell", "command"),
    [
        ("bash", ["bash", "--norc", "-c"]),
        ("bash", ["sh", "-c"]),
        ("zsh", ["zsh", "-f", "-c"]),
        ("fish", ["fish", "-c"]),
    ],
)
def test_each_shell_reads_the_lines_as_they_are_meant(shell: str, command: list[str], home: Path) -> None:
    if not shutil.which(command[0]):
        pytest.skip(f"there is no {command[0]} here")
    program = (
        f"{environment.lines(ODD, shell)}\n{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
    )
    done = subprocess.run(
        [*command, program], env=world(home, {"GONE": "1"}), capture_output=True, check=True, text=True
    )
    given = json.loads(done.stdout)
    assert {name: given.get(name) for name in ODD} == ODD


def test_powershell_gets_its_own_quotes() -> None:
    assert environment.lines(ODD, "pwsh").splitlines() == [
        "$env:PLAIN = 'http://127.0.0.1:1'",
        "$env:QUOTED = 'it''s \"$HOME\" `x` \\ %'",
        "Remove-Item Env:GONE -ErrorAction SilentlyContinue",
    ]


def test_env_prints_lines_for_the_shell_and_says_when_nobody_would_answer(home: Path) -> None:
    done = run(home, "env", environ={"SHELL": "/bin/zsh"})
    token = (home / "tokens" / "env").read_text().strip()
    assert "export OPENAI_BASE_URL='http://127.0.0.1:6464/v1'" in done.out.splitlines()
    assert f"export ANTHROPIC_API_KEY='{token}'" in done.out.splitlines()
    assert "unset GOOGLE_API_KEY" in done.out.splitlines()
    assert done.err == "note: the gateway is not running; start it: mini-llm start --detach\n"
    assert "set -gx OPENAI_API_KEY" in run(home, "env", "--shell", "fish").out
    assert "$env:OPENAI_API_KEY" in run(home, "env", "--shell", "pwsh").out
    assert json.loads(run(home, "env", "--json").out)["GOOGLE_API_KEY"] is None
    wrong = run(home, "env", "--shell", "tcsh")
    assert wrong.code == 2 and wrong.err.startswith("error: lines for tcsh are not known\nhint: ")
