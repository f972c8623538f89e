"""The access log: one line a request, never a prompt or a key, and nothing that makes the loop wait."""

from __future__ import annotations

import io
import json
import logging
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from mini_llm.credentials import Redactor
from mini_llm.errors import RejectedError
from mini_llm.gateway.access_log import AccessLog
from mini_llm.gateway.calls import Exchange
from mini_llm.types import Usage
from tests.gateway.running import InThread, running, wait_for
from tests.upstream import Provider, Say, Status


def test_each_request_leaves_one_line_that_tells_all_but_what_was_said(tmp_path: Path) -> None:
    with Provider(Say("Hi there", usage=(10, 5))) as lab, running(tmp_path, {"lab": lab}) as gateway:
        answer = _ask(gateway, {"x-request-id": "mine-7"})
        (line,) = _lines(tmp_path, 1)
    assert (answer.headers["x-request-id"], answer.headers["x-mini-llm-request-id"]) == ("mine-7", line["id"])
    told = {name: line[name] for name in ("event", "client_id", "peer", "method", "path", "dialect", "model", "stream")}
    assert told == {
        "event": "request",
        "client_id": "mine-7",
        "peer": "127.0.0.1",
        "method": "POST",
        "path": "/v1/chat/completions",
        "dialect": "openai_chat",
        "model": "lab/m",
        "stream": False,
    }
    told = {name: line[name] for name in ("provider", "target", "attempts", "status", "outcome", "cost_nanos")}
    assert (told["provider"], told["target"]) == ("lab", "m")
    assert (told["attempts"], told["status"], told["outcome"]) == (1, 200, "ok")
    assert (line["input_tokens"], line["output_tokens"]) == (10, 5)
    assert 0 < line["overhead"] < line["first_content"] <= line["seconds"] < 20
    assert line["sent_bytes"] == len(answer.content)
    assert gateway.rows(1)[0]["request_id"] == line["id"]


def test_a_request_that_is_refused_or_fails_is_told_too(tmp_path: Path) -> None:
    with Provider(Status(429)) as lab, running(tmp_path, {"lab": lab}) as gateway:
        httpx.get(f"{gateway.url}/v1/models?limit=SECRET-IN-A-QUERY", headers={"authorization": "Bearer wrong"})
        _ask(gateway)
        refused, failed = _lines(tmp_path, 2)
        assert "QUERY" not in _log(tmp_path).read_text()
    assert (refused["status"], refused["outcome"], refused["path"]) == (401, "unauthorized", "/v1/models")
    assert (failed["status"], failed["outcome"], failed["provider"]) == (429, "rate_limited", "lab")
    assert failed["attempts"] == 2


def test_a_callers_id_that_could_do_harm_is_not_taken(tmp_path: Path) -> None:
    with Provider() as lab, running(tmp_path, {"lab": lab}) as gateway:
        for bad in ("x" * 129, "é", "tab\there"):
            answer = _ask(gateway, {"x-request-id": bad.encode("latin-1")})
            assert answer.headers["x-request-id"] == answer.headers["x-mini-llm-request-id"]


def test_the_file_is_its_users_alone_even_if_it_was_open_before(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "gateway.log"
    with _log_at(path) as log:
        log(_exchange())
    assert (stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)) == (0o600, 0o700)
    path.chmod(0o644)
    with _log_at(path) as log:
        log(_exchange())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(_read(path)) == 2


def test_texts_of_callers_cannot_forge_lines_or_drive_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    nasty = 'x"}\n{"event":"forged"}\r\x1b[2J\x9b31m\u2028\u202e\ud800"'
    screen = _Terminal()
    with _log_at(path, screen=screen) as log:
        log(_exchange(model=nasty, path=nasty, client_id=nasty, outcome="odd"))
        logging.getLogger("mini_llm.test").warning("%s", nasty)
    request, noted = _read(path)
    assert (request["event"], noted["event"]) == ("request", "log")
    for text in (request["model"], request["path"], request["client_id"]):
        assert text.isprintable()
    assert noted["message"].replace("\n", "").isprintable()
    shown = screen.getvalue()
    assert shown.replace("\n", "").isprintable()
    assert "odd" in shown


