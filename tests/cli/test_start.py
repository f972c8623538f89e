"""`mini-llm start`, `stop`, `restart` and `logs`: the gateway as people run it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from tests.cli.process import Result, run, start
from tests.gateway.running import wait_for
from tests.upstream import Provider, Say

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are another system's")

KEY = "a-key-of-my-own-1234567890"


@pytest.fixture
def stopped(home: Path) -> Iterator[None]:
    """End what a test has left running."""
    yield
    with contextlib.suppress(OSError, ValueError, ProcessLookupError):
        os.kill(json.loads((home / "gateway.json").read_text())["pid"], signal.SIGKILL)


def detach(home: Path, *args: str, **environ: str) -> dict[str, object]:
    done = run(home, "start", "--detach", "--port", "0", "--json", *args, environ=environ)
    assert done.code == 0, done.err
    told: dict[str, object] = json.loads(done.out)
    return told


def chat(url: object, token: str, **more: object) -> httpx.Response:
    body = {"model": "lab/m", "messages": [{"role": "user", "content": "Hi"}]}
    return httpx.post(f"{url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {token}"}, **more)  # type: ignore[arg-type]


def token(home: Path) -> str:
    return (home / "gateway.token").read_text().strip()


def test_it_says_where_it_is_and_never_the_token(home: Path, lab: Callable[..., Provider]) -> None:
    lab(Say("Hello"))
    gateway = start(home, "start", "--port", "0")
    try:
        assert gateway.stderr is not None
        said = "".join(gateway.stderr.readline().decode() for _ in range(5))
        url = said.split()[4]
        assert said.startswith("the gateway listens at http://127.0.0.1:")
        assert f"OpenAI     {url}/v1" in said
        assert f"Anthropic  {url}\n" in said
        assert f"Gemini     {url}\n" in said
        assert str(home / "gateway.token") in said
        assert token(home) not in said
        assert chat(url, token(home)).json()["choices"][0]["message"]["content"] == "Hello"
        assert (home / "gateway.token").stat().st_mode & 0o777 == 0o600
    finally:
        gateway.terminate()
        out, err = gateway.communicate(timeout=20)
    assert (gateway.returncode, out) == (0, b"")
    assert token(home).encode() not in err


def test_the_token_is_shown_when_asked_for_and_stays_the_same(home: Path, stopped: None) -> None:
    told = detach(home, "--print-token")
    assert told["token"] == token(home)
    assert run(home, "stop").code == 0
    assert detach(home, "--print-token")["token"] == told["token"]


def test_a_detached_gateway_serves_until_it_is_stopped(home: Path, lab: Callable[..., Provider], stopped: None) -> None:
    lab(Say("Hello"))
    told = detach(home)
    assert chat(told["url"], token(home)).status_code == 200
    again = run(home, "start", "--detach")
    assert (again.code, again.out) == (69, "")
    assert f"already running: pid {told['pid']}" in again.err
    done = run(home, "stop")
    assert (done.code, done.err) == (0, f"the gateway has ended (pid {told['pid']})\n")
    with pytest.raises(httpx.ConnectError):
        chat(told["url"], token(home))
    assert run(home, "stop") == Result(
        8, "", "error: the gateway is not running\nhint: start it: mini-llm start --detach\n"
    )


def test_a_gateway_in_a_terminal_can_be_stopped_from_another(home: Path) -> None:
    gateway = start(home, "start", "--port", "0", "--json")
    assert gateway.stdout is not None
    assert json.loads(gateway.stdout.readline())["pid"] == gateway.pid
    assert run(home, "stop").code == 0
    assert gateway.wait(5) == 0
    gateway.communicate()


def test_stop_now_waits_for_no_stream(home: Path, lab: Callable[..., Provider], stopped: None) -> None:
    provider = lab(Say("word " * 1000, pause=0.05))
    told = detach(home)
    body = {"model": "lab/m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    headers = {"authorization": f"Bearer {token(home)}"}
    with httpx.stream("POST", f"{told['url']}/v1/chat/completions", json=body, headers=headers) as reply:
        wait_for(lambda: True if provider.seen else None, "the request")
        began = time.monotonic()
        assert run(home, "stop", "--now").code == 0
        assert time.monotonic() - began < 15
        assert "shutting_down" in reply.read().decode()


def test_restart_starts_it_as_it_was_asked_to_with_the_settings_of_now(
    home: Path, lab: Callable[..., Provider], configure: Callable[..., Path], stopped: None
) -> None:
    lab(Say("Hello"))
    first = detach(home, "--workers", "2")
    second = run(home, "restart")
    assert second.code == 0, second.err
    record = json.loads((home / "gateway.json").read_text())
    assert record["pid"] != first["pid"]
    assert len(record["workers"]) == 2
    assert chat(record["url"], token(home)).status_code == 200
    configure("{")
    assert run(home, "restart").code != 0
    assert chat(record["url"], token(home)).status_code == 200, "a wrong config ended the gateway that ran"
    configure("{}")
    assert run(home, "stop").code == 0
    assert run(home, "restart").code == 8


def test_restart_keeps_the_config_that_was_named(home: Path, lab: Callable[..., Provider], stopped: None) -> None:
    lab(Say("Hello"))
    other = home / "other.json"
    (home / "config.json").rename(other)
    done = run(home, "--config", str(other), "start", "--detach", "--port", "0")
    assert done.code == 0, done.err
    again = run(home, "restart")
    assert again.code == 0, again.err
    assert chat(json.loads((home / "gateway.json").read_text())["url"], token(home)).status_code == 200


def test_what_forbids_a_start_is_told_at_once_and_whole(home: Path) -> None:
    for more in ((), ("--detach",)):
        done = run(home, "start", "--host", "0.0.0.0", *more)
        assert done.code == 78
        assert "--key REFERENCE" in done.err
        assert "--tls-cert" in done.err
    assert not (home / "gateway.json").exists()


def test_a_key_does_not_stand_on_the_command_line(home: Path) -> None:
    done = run(home, "start", "--key", KEY)
    assert done.code == 2
    assert KEY not in done.err


@pytest.mark.parametrize("value", ["", "short"])
def test_a_key_that_is_missing_or_short_is_told_before_anything_listens(value: str, home: Path) -> None:
    done = run(home, "start", "--port", "0", "--key", "env:GATEWAY_KEY", environ={"GATEWAY_KEY": value})
    assert done.code not in (0, 1)
    assert not (home / "gateway.json").exists()


def test_open_to_others_with_a_key_and_tls(
    home: Path, lab: Callable[..., Provider], tmp_path: Path, stopped: None
) -> None:
    lab(Say("Hello"))
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    files = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    told = detach(home, "--host", "0.0.0.0", "--key", "env:GATEWAY_KEY", *files, GATEWAY_KEY=KEY)
    url = str(told["url"])
    assert url.startswith("https://127.0.0.1:")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    assert chat(url, KEY, verify=context).status_code == 200
    assert chat(url, token(home), verify=context).status_code == 200
    assert chat(url, KEY + "x", verify=context).status_code == 401
    old = ssl.create_default_context()
    authority.configure_trust(old)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert chat(url, KEY, verify=old).status_code == 200
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(url.replace("https", "http"))


def test_a_start_that_fails_when_detached_tells_what_the_gateway_said(home: Path) -> None:
    (home / "gateway.token").write_text("no token")
    (home / "gateway.token").chmod(0o600)
    done = run(home, "start", "--port", "0", "--detach")
    assert done.code not in (0, 69)
    assert "holds no token" in done.err


def test_logs_show_the_end_and_follow(home: Path, lab: Callable[..., Provider], stopped: None) -> None:
    missing = run(home, "logs")
    assert missing.code == 1
    assert "there is no log" in missing.err
    (home / "logs").mkdir()
    log = home / "logs" / "gateway.log"
    log.write_text("".join(f"line {number}\n" for number in range(200)))
    assert run(home, "logs").out.splitlines() == [f"line {number}" for number in range(100, 200)]
    assert run(home, "logs", "-n", "1").out == "line 199\n"
    following = subprocess.Popen(
        [sys.executable, "-u", "-m", "mini_llm", "logs", "-f", "-n", "1"],
        env={**os.environ, "MINI_LLM_HOME": str(home)},
        stdout=subprocess.PIPE,
    )
    try:
        assert following.stdout is not None
        assert following.stdout.readline() == b"line 199\n"
        with log.open("a") as more:
            more.write("one more\n")
        assert following.stdout.readline() == b"one more\n"
        log.write_text("a new file\n")
        assert following.stdout.readline() == b"a new file\n"
    finally:
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=10)
    assert following.returncode == 130
