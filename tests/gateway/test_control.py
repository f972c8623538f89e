"""The control API: what it shows, what it changes, and whom it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from mini_llm.gateway import control
from mini_llm.gateway.tokens import Tokens
from tests.gateway.running import Running, Started, running, started
from tests.upstream import Provider, Say, Status

SECRET = "sk-canary0123456789canary"


def test_status_tells_how_the_gateway_stands(tmp_path: Path) -> None:
    with _started(tmp_path) as gateway:
        _ask(gateway)
        gateway.rows(1)
        told = _get(gateway, "status")
    assert (told["address"], told["pid"], told["workers"]) == (gateway.url, gateway.process.pid, 1)
    assert told["since"] > 1_700_000_000
    assert told["config"] == {"path": str(tmp_path / "config.json"), "stale": False, "problems": []}
    assert told["requests"] == {"live": 0, "last_hour": 1}
    assert (told["today"]["requests"], told["today"]["input_tokens"]) == (1, 10)
    assert (told["draining"], told["ledger"], told["log"]) == (False, {"trouble": ""}, {"trouble": ""})
    assert told["history"] == {"on": False, "trouble": ""}


def test_targets_show_breakers_and_keys_that_rest(tmp_path: Path) -> None:
    settings = {"aliases": {"fast": "calm/m"}}
    with Provider(Status(500)) as broken, Provider(Status(402)) as broke, Provider() as calm:
        providers = {"broken": broken, "broke": broke, "calm": calm}
        with running(tmp_path, providers, settings, environ={}) as gateway:
            for _ in range(5):
                _ask(gateway, "broken/m")
            _ask(gateway, "broke/m")
            told = _get(gateway, "targets")
    states = {one["target"]: (one["state"], bool(one["trouble"])) for one in told["targets"]}
    assert states == {"broken/m": ("open", True), "broke/m": ("closed", False), "calm/m": ("closed", False)}
    assert [one["provider"] for one in told["resting"]] == ["broke"]


def test_routes_are_told_as_they_would_be_taken(tmp_path: Path) -> None:
    settings = {"aliases": {"fast": ["lab/m", "lab/n"], "lost": "nowhere/x"}, "default": "fast"}
    with Provider() as lab, running(tmp_path, {"lab": lab}, settings) as gateway:
        told = _get(gateway, "routes")["routes"]
        one = _get(gateway, "routes/lab%2Fm")
        unknown = httpx.get(f"{gateway.url}/control/v1/routes/nowhere%2Fx", headers=gateway.headers)
    assert [[target["target"] for target in route.get("targets", [])] for route in told] == [
        ["lab/m", "lab/n"],
        ["lab/m", "lab/n"],
        [],
    ]
    assert told[2]["error"]["code"] == "model_not_found"
    assert [target["target"] for target in one["targets"]] == ["lab/m"]
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")


def test_requests_are_shown_without_what_was_said(tmp_path: Path) -> None:
    with Provider(Say("an ANSWER")) as lab, running(tmp_path, {"lab": lab}) as gateway:
        _ask(gateway, prompt="a PROMPT")
        answer = httpx.get(f"{gateway.url}/control/v1/requests", headers=gateway.headers)
    told = answer.json()
    assert told["live"] == []
    (one,) = told["recent"]
    assert (one["model"], one["provider"], one["target"], one["outcome"]) == ("lab/m", "lab", "m", "ok")
    assert (one["input_tokens"], one["output_tokens"], one["status"]) == (10, 5, 200)
    assert "PROMPT" not in answer.text
    assert "ANSWER" not in answer.text


def test_usage_is_summed_by_day_week_and_month(tmp_path: Path) -> None:
    with Provider() as lab, running(tmp_path, {"lab": lab}, {"budgets": {"daily": "5.00"}}) as gateway:
        _ask(gateway)
        gateway.rows(1)
        told = _get(gateway, "usage")
    assert [told[period]["requests"] for period in ("today", "week", "month")] == [1, 1, 1]
    assert told["budgets"] == {"daily": "5.00"}


def test_a_provider_is_added_changed_and_removed_and_the_file_keeps_its_comments(tmp_path: Path) -> None:
    with Provider() as lab, Provider(Say("from the new one")) as other, started(tmp_path, {"lab": lab}) as gateway:
        file = tmp_path / "config.json"
        file.write_text(f'{{\n  // mine\n  "providers": {{"lab": {{"baseUrl": "{lab.url}", "models": ["m"]}}}}\n}}\n')
        made = _send(gateway, "PUT", "providers/new", {"baseUrl": other.url, "models": ["n"]})
        assert (made["applied"], made["provider"]["base_url"]) == (True, other.url)
        assert _ask(gateway, "new/n").json()["choices"][0]["message"]["content"] == "from the new one"
        changed = _send(gateway, "PUT", "providers/new", {"enabled": False, "models": None})
        assert (changed["provider"]["enabled"], changed["provider"]["models"]) == (False, [])
        assert "// mine" in file.read_text()
        assert {one["name"] for one in _get(gateway, "providers")["providers"]} == {"lab", "new"}
        gone = _send(gateway, "DELETE", "providers/new")
        assert (gone["removed"], gone["forgotten"], gone["applied"]) == ("new", False, True)
        assert _refused(gateway, "DELETE", "providers/new") == (404, "model_not_found")
        assert "new" not in file.read_text()


def test_a_key_is_stored_bound_to_its_address_and_shown_to_nobody(tmp_path: Path) -> None:
    with Provider() as lab, started(tmp_path, {"lab": lab}) as gateway:
        made = _send(gateway, "PUT", "providers/mine", {"baseUrl": lab.url, "models": ["n"], "key": SECRET})
        assert made["provider"]["usable"]
        assert _ask(gateway, "mine/n").status_code == 200
        assert lab.seen[-1].headers["authorization"] == f"Bearer {SECRET}"
        shown = [httpx.get(f"{gateway.url}/control/v1/{path}", headers=gateway.headers).text for path in _PATHS]
        assert not [text for text in shown if SECRET in text]
        assert SECRET not in json.dumps(made)
        assert SECRET not in (tmp_path / "config.json").read_text()
        assert _send(gateway, "DELETE", "providers/mine")["forgotten"]
    assert SECRET not in (tmp_path / "logs" / "gateway.log").read_text()


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"apiKey": SECRET}, "reference"),
        ({"apiKeys": ["${A}", SECRET]}, "reference"),
        ({"apiKey": f"{SECRET}${{A}}"}, "reference"),
        ({"apiKey": "cmd:touch /tmp/x"}, "cmd:"),
        ({"apiKey": "file:/etc/passwd"}, "file:"),
        ({"apiKey": "${A}", "key": SECRET}, "exclude"),
        ({"headers": {"Authorization": f"Bearer {SECRET}"}}, "Authorization"),
        ({"headers": {"X-Api-Key": f"{SECRET} ${{A}}"}}, "X-Api-Key"),
        ({"baseUrl": "http://169.254.169.254/latest"}, "link-local"),
        ({"baseUrl": "http://0xa9fea9fe/latest"}, "link-local"),
        ({"baseUrl": "http://[::ffff:169.254.169.254]/v1"}, "link-local"),
        ({"baseUrl": "http://metadata.google.internal./v1"}, "link-local"),
        ({"baseUrl": "http+unix://%2Frun%2Fdocker.sock/v1"}, "socket"),
        ({"baseUrl": "http://evil.example/v1"}, "was meant for"),
        ({"baseUrl": "no address"}, "baseUrl"),
        ({"dialect": "klingon"}, "dialect"),
        ({"admin": True}, "unknown key"),
        ({"constructor": {"x": 1}, "models": "m"}, "unknown key"),
        ([], "object"),
    ],
)
def test_what_must_not_be_written_is_not(body: Any, word: str, tmp_path: Path) -> None:
    settings = {"providers": {"lab": {"baseUrl": "http://127.0.0.1:9/v1", "apiKey": "${LAB_KEY}"}}}
    with running(tmp_path, {}, settings, environ={"LAB_KEY": "the-key-of-lab"}) as gateway:
        before = (tmp_path / "config.json").read_bytes()
        answer = _answer(gateway, "PUT", "providers/lab", body)
        assert answer.status_code == 400
        assert word in answer.json()["error"]["message"]
        assert SECRET not in answer.text
        assert (tmp_path / "config.json").read_bytes() == before
        assert not (tmp_path / "secrets.json").exists()


def test_aliases_are_set_in_every_form_and_removed(tmp_path: Path) -> None:
    with _started(tmp_path) as gateway:
        _send(gateway, "PUT", "aliases/fast", "lab/m")
        _send(gateway, "PUT", "aliases/two", ["lab/m", "lab/n"])
        route = {"targets": ["lab/m"], "strategy": "latency"}
        made = _send(gateway, "PUT", "aliases/gpt-4.1%2Fmine", route)
        assert (made["alias"]["name"], made["alias"]["strategy"]) == ("gpt-4.1/mine", "latency")
        told = {one["name"]: one["targets"] for one in _get(gateway, "aliases")["aliases"]}
        assert told == {"fast": ["lab/m"], "two": ["lab/m", "lab/n"], "gpt-4.1/mine": ["lab/m"]}
        assert _ask(gateway, "fast").status_code == 200
        assert _send(gateway, "DELETE", "aliases/fast") == {"removed": "fast", "applied": True}
        assert _refused(gateway, "DELETE", "aliases/fast") == (404, "model_not_found")


def test_what_is_wrong_with_an_alias_is_told_by_its_place(tmp_path: Path) -> None:
    with _started(tmp_path) as gateway:
        answer = _answer(gateway, "PUT", "aliases/fast", {"targets": ["lab/m"], "strategy": "magic", "extra": 1})
        problems = answer.json()["error"]["problems"]
        assert answer.status_code == 400
        assert [one["setting"] for one in problems] == ["aliases.fast.strategy", "aliases.fast.extra"]
        assert _refused(gateway, "PUT", "aliases/loop", "loop") == (400, "invalid_config")
        assert _refused(gateway, "PUT", "aliases/none", None) == (400, "invalid_request")


def test_a_file_that_is_broken_is_told_with_line_and_column_and_stays_as_it_is(tmp_path: Path) -> None:
    with _started(tmp_path) as gateway:
        file = tmp_path / "config.json"
        file.write_text('{\n  "providers": {,}\n}')
        told = _send(gateway, "POST", "reload", {})
        (problem,) = told["problems"]
        assert (told["applied"], problem["file"], problem["line"], problem["column"]) == (False, str(file), 2, 17)
        answer = _answer(gateway, "PUT", "aliases/fast", "lab/m")
        assert answer.json()["error"]["problems"][0]["line"] == 2
        assert file.read_text() == '{\n  "providers": {,}\n}'
        status = _get(gateway, "status")["config"]
        assert (status["stale"], status["problems"][0]["line"]) == (True, 2)
        assert _ask(gateway).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"origin": "https://friend.example"}, 403),  # it may ask models, no more
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_pages_of_others_are_refused(headers: dict[str, str], status: int, tmp_path: Path) -> None:
    settings = {"gateway": {"origins": ["https://friend.example"]}}
    with running(tmp_path, {}, settings) as gateway:
        answer = httpx.get(f"{gateway.url}/control/v1/status", headers={**gateway.headers, **headers})
    assert answer.status_code == status
    if status == 200:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers


def test_every_room_is_for_the_main_token_alone(tmp_path: Path) -> None:
    tool = Tokens(tmp_path / "home").create("claude")
    with running(tmp_path / "home", {}) as gateway:
        for method, path, room in control.table():
            assert room.access == "admin"
            url = gateway.url + path.replace("{name}", "x")
            headers = {"content-type": "application/json"}
            nobody = httpx.request(method, url, headers=headers, content=b"{}")
            headers["authorization"] = f"Bearer {tool}"
            other = httpx.request(method, url, headers=headers, content=b"{}")
            assert (nobody.status_code, other.status_code) == (401, 403), f"{method} {path}"


def test_a_body_that_is_large_or_no_json_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, {}) as gateway:
        assert _refused(gateway, "PUT", "aliases/x", "y" * 70_000) == (413, "request_too_large")
        headers = {**gateway.headers, "content-type": "application/json"}
        answer = httpx.put(f"{gateway.url}/control/v1/aliases/x", headers=headers, content=b"{")
        assert (answer.status_code, answer.json()["error"]["message"]) == (400, "the body is not JSON")
        assert httpx.put(f"{gateway.url}/control/v1/aliases/{'x' * 700}", headers=headers).status_code == 404
        assert httpx.post(f"{gateway.url}/control/v1/stop", headers=headers, content=b"{}").status_code == 404


_PATHS = ("status", "targets", "routes", "requests", "usage", "providers", "providers/mine", "aliases")


@contextmanager
def _started(home: Path) -> Iterator[Started]:
    """Run a real `mini-llm start` before a provider called lab."""
    with Provider() as lab, started(home, {"lab": lab}) as gateway:
        yield gateway


def _get(gateway: Running, path: str) -> Any:
    return _send(gateway, "GET", path)


def _send(gateway: Running, method: str, path: str, body: Any = ...) -> Any:
    answer = _answer(gateway, method, path, body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _refused(gateway: Running, method: str, path: str, body: Any = ...) -> tuple[int, str]:
    answer = _answer(gateway, method, path, body)
    return answer.status_code, answer.json()["error"]["code"]


def _answer(gateway: Running, method: str, path: str, body: Any = ...) -> httpx.Response:
    headers = {**gateway.headers, "content-type": "application/json"}
    content = None if body is ... else json.dumps(body)
    return httpx.request(method, f"{gateway.url}/control/v1/{path}", headers=headers, content=content, timeout=30)


def _ask(gateway: Running, model: str = "lab/m", prompt: str = "Hello") -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    return httpx.post(f"{gateway.url}/v1/chat/completions", headers=gateway.headers, json=body, timeout=30)
