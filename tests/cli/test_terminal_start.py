"""The gateway on a real terminal."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.cli.process import Terminal, on_terminal
from tests.gateway.running import wait_for
from tests.upstream import Provider, Say

BODY = {"model": "lab/m", "messages": [{"role": "user", "content": "Hi"}]}


def ready(terminal: Terminal) -> tuple[str, int]:
    """Wait until the gateway says where it is; return its address and its pid."""
    found = re.search(r"listens at (\S+) \(pid (\d+)\)", terminal.until("token  "))
    assert found
    return found[1], int(found[2])


def test_ctrl_c_ends_the_gateway_and_each_request_was_shown(home: Path, lab: Callable[..., Provider]) -> None:
    lab(Say("Hello"))
    terminal = Terminal(home, "start", "--port", "0")
    url, _ = ready(terminal)
    headers = {"authorization": f"Bearer {(home / 'gateway.token').read_text().strip()}"}
    assert httpx.post(f"{url}/v1/chat/completions", json=BODY, headers=headers).status_code == 200
    terminal.until("lab/m → lab/m")
    terminal.press("\x03")
    assert terminal.end() == 0
    assert "Traceback" not in terminal.screen
    assert not (home / "gateway.json").exists()
    code, shown = on_terminal(home, "logs")
    assert code == 0
    assert re.search(r"^\d\d:\d\d:\d\d 200  lab/m → lab/m  \d\.\d\d s  10 in, 5 out$", shown, re.MULTILINE)


def test_the_end_of_its_terminal_is_the_end_of_the_gateway(home: Path, lab: Callable[..., Provider]) -> None:
    lab(Say("Hello"))
    terminal = Terminal(home, "start", "--port", "0", "--workers", "2")
    _, pid = ready(terminal)
    os.kill(pid, signal.SIGHUP)
    assert terminal.end(20) == 0
    wait_for(lambda: None if (home / "gateway.json").exists() else True, "the end of the record")
