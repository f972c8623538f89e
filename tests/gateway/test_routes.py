"""Every room there is: nobody comes in without a token, and no request chooses where it goes."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mini_llm.gateway import routes
from mini_llm.gateway.guard import Guard, hosts
from mini_llm.gateway.tokens import MAIN, Caller, digest
from tests.gateway.running import InThread, running
from tests.upstream import Provider

KEY = "sk-configured-0123456789"
TOOL_TOKEN = "ml-a-token-of-a-tool-0123456789"
OPEN = {("GET", "/"), ("HEAD", "/"), ("GET", "/livez")}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
PATHS = sorted({re.sub(r"\{\w+\}", "lab%2Fm", path) for _, path, _ in routes.table()})
TABLE = [(method, path, room.access) for path in PATHS for method, room in (routes.find(path) or {}).items()]


class Canary:
    """A server that nobody may call."""

    def __init__(self) -> None:
        self.calls = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/v1"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self.calls += 1
                connection.close()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    server = Canary()
    yield server
    server.close()
    assert server.calls == 0


@pytest.fixture(scope="module")
def upstream() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def gateway(upstream: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InThread]:
    home = tmp_path_factory.mktemp("routes") / "home"
    dialects = {"lab": "openai", "claude": "anthropic", "google": "gemini", "near": "ollama"}
    providers = {
        name: {"baseUrl": upstream.url, "dialect": dialect, "models": ["m"], "apiKey": KEY}
        for name, dialect in dialects.items()
    }
    with running(home, {}, {"providers": providers, "aliases": {"fast": "lab/m", "a/b": "lab/m"}}) as begun:
        known = {digest(begun.token): MAIN, digest(TOOL_TOKEN): Caller("codex", "codex")}
        begun.gateway.guard = Guard(hosts(begun.port), known)
        yield begun


def ask(gateway: InThread, method: str, path: str, token: str = "", **more: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    headers |= more.pop("headers", {})
    return httpx.request(method, gateway.url + path, headers=headers, timeout=20, verify=False, **more)


def test_only_these_rooms_are_open() -> None:
    assert {path for _, path, _ in TABLE} == set(PATHS)
    assert {(method, path) for method, path, access in TABLE if access == "open"} == OPEN
    assert {access for _, _, access in TABLE} <= {"open", "caller", "admin"}


@pytest.mark.parametrize(("method", "path", "access"), TABLE, ids=lambda value: str(value))
def test_nobody_comes_in_without_a_token(
    gateway: InThread, upstream: Provider, method: str, path: str, access: str
) -> None:
    before = len(upstream.seen)
    wrong = ["", "wrong", gateway.token[:-1] + "!", "ml-" + "x" * 43]
    found = {ask(gateway, method, path, token, json={}).status_code for token in wrong}
    assert found == ({200} if access == "open" else {401})
    if access == "admin":
        assert ask(gateway, method, path, TOOL_TOKEN, json={}).status_code == 403
    assert len(upstream.seen) == before


@pytest.mark.parametrize("path", PATHS)
def test_no_room_answers_to_another_method(gateway: InThread, path: str) -> None:
    listed = {method for method, known, _ in TABLE if known == path}
    others = [method for method in METHODS if method not in listed]
    assert {ask(gateway, method, path, gateway.token).status_code for method in others} == {405}


def test_what_is_open_always_says_the_same(gateway: InThread) -> None:
    for method, path in OPEN:
        usual = ask(gateway, method, path)
        others: list[dict[str, Any]] = [
            {"params": {"a": gateway.token}},
            {"headers": {"authorization": "Bearer x"}},
            {"json": {"a": 1}},
        ]
        for more in others:
            other = ask(gateway, method, path, **more)
            assert (other.status_code, other.content) == (usual.status_code, usual.content)
        assert not {"server", "x-powered-by", "access-control-allow-origin"} & usual.headers.keys()
        assert usual.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/docs", "/redoc", "/openapi.json", "/debug", "/debug/pprof/", "/health", "/v1", "/admin", "/.env", "/v1/keys"],
)
def test_there_is_nothing_but_the_table(gateway: InThread, path: str) -> None:
    for token in ("", gateway.token):
        answer = ask(gateway, "GET", path, token)
        assert answer.status_code == 404 and answer.headers["x-content-type-options"] == "nosniff"


def test_no_page_is_ever_allowed_to_read_an_answer(gateway: InThread) -> None:
    headers = {"access-control-request-method": "POST", "access-control-request-private-network": "true"}
    for path in PATHS:
        answer = ask(gateway, "OPTIONS", path, headers=headers)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("prefix", ["/v1", "/v1beta"])
@pytest.mark.parametrize("action", ["generateContent", "streamGenerateContent?alt=sse", "embedContent"])
@pytest.mark.parametrize(
    "name",
    ["lab/m", "lab%2Fm", "fast", "a/b", "a%2fb", "anthropic%2Ffast", "models/fast", "fast%5B1m%5D", "lab%2Fm:8b"],
)
def test_a_model_can_be_named_in_a_path_in_every_way(
    gateway: InThread, upstream: Provider, prefix: str, action: str, name: str
) -> None:
    content = {"parts": [{"text": "Hi"}]}
    body = {"content": content} if action == "embedContent" else {"contents": [content]}
    answer = ask(gateway, "POST", f"{prefix}/models/{name}:{action}", gateway.token, json=body)
    assert answer.status_code == 200, answer.text
    assert upstream.seen[-1].body["model"] == ("m:8b" if name.endswith(":8b") else "m")


@pytest.mark.parametrize("name", ["..", "%2e%2e/%2e%2e", "lab%2F..%2Fm", "lab%2F%00", "lab%2F", "", "x" * 2000])
def test_a_name_that_leads_elsewhere_is_nobodys(gateway: InThread, upstream: Provider, name: str) -> None:
    before = len(upstream.seen)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        head = f"POST /v1beta/models/{name}:generateContent HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\n"
        fields = f"x-goog-api-key: {gateway.token}\r\nContent-Type: application/json\r\nConnection: close\r\n"
        connection.sendall(f"{head}{fields}Content-Length: 2\r\n\r\n{{}}".encode())
        answer = connection.recv(65536)
    assert answer.split(b" ")[1] in (b"400", b"404", b"405"), answer
    assert all(".." not in seen.path for seen in upstream.seen[before:])


STEERING = [
    *("api_base", "base_url", "baseUrl", "baseURL", "api_key", "apiKey", "headers", "extra_headers", "extra_body"),
    *("extra_query", "endpoint", "host", "url", "proxy", "http_proxy", "custom_llm_provider", "litellm_params"),
    *("fallbacks", "providers", "provider", "model_list", "user_config", "authorization", "organization"),
    *("target_url", "api_version"),
]
STEERING_HEADERS = [
    *("api-base", "x-api-base", "base-url", "openai-base-url", "x-target-url", "helicone-target-url", "cookie"),
    *("x-portkey-custom-host", "x-portkey-config", "x-forwarded-host", "x-forwarded-for", "forwarded"),
    *("x-original-url", "x-rewrite-url", "proxy-authorization", "x-mini-llm-base-url", "x-mini-llm-provider"),
    *("x-http-method-override", "openai-organization"),
]
MESSAGES = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {"model": "lab/m", "messages": MESSAGES, "metadata": {}}),
    ("/v1/chat/completions", {"model": "claude/m", "messages": MESSAGES}),
    ("/v1/responses", {"model": "lab/m", "input": [{"role": "user", "content": "Hi"}]}),
    ("/v1/messages", {"model": "claude/m", "messages": MESSAGES, "max_tokens": 5, "metadata": {}}),
    ("/v1/messages", {"model": "google/m", "messages": MESSAGES, "max_tokens": 5}),
    ("/v1/messages/count_tokens", {"model": "claude/m", "messages": MESSAGES}),
    ("/v1/embeddings", {"model": "lab/m", "input": ["a"]}),
    ("/v1/completions", {"model": "lab/m", "prompt": "a"}),
    ("/v1/rerank", {"model": "lab/m", "query": "a", "documents": ["b"]}),
    ("/v1/images/generations", {"model": "lab/m", "prompt": "a"}),
    ("/v1beta/models/google%2Fm:generateContent", {"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": {}}),
    ("/v1beta/models/google%2Fm:embedContent", {"content": {"parts": [{"text": "Hi"}]}}),
]


def _places(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in *value*, itself first."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _places(one)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_request_steers_the_upstream(
    gateway: InThread, upstream: Provider, canary: Canary, data: st.DataObject
) -> None:
    path, body = data.draw(st.sampled_from(REQUESTS))
    body = json.loads(json.dumps(body))
    bait: list[Any] = [canary.url, {"authorization": "Bearer sk-canary", "host": canary.url}, [canary.url], "sk-canary"]
    for place in data.draw(st.lists(st.sampled_from(list(_places(body))), max_size=4)):
        place.setdefault(data.draw(st.sampled_from(STEERING)), data.draw(st.sampled_from(bait)))
    names = st.lists(st.sampled_from([name for name in STEERING if name not in ("api_key", "apiKey")]), max_size=3)
    params = {name: canary.url for name in data.draw(names)}
    headers = {name: canary.url for name in data.draw(st.lists(st.sampled_from(STEERING_HEADERS), max_size=4))}
    before = len(upstream.seen)
    ask(gateway, "POST", path, gateway.token, json=body, params=params, headers=headers)
    assert canary.calls == 0
    for seen in upstream.seen[before:]:
        sent = seen.headers
        assert sent["authorization"] == f"Bearer {KEY}" and sent["host"] == f"127.0.0.1:{upstream.port}"
        assert canary.url not in seen.path and "sk-canary" not in seen.path
        assert not {*STEERING_HEADERS, "x-api-key", "x-goog-api-key", "api-key"} & sent.keys()
        assert not [value for value in sent.values() if canary.url in value or "canary" in value]
        assert gateway.token not in json.dumps(sent) + seen.path + seen.raw.decode()


def test_these_requests_reach_the_upstream_when_nothing_is_wrong_with_them(
    gateway: InThread, upstream: Provider
) -> None:
    for path, body in REQUESTS:
        before = len(upstream.seen)
        ask(gateway, "POST", path, gateway.token, json=body)
        assert len(upstream.seen) > before, path


@pytest.mark.parametrize("model", ["lab/m", "claude/m", "google/m", "near/m"])
def test_no_address_in_a_request_is_fetched(gateway: InThread, canary: Canary, model: str) -> None:
    picture = {"type": "image_url", "image_url": {"url": f"{canary.url}/a.png"}}
    file = {"type": "file", "file": {"file_data": f"{canary.url}/a.pdf", "filename": "a.pdf"}}
    for part in (picture, file):
        body = {"model": model, "messages": [{"role": "user", "content": [part]}]}
        ask(gateway, "POST", "/v1/chat/completions", gateway.token, json=body)
    block = {"type": "image", "source": {"type": "url", "url": f"{canary.url}/a.png"}}
    whole = {"model": model, "max_tokens": 5, "messages": [{"role": "user", "content": [block]}]}
    ask(gateway, "POST", "/v1/messages", gateway.token, json=whole)
    assert canary.calls == 0


def test_the_canary_hears_when_it_is_called(canary: Canary) -> None:
    with suppress(httpx.HTTPError):
        httpx.get(canary.url, timeout=5)
    heard, canary.calls = canary.calls, 0
    assert heard >= 1
