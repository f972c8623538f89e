"""`mini-llm setup`, as a process: what is shown, asked, written, tried and told."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mini_llm.gateway import process
from tests.cli.process import run
from tests.cli.tools import tool
from tests.gateway.running import wait_for
from tests.upstream import Provider, Say, Status

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the tools here are scripts with a #! line")
BEFORE = '{\n  "model": "opus"\n}\n'


@pytest.fixture
def gateway(home: Path, lab: Callable[..., Provider]) -> Iterator[Path]:
    """Return a home whose gateway is started by who needs it, on any port; it ends with the test."""
    lab(Say("Hello"), gateway={"port": 0}, default="lab/m")
    yield home
    run(home, "stop", "--now", timeout=60)


@pytest.fixture
def idle(home: Path, lab: Callable[..., Provider]) -> Path:
    """Return a home whose gateway is never started."""
    lab(Say("Hello"), gateway={"port": 16464}, default="lab/m")
    return home


def settings(home: Path, text: str = BEFORE) -> Path:
    """Write Claude Code's settings."""
    file = home / ".claude" / "settings.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


def test_one_command_sets_a_tool_up_tries_it_and_can_be_undone(gateway: Path) -> None:
    file, environ = settings(gateway), tool(gateway, "claude")
    done = run(gateway, "setup", "claude", "--yes", environ=environ, timeout=60)
    assert (done.code, done.out) == (0, ""), done.err
    record = process.need(gateway)
    lines = done.err.splitlines()
    assert lines[0] == f"the gateway was started: {record.url} (pid {record.pid}); `mini-llm stop` ends it"
    assert lines[1] == f"wrote {file}"
    assert re.fullmatch(r"tried: lab/m answered in \d+ ms", lines[2])
    assert lines[-1] == "undo: mini-llm setup claude --undo"
    assert json.loads(file.read_text())["env"]["ANTHROPIC_BASE_URL"] == record.url
    rows = wait_for(lambda: json.loads(run(gateway, "usage", "--by", "tool", "--json").out)["rows"] or None, "a row")
    assert [row["tool"] for row in rows] == ["claude"]
    again = run(gateway, "setup", "claude", "--yes", "--no-check", environ=environ)
    assert (again.code, again.err) == (0, "Claude Code is set up already: nothing to do\n")
    undone = run(gateway, "setup", "claude", "--undo", "--yes", environ={"PATH": "/nowhere"})
    assert (undone.code, undone.err) == (0, "Claude Code is as it was before\n")
    assert file.read_text() == BEFORE
    assert run(gateway, "setup", "claude", "--undo").err == "Claude Code was not set up: nothing to undo\n"


def test_every_tool_is_tried_by_its_own_road_and_credential(gateway: Path) -> None:
    names = {"codex", "opencode", "gemini", "zed", "vscode", "aider", "continue", "llm"}
    for name in sorted(names):
        program = {"vscode": "code", "continue": "cn"}.get(name, name)
        done = run(gateway, "setup", name, "--yes", "--json", environ=tool(gateway, program), timeout=60)
        assert done.code == 0, done.err
        said = json.loads(done.out)
        assert said["written"] and said["check"]["model"] == "lab/m"
        assert all(Path(one["file"]).is_file() for one in said["files"])

    def asked() -> set[str]:
        return {row["tool"] for row in json.loads(run(gateway, "usage", "--by", "tool", "--json").out)["rows"]}

    wait_for(lambda: True if asked() == names else None, "a row of each")


def test_a_dry_run_shows_the_change_and_writes_nothing(idle: Path) -> None:
    file = settings(idle)
    before = sorted(idle.rglob("*"))
    environ = tool(idle, "claude")
    done = run(idle, "setup", "claude", "--dry-run", environ=environ)
    assert done.code == 0 and done.err == ""
    assert done.out.startswith(f"--- {file}\n+++ {file}\n@@ ")
    assert '+    "ANTHROPIC_BASE_URL": "http://127.0.0.1:16464",' in done.out.splitlines()
    assert file.read_text() == BEFORE
    assert {path for path in idle.rglob("*") if path.is_file()} - set(before) == {idle / "bin" / "claude"}
    told = json.loads(run(idle, "setup", "claude", "--dry-run", "--json", environ=environ).out)
    assert told["written"] is False and told["files"][0]["file"] == str(file)


