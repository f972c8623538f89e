"""A secret in every slot, and a look into every sink: logs, output, ledger, metrics, control API, traces, answers."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from tests.gateway.collector import Collector
from tests.gateway.running import Running, started, wait_for
from tests.upstream import Bytes, Cut, FailInside, Provider, Reset, Say, Status, Step

KEY = "canary-of-no-known-shape-7f3a9"  # the provider's: known to us as a secret
SHAPED = "sk-canary0123456789abcdefcanary"  # of a stranger: known by its shape
PROMPT = "canary: what only the model may read"
ANSWER = "canary: what only the caller may read"
TOKEN_TRIED = "mlg-canary-tried-0123456789ABCDEF0123456789"

ECHO = json.dumps({"error": {"message": f"bad key {KEY} and {SHAPED} for {PROMPT}", "code": KEY, "param": SHAPED}})
STEPS: dict[str, Step] = {
    "answer": Say(ANSWER),
    "bad-request": Status(400, ECHO),
    "refused-key": Status(401, ECHO, {"x-request-id": SHAPED}),
    "rate-limit": Status(429, ECHO, {"retry-after": "60"}),
    "server-error": Status(500, ECHO),
    "web-page": Status(502, f"<html>{KEY} {SHAPED} {PROMPT}</html>", content_type="text/html"),
    "nonsense": Bytes(f"data: {KEY} {SHAPED} {PROMPT}\n\n".encode(), content_type="text/event-stream"),
    "no-json": Bytes(f"{KEY} {SHAPED} {PROMPT}".encode()),
    "cut": Cut(ANSWER),
    "broken": FailInside(ANSWER, {"type": KEY, "message": f"{KEY} {SHAPED} {PROMPT}"}),
    "reset": Reset(),
}
ROOMS = ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/embeddings", "/v1/messages/count_tokens")
CONTROL = ("status", "targets", "routes", "requests", "usage", "providers", "aliases")


def test_no_sink_holds_a_secret_or_a_word_of_what_was_said(tmp_path: Path) -> None:
    home, stderr = tmp_path / "home", tmp_path / "stderr"
    with ExitStack() as stack:
        collector = stack.enter_context(Collector())
        labs = {name: stack.enter_context(Provider(step)) for name, step in STEPS.items()}
        settings = {
            "providers": {
                name: {"baseUrl": lab.url, "apiKey": "${LAB_KEY}", "models": ["m"]} for name, lab in labs.items()
            },
            "gateway": {"otel": collector.url},
            "aliases": {"fast": [f"{name}/m" for name in labs]},
        }
        environ = {"LAB_KEY": KEY, "MINI_LLM_DEBUG": "1"}
        said = stack.enter_context(stderr.open("wb"))
        gateway = stack.enter_context(started(home, {}, settings, environ=environ, stderr=said))
        answers = [_ask(gateway, room, f"{name}/m", stream) for name in labs for room in ROOMS for stream in (0, 1)]
        answers += [answer for room in ROOMS for answer in _try_to_hide_a_secret(gateway, room)]
        told = _told_by(gateway)
        wait_for(lambda: (home / "logs" / "gateway.log").exists() or None, "the log")
        assert all(lab.seen[0].headers["authorization"] == f"Bearer {KEY}" for lab in labs.values())
    assert not [answer for answer in answers if KEY in answer], "a caller was told the provider's key"
    told |= {"traces": collector.raw, "stderr": stderr.read_bytes(), **_files(home)}
    assert len(told["traces"]) > 10_000
    assert len(told["logs/gateway.log"]) > 10_000
    for canary in (KEY, SHAPED, PROMPT, ANSWER, TOKEN_TRIED, gateway.token):
        found = [sink for sink, content in told.items() if canary.encode() in content]
        assert not found, f"{canary!r} stands in {found}"


def _ask(gateway: Running, room: str, model: str, stream: int, **odd: str) -> str:
    """Ask with a secret wherever one can stand; return all that was answered."""
    said = f"{PROMPT} {KEY}"
    body: dict[str, Any] = {"stream": bool(stream), "max_tokens": 9, "user": SHAPED, "metadata": {"user_id": SHAPED}}
    body |= {"input": said} if room in ("/v1/responses", "/v1/embeddings") else {"messages": [_user(said)]}
    headers = {
        **gateway.headers,
        "content-type": "application/json",
        "x-request-id": SHAPED,
        "user-agent": f"canary {SHAPED}",
        "x-custom": SHAPED,
        "traceparent": SHAPED,
        "cookie": f"session={SHAPED}",
        "referer": f"http://127.0.0.1/?key={SHAPED}",
        **({"authorization": odd["authorization"]} if "authorization" in odd else {}),
    }
    url = f"{gateway.url}{room}?trace={SHAPED}"
    content = odd.get("content") or json.dumps({**body, "model": model})
    answer = httpx.post(url, headers=headers, content=content, timeout=60)
    return f"{answer.headers} {answer.text}"


def _user(said: str) -> dict[str, str]:
    return {"role": "user", "content": said}


def _try_to_hide_a_secret(gateway: Running, room: str) -> list[str]:
    """Ask in ways that are refused."""
    return [
        _ask(gateway, room, f"answer/{SHAPED}", 0),
        _ask(gateway, room, f"answer/{KEY}", 1),
        _ask(gateway, room, f"{SHAPED}/m", 0),
        _ask(gateway, room, "fast", 0, authorization=f"Bearer {TOKEN_TRIED}"),
        _ask(gateway, f"{room}/{SHAPED}", "fast", 0),
        _ask(gateway, room, "", 0, content=f'{{"model": "fast", "{SHAPED}": {PROMPT}'),
    ]


def _told_by(gateway: Running) -> dict[str, bytes]:
    told = {"metrics": httpx.get(f"{gateway.url}/metrics", headers=gateway.headers).content}
    for name in CONTROL:
        answer = httpx.get(f"{gateway.url}/control/v1/{name}", headers=gateway.headers)
        assert answer.status_code == 200
        told[f"control {name}"] = answer.content
    return told


def _files(home: Path) -> dict[str, bytes]:
    """Return every file of the home but the one that holds the token."""
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and path.name != "gateway.token"
    }
