"""`mini-llm login` and `logout` on a real terminal: what people see, press and interrupt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mini_llm.cli import browser
from tests.cli.process import Terminal, on_terminal
from tests.wallet.server import KEY, USER_CODE, Served, grant, refusal, told, wallet

PENDING = refusal("authorization_pending")
PATIENCE = 60.0  # a machine that has other things to do


@pytest.fixture
def server() -> Iterator[Served]:
    with wallet() as running:
        yield running


@pytest.fixture
def opener(tmp_path: Path) -> dict[str, str]:
    """Return an environment whose browser writes down what it is given."""
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >> {tmp_path}/opened\n')
    script.chmod(0o700)
    return {"BROWSER": f"{script} %s", "CI": ""}


def opened(folder: Path) -> list[str]:
    file = folder / "opened"
    return file.read_text().splitlines() if file.exists() else []


def test_address_and_code_stand_first_and_enter_opens_the_browser_while_polling_goes_on(
    home: Path, server: Served, opener: dict[str, str], tmp_path: Path
) -> None:
    server.scripts["/oauth/token"] = PENDING
    terminal = Terminal(home, "login", "--url", server.url, environ=opener)
    screen = terminal.until("waiting for your yes", PATIENCE)
    assert screen.index(f"open  {server.url}/auth\n") < screen.index(f"code  {USER_CODE}") < screen.index("Press Enter")
    while not server.asked("/oauth/token"):
        terminal.until("waiting", PATIENCE)
        terminal.pause()
    assert opened(tmp_path) == []  # nobody pressed Enter, and it polled all the same
    terminal.press("\n")
    while not opened(tmp_path):
        terminal.pause()
    assert opened(tmp_path) == [f"{server.url}/auth?user_code={USER_CODE}"]
    server.scripts["/oauth/token"] = grant()
    assert terminal.end(PATIENCE) == 0
    assert "Connected to" in terminal.plain
    assert KEY not in terminal.screen


def test_ctrl_c_leaves_everything_as_it_was(home: Path, server: Served) -> None:
    assert on_terminal(home, "login", "--url", server.url, timeout=PATIENCE)[0] == 0
    before = {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}
    server.scripts["/oauth/token"] = PENDING
    terminal = Terminal(home, "login", "--url", server.url)
    terminal.until("waiting for your yes", PATIENCE)
    terminal.press("\x03")
    assert terminal.end(PATIENCE) == 130
    assert terminal.plain.rstrip().endswith("Login cancelled. Nothing was changed.")
    assert "Traceback" not in terminal.plain
    assert {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()} == before


def test_ctrl_c_where_a_key_is_asked_for_ends_it_too(home: Path, server: Served) -> None:
    terminal = Terminal(home, "login", "--url", server.url, "--with-token")
    terminal.until("Key: ", PATIENCE)
    terminal.press("\x03")
    assert terminal.end(PATIENCE) == 130
    assert "Login cancelled. Nothing was changed." in terminal.plain
    assert server.peer.requests == []


def test_an_expired_code_is_replaced_on_enter(home: Path, server: Served) -> None:
    server.scripts["/oauth/token"] = [refusal("expired_token"), grant()]
    terminal = Terminal(home, "login", "--url", server.url)
    terminal.until("The code has expired. Press Enter for a new one", PATIENCE)
    terminal.press("\n")
    assert terminal.end(PATIENCE) == 0
    assert len(server.asked("/oauth/device/code")) == 2


def test_a_service_cannot_drive_the_terminal(home: Path, server: Served) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m"
    account = {"id": "acc_1", "name": f"Eve{evil}", "plan": evil, "team": {"name": evil}}
    server.scripts["/v1/account"] = told(account)
    code, _ = on_terminal(home, "login", "--url", server.url, timeout=PATIENCE)
    server.scripts["/oauth/token"] = refusal("invalid_client", error_description=evil)
    terminal = Terminal(home, "login", "--url", server.url)
    assert (code, terminal.end(PATIENCE)) == (0, 4)
    for text in ("\x1b]0;", "\x1b[2J", "\x9b"):
        assert text not in terminal.screen


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"SSH_CONNECTION": "1.2.3.4 1 5.6.7.8 22"}, "this is a remote session"),
        ({"MINI_LLM_NO_BROWSER": "1", "BROWSER": "true"}, "MINI_LLM_NO_BROWSER is set"),
    ],
)
def test_where_no_browser_opens_the_reason_and_the_qr_code_are_offered(
    home: Path, server: Served, environ: dict[str, str], why: str
) -> None:
    code, screen = on_terminal(home, "login", "--url", server.url, environ=environ, timeout=PATIENCE)
    assert code == 0
    assert f"no browser is opened: {why}; any device will do" in screen
    assert "--qr" in screen
    assert "Press Enter" not in screen


def test_a_qr_code_is_drawn_below_the_address(home: Path, server: Served) -> None:
    pytest.importorskip("segno")
    environ = {"PYTHONIOENCODING": "utf-8"}
    code, screen = on_terminal(home, "login", "--url", server.url, "--qr", environ=environ, timeout=PATIENCE)
    assert code == 0
    assert USER_CODE in screen
    assert "▄" in screen


def test_a_key_is_asked_for_without_echo_and_the_account_signed_out(home: Path, server: Served) -> None:
    terminal = Terminal(home, "login", "--url", server.url, "--with-token")
    terminal.until("Key: ", PATIENCE)
    terminal.press(f"{KEY}\n")
    assert terminal.end(PATIENCE) == 0
    assert KEY not in terminal.screen
    code, screen = on_terminal(home, "logout", timeout=PATIENCE)
    assert (code, screen) == (0, f"Signed out of {server.url[7:]} (a@example.com): its key is revoked and forgotten\n")
    assert server.forms("/oauth/revoke")[0]["token"] == KEY
    assert json.loads((home / "secrets.json").read_text()) == {}


@pytest.mark.parametrize(
    ("environ", "platform", "files", "why"),
    [
        ({"DISPLAY": ":0"}, "linux", (), ""),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", (), ""),
        ({}, "linux", (), "there is no display"),
        ({}, "darwin", (), ""),
        ({}, "win32", (), ""),
        ({"WSL_DISTRO_NAME": "Debian"}, "linux", (), ""),
        ({"BROWSER": "w3m"}, "linux", (), ""),
        ({"BROWSER": "code --open-url", "SSH_TTY": "/dev/pts/1"}, "linux", (), ""),
        ({"SSH_TTY": "/dev/pts/1", "DISPLAY": ":0"}, "linux", (), "this is a remote session"),
        ({"DISPLAY": ":0"}, "linux", ("/.dockerenv",), "this is a container"),
        ({"DISPLAY": ":0", "container": "podman"}, "linux", (), "this is a container"),
        ({"DISPLAY": ":0", "CI": "true", "BROWSER": "w3m"}, "linux", (), "this is a CI job"),
        ({"DISPLAY": ":0", "CI": "false"}, "linux", (), ""),
        ({"DISPLAY": ":0", "MINI_LLM_NO_BROWSER": "1"}, "darwin", (), "MINI_LLM_NO_BROWSER is set"),
    ],
)
def test_where_a_browser_may_be_opened(
    environ: dict[str, str], platform: str, files: tuple[str, ...], why: str
) -> None:
    assert browser.hindrance(environ, platform=platform, exists=lambda path: path in files) == why