def test_with_nobody_to_ask_nothing_is_written(idle: Path) -> None:
    file = settings(idle)
    done = run(idle, "setup", "claude", environ=tool(idle, "claude"), stdin=b"y\n")
    assert done.code == 2 and file.read_text() == BEFORE
    assert done.err == (
        "error: nobody is here to agree to the change\n"
        "hint: `mini-llm setup claude --dry-run` shows it, --yes agrees to it\n"
    )


def test_a_provider_that_refuses_is_told_and_how_to_take_it_back(home: Path, lab: Callable[..., Provider]) -> None:
    lab(Status(400, {"error": {"message": "not today"}}), gateway={"port": 0}, default="lab/m")
    file = settings(home)
    try:
        done = run(home, "setup", "claude", "--yes", environ=tool(home, "claude"), timeout=60)
        assert done.code == 5
        assert "error: Claude Code is set up, but its try-out failed: the gateway answered 400: not today" in done.err
        assert "`mini-llm setup claude --undo` takes it back" in done.err
        assert file.read_text() != BEFORE
    finally:
        run(home, "stop", "--now", timeout=60)


def test_what_is_broken_is_refused_with_its_line(idle: Path) -> None:
    file = settings(idle, '{\n  // mine\n  "model": "opus"\n}\n')
    done = run(idle, "setup", "claude", "--yes", environ=tool(idle, "claude"))
    assert done.code == 1
    assert done.err.startswith(f"error: {file}:2: the tool reads no comments and no trailing commas")
    assert "hint: nothing was changed" in done.err


def test_the_list_tells_what_is_here_set_up_and_stale(idle: Path) -> None:
    file, environ = settings(idle), tool(idle, "claude")
    run(idle, "setup", "claude", "--yes", "--no-check", environ=environ)
    rows = {row["tool"]: row for row in json.loads(run(idle, "setup", "--list", "--json", environ=environ).out)}
    assert rows["claude"] == {
        "tool": "claude",
        "title": "Claude Code",
        "installed": str(idle / "bin" / "claude"),
        "way": "setup",
        "configured": True,
        "stale": "",
    }
    assert rows["cursor"]["way"] == "none" and rows["cline"]["way"] == "by hand"
    run(idle, "config", "set", "gateway.port", "16465")
    done = run(idle, "setup", environ=environ)
    assert f"claude\t{idle / 'bin' / 'claude'}\tsetup\tstale" in done.out.splitlines()
    assert "claude: the gateway has moved: http://127.0.0.1:16464 is now http://127.0.0.1:16465;" in done.err
    run(idle, "setup", "claude", "--yes", "--no-check", environ=environ)
    assert "16465" in file.read_text() and "16464" not in file.read_text()
    left = file.read_text().replace("http://127.0.0.1:16465", "https://corp.example")
    file.write_text(left)
    undone = run(idle, "setup", "claude", "--undo", "--yes", environ=environ)
    assert undone.err.splitlines()[0] == f"left as you changed it in {file}: env.ANTHROPIC_BASE_URL"
    assert json.loads(file.read_text()) == {"model": "opus", "env": {"ANTHROPIC_BASE_URL": "https://corp.example"}}


@pytest.mark.parametrize(
    ("name", "why", "step"),
    [
        ("copilot", "takes address and key from its environment only", "mini-llm run copilot"),
        ("langchain", "takes address and key from its environment", 'eval "$(mini-llm env)"'),
        ("cline", "keeps its key in the open", "cline auth -p openai"),
    ],
)
def test_what_can_not_be_written_is_explained(name: str, why: str, step: str, idle: Path) -> None:
    done = run(idle, "setup", name)
    assert done.code == 0 and why in done.err and step in done.out
    assert json.loads(run(idle, "setup", name, "--json").out)["written"] is False


def test_cursor_is_refused_with_the_reason_and_the_next_step(home: Path) -> None:
    done = run(home, "setup", "cursor")
    assert done.code == 1
    assert done.err.startswith("error: Cursor can't use a gateway on this machine: its servers ask the models")
    assert "\nhint: give the gateway a public address" in done.err


def test_a_tool_that_is_not_here_is_told(idle: Path) -> None:
    done = run(idle, "setup", "continue", environ={"PATH": str(idle)})
    assert done.code == 1 and done.err.startswith("error: Continue is not installed here")
