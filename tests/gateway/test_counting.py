"""How long a prompt would be: counted by the provider where it can, else estimated and marked as that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.running import InThread, running
from tests.sdks.install import SDKS, Sdk
from tests.sdks.test_sdks import _run as run_driver
from tests.upstream import Bytes, Provider, Status

PROMPT = "word " * 80  # 400 characters: 100 tokens by the rule
TOOL = {"name": "look", "description": "d" * 100, "input_schema": {"type": "object"}}
ASKED: dict[str, tuple[str, Any, str, dict[str, Any]]] = {
    "anthropic": (
        "/v1/messages/count_tokens?beta=true",
        {"model": "e", "messages": [{"role": "user", "content": PROMPT}]},
        "/v1/messages/count_tokens",
        {"input_tokens": 42},
    ),
    "gemini": (
        "/v1beta/models/e:countTokens",
        {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}]},
        "/v1/models/m:countTokens",
        {"totalTokens": 42},
    ),
    "responses": (
        "/v1/responses/input_tokens",
        {"model": "e", "input": PROMPT},
        "/v1/responses/input_tokens",
        {"object": "response.input_tokens", "input_tokens": 42},
    ),
}
EVERY = pytest.mark.parametrize("dialect", ASKED)


@contextmanager
def gateway(home: Path, dialect: str, provider: Provider) -> Iterator[InThread]:
    lab = {"baseUrl": provider.url, "dialect": dialect, "models": ["m"]}
    with running(home / "home", {}, {"providers": {"lab": lab}, "aliases": {"e": "lab/m"}}) as begun:
        yield begun


def ask(gateway: InThread, path: str, body: Any, **headers: str) -> httpx.Response:
    return httpx.post(gateway.url + path, headers=gateway.headers | headers, json=body, timeout=20, verify=False)


def count(answer: httpx.Response) -> int:
    told = answer.json()
    return int(told.get("input_tokens") or told["totalTokens"])


@EVERY
def test_a_provider_that_counts_in_the_same_words_is_asked(tmp_path: Path, dialect: str) -> None:
    path, body, their_path, told = ASKED[dialect]
    with Provider(Bytes(json.dumps(told).encode())) as lab, gateway(tmp_path, dialect, lab) as running:
        answer = ask(running, path, body, **{"anthropic-beta": "b-1"})
        assert answer.json() == told and "x-mini-llm-estimated" not in answer.headers
        assert lab.seen[0].path == their_path
        assert lab.seen[0].body == (body | {"model": "m"} if "model" in body else body)
        if dialect == "anthropic":
            assert lab.seen[0].headers["anthropic-beta"] == "b-1"
        assert not running.rows()  # nothing was spent


@EVERY
def test_an_estimate_says_that_it_is_one(tmp_path: Path, dialect: str) -> None:
    path, body, _, _ = ASKED[dialect]
    with Provider() as lab, gateway(tmp_path, "openai", lab) as running:
        answer = ask(running, path, body)
        assert count(answer) == 100 and answer.headers["x-mini-llm-estimated"] == "true"
        assert not lab.seen


def test_tools_count_as_well(tmp_path: Path) -> None:
    path, body, _, _ = ASKED["anthropic"]
    with Provider() as lab, gateway(tmp_path, "openai", lab) as running:
        assert count(ask(running, path, body | {"tools": [TOOL]})) == 100 + (4 + 100 + 17) // 4


@EVERY
@pytest.mark.parametrize("broken", [Status(404), Status(401), Status(529), Bytes(b"{}"), Bytes(b"nonsense")])
def test_a_provider_that_cannot_count_leaves_the_estimate(tmp_path: Path, dialect: str, broken: Any) -> None:
    path, body, _, _ = ASKED[dialect]
    with Provider(broken) as lab, gateway(tmp_path, dialect, lab) as running:
        answer = ask(running, path, body)
        assert count(answer) == 100 and answer.headers["x-mini-llm-estimated"] == "true"
        assert len(lab.seen) == 1


@EVERY
def test_what_is_wrong_with_the_prompt_is_told(tmp_path: Path, dialect: str) -> None:
    path, body, _, _ = ASKED[dialect]
    wrong = Status(400, {"error": {"type": "invalid_request_error", "message": "no such role"}})
    with Provider(wrong) as lab, gateway(tmp_path, dialect, lab) as running:
        answer = ask(running, path, body)
        assert answer.status_code == 400 and "no such role" in answer.text


def test_a_whole_gemini_request_is_counted_for_the_model_of_the_target(tmp_path: Path) -> None:
    inner = {"model": "models/e", "contents": [{"parts": [{"text": "a"}]}], "systemInstruction": {"parts": []}}
    with Provider(Bytes(b'{"totalTokens": 1}')) as lab, gateway(tmp_path, "gemini", lab) as running:
        assert count(ask(running, "/v1/models/lab%2Fm:countTokens", {"generateContentRequest": inner})) == 1
        assert lab.seen[0].body == {"generateContentRequest": inner | {"model": "models/m"}}


@pytest.mark.parametrize(("name", "status"), [("nowhere", 404), ("anthropic/nowhere", 502)])  # 502: it has no key
def test_an_unknown_model_is_told_in_the_callers_words(tmp_path: Path, name: str, status: int) -> None:
    with Provider() as lab, gateway(tmp_path, "openai", lab) as running:
        answer = ask(running, "/v1/messages/count_tokens", {"model": name, "messages": []})
        assert answer.status_code == status and answer.json()["type"] == "error"


@EVERY
def test_the_names_that_claude_code_gives_models_are_understood(tmp_path: Path, dialect: str) -> None:
    path, body, _, told = ASKED[dialect]
    with Provider(Bytes(json.dumps(told).encode())) as lab, gateway(tmp_path, dialect, lab) as running:
        for name in ("anthropic/e", "e[1m]", "anthropic/e[1m]", "models/e", "lab/m", "lab/m[1m]"):
            renamed = body | {"model": name} if "model" in body else body
            asked = path.replace("/e:", f"/{name}:")
            assert count(ask(running, asked, renamed)) == 42
            assert lab.seen[-1].body == (body | {"model": "m"} if "model" in body else body)


@pytest.mark.parametrize("sdk", [sdk for sdk in SDKS if sdk.package in ("anthropic", "google-genai")], ids=str)
@pytest.mark.parametrize("counted", [True, False], ids=["counted", "estimated"])
def test_the_official_sdks_read_the_count(tmp_path: Path, sdk: Sdk, counted: bool) -> None:
    if not sdk.ready:
        pytest.skip(f"{sdk} is not here: run `python tests/sdks/install.py`")
    dialect = "anthropic" if sdk.package == "anthropic" else "gemini"
    script = Bytes(json.dumps(ASKED[dialect][3]).encode())
    with Provider(script) as lab, gateway(tmp_path, dialect if counted else "openai", lab) as running:
        done = run_driver([str(sdk.python), "-c", SPEAKING[sdk.package], running.url, running.token, PROMPT], "")
    assert done.stdout.strip() == ("42" if counted else "100"), done.stderr[-2000:]


SPEAKING = {
    "anthropic": """
import anthropic, sys
client = anthropic.Anthropic(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0)
print(client.messages.count_tokens(model="e", messages=[{"role": "user", "content": sys.argv[3]}]).input_tokens)
""",
    "google-genai": """
import sys
from google import genai
from google.genai import types
client = genai.Client(api_key=sys.argv[2], http_options=types.HttpOptions(base_url=sys.argv[1]))
print(client.models.count_tokens(model="e", contents=sys.argv[3]).total_tokens)
""",
}