def test_keys_are_hidden_in_every_text(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    redactor = Redactor()
    redactor.learn("no-shape-of-a-key")
    with _log_at(path, redactor) as log:
        for name in ("client_id", "peer", "caller", "tool", "method", "path", "model", "provider", "target", "outcome"):
            log(_exchange(**{name: "a no-shape-of-a-key b sk-abcdef0123456789abcdef"}))
    text = path.read_text()
    assert "no-shape" not in text
    assert "sk-abcdef" not in text
    assert text.count("[redacted]") == 20


def test_a_prompt_that_an_exception_quotes_stays_out(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    with _log_at(path):
        try:
            try:
                int("the prompt itself")
            except ValueError as error:
                raise RejectedError("it said: the prompt itself") from error
        except RejectedError:
            logging.getLogger("mini_llm.test").exception("request %s failed", "ml-1")
    (line,) = _read(path)
    assert "prompt itself" not in json.dumps(line)
    assert (line["level"], line["logger"], line["message"]) == ("error", "mini_llm.test", "request ml-1 failed")
    assert "RejectedError: invalid_request\nafter\n" in line["trace"]
    assert line["trace"].endswith("ValueError")
    assert "test_access_log.py:" in line["trace"]


def test_large_logs_are_moved_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    for number in range(9):
        with _log_at(path, limit=500) as log:
            for _ in range(3):
                log(_exchange(client_id=f"round-{number}"))
    names = sorted(one.name for one in tmp_path.iterdir() if not one.name.endswith(".lock"))
    assert names == [f"gateway.log.{number}" for number in range(1, 6)]
    assert [{line["client_id"] for line in _read(tmp_path / name)} for name in names] == [
        {f"round-{8 - number}"} for number in range(5)
    ]


def test_a_log_that_was_moved_or_removed_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    with _log_at(path) as log:
        log(_exchange(client_id="before"))
        wait_for(lambda: path.exists() or None, "the log")
        path.rename(tmp_path / "moved")
        log(_exchange(client_id="after"))
    assert [line["client_id"] for line in _read(tmp_path / "moved")] == ["before"]
    assert [line["client_id"] for line in _read(path)] == ["after"]


def test_nothing_is_lost_at_the_end_however_many_threads_log(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    with _log_at(path) as log:
        threads = [threading.Thread(target=_log_many, args=(log, n)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {line["client_id"] for line in _read(path)} == {f"{n}-{i}" for n in range(8) for i in range(500)}


def test_a_full_disk_only_raises_a_flag_and_what_waited_is_written_later(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="a disk can't be made full here")
    path = tmp_path / "gateway.log"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with _log_at(path) as log:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
            for number in range(10):
                log(_exchange(client_id=f"n-{number}"))
            trouble = wait_for(lambda: log.trouble or None, "the flag")
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            log(_exchange(client_id="n-10"))
            wait_for(lambda: None if log.trouble else True, "the end of the flag")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert "log" in trouble
    assert [line["client_id"] for line in _read(path)] == [f"n-{number}" for number in range(11)]


def test_a_log_that_cannot_be_opened_does_not_stop_the_gateway(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    with Provider() as lab, running(tmp_path, {"lab": lab}) as gateway:
        assert _ask(gateway).status_code == 200
        log = gateway.gateway.log
        assert log is not None
        wait_for(lambda: log.trouble or None, "the flag")


def test_a_line_for_people_is_shown_only_on_a_terminal(tmp_path: Path) -> None:
    screen, pipe = _Terminal(), io.StringIO()
    with _log_at(tmp_path / "a.log", screen=screen) as log:
        log(_exchange(provider="groq", target="llama", model="fast", usage=Usage(10, 5), cost_nanos=1_500_000))
    with _log_at(tmp_path / "b.log", screen=pipe) as log:
        log(_exchange())
    words = screen.getvalue().removesuffix("\n").split("  ")[1:]
    assert words == ["200", "fast → groq/llama", "0.25 s", "10 in, 5 out", "$0.0015"]
    assert pipe.getvalue() == ""


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def _log_at(path: Path, redactor: Redactor | None = None, **settings: Any) -> Iterator[AccessLog]:
    log = AccessLog(path, (redactor or Redactor()).redact, **settings)
    log.start(level=logging.DEBUG)
    try:
        yield log
    finally:
        log.close()


def _log_many(log: AccessLog, thread: int) -> None:
    for number in range(500):
        log(_exchange(client_id=f"{thread}-{number}"))


def _exchange(**fields: Any) -> Exchange:
    exchange = Exchange("ml-1", "POST", "/v1/chat/completions", started=1_700_000_000.5, peer="127.0.0.1")
    exchange.status, exchange.outcome, exchange.seconds = 200, "ok", 0.25
    for name, value in fields.items():
        setattr(exchange, name, value)
    return exchange


def _ask(gateway: InThread, headers: dict[str, Any] | None = None) -> httpx.Response:
    body = {"model": "lab/m", "messages": [{"role": "user", "content": "Hello"}]}
    return httpx.post(
        f"{gateway.url}/v1/chat/completions", headers={**gateway.headers, **(headers or {})}, json=body, timeout=30
    )


def _log(home: Path) -> Path:
    return home / "logs" / "gateway.log"


def _lines(home: Path, least: int) -> list[dict[str, Any]]:
    """Return the requests' lines once there are so many."""

    def look() -> list[dict[str, Any]] | None:
        found = [line for line in _read(_log(home)) if line["event"] == "request"] if _log(home).exists() else []
        return found if len(found) >= least else None

    found: list[dict[str, Any]] = wait_for(look, f"{least} lines")
    return found


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]
