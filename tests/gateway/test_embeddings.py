"""Embeddings through the gateway: OpenAI's callers and Gemini's, providers of their own kind and of others."""

from __future__ import annotations

import base64
import json
import struct
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

VECTORS = [[0.5, -1.0], [0.25, 2.0]]
OPENAI = {
    "object": "list",
    "model": "e-1",
    "data": [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(VECTORS)],
    "usage": {"prompt_tokens": 7, "total_tokens": 7},
}
GEMINI = {"embeddings": [{"values": vector} for vector in VECTORS], "usageMetadata": {"promptTokenCount": 7}}


def packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def script(body: Any) -> Bytes:
    return Bytes(json.dumps(body).encode())


@contextmanager
def gateway(home: Path, **providers: tuple[str, Provider]) -> Iterator[InThread]:
    """Run a gateway over providers of the dialects given, and an alias `e` for all of them in order."""
    configured = {
        name: {"baseUrl": one.url, "dialect": dialect, "models": ["m"]} for name, (dialect, one) in providers.items()
    }
    settings = {"providers": configured, "aliases": {"e": [f"{name}/m" for name in providers]}}
    with running(home / "home", {}, settings) as begun:
        yield begun


def ask(gateway: InThread, body: Any, path: str = "/v1/embeddings") -> httpx.Response:
    return httpx.post(gateway.url + path, headers=gateway.headers, json=body, timeout=20, verify=False)


def test_a_request_to_a_provider_like_openai_passes_as_it_is_but_for_the_models_name(tmp_path: Path) -> None:
    with Provider(script(OPENAI)) as lab, gateway(tmp_path, lab=("openai", lab)) as running:
        raw = b'{"input" : ["a", "b"],"model": "e", "future": {"model": "x"}}'
        headers = running.headers | {"content-type": "application/json"}
        answer = httpx.post(f"{running.url}/v1/embeddings", headers=headers, content=raw)
        assert answer.status_code == 200 and answer.json() == OPENAI
        assert lab.seen[0].raw == raw.replace(b'"e"', b'"m"') and lab.seen[0].path == "/v1/embeddings"
        assert answer.headers["x-mini-llm-provider"] == "lab" and answer.headers["x-mini-llm-model"] == "m"
        (row,) = running.rows(1)
        assert (row["status"], row["input_tokens"], row["provider"]) == ("ok", 7, "lab")


@pytest.mark.parametrize("given", [VECTORS, [packed(vector) for vector in VECTORS]], ids=["numbers", "base64"])
@pytest.mark.parametrize("wanted", [None, "float", "base64"])
def test_vectors_come_in_the_form_that_was_asked_for(tmp_path: Path, given: list[Any], wanted: str | None) -> None:
    told = OPENAI | {"data": [{"index": at, "embedding": one} for at, one in enumerate(given)]}
    body = {"model": "e", "input": ["a", "b"]} | ({"encoding_format": wanted} if wanted else {})
    with Provider(script(told)) as lab, gateway(tmp_path, lab=("openai", lab)) as running:
        rows = ask(running, body).json()["data"]
    expected = [packed(vector) for vector in VECTORS] if wanted == "base64" else VECTORS
    assert [row["embedding"] for row in rows] == expected


@pytest.mark.parametrize("tokens", [[1, 2, 3], [[1, 2], [3]]])
def test_token_numbers_go_to_a_provider_like_openai_and_to_no_other(tmp_path: Path, tokens: list[Any]) -> None:
    count = len(tokens) if isinstance(tokens[0], list) else 1
    told = OPENAI | {"data": [{"index": at, "embedding": [1.0]} for at in range(count)]}
    with (
        Provider() as google,
        Provider(script(told)) as lab,
        gateway(tmp_path, google=("gemini", google), lab=("openai", lab)) as running,
    ):
        assert ask(running, {"model": "e", "input": tokens}).status_code == 200
        assert lab.seen[0].body["input"] == tokens and not google.seen
        refused = ask(running, {"model": "google/m", "input": tokens})
        assert refused.status_code == 400 and "token" in refused.json()["error"]["message"]


@pytest.mark.parametrize("form", ["float", "base64"])
def test_a_gemini_provider_answers_an_openai_caller(tmp_path: Path, form: str) -> None:
    with Provider(script(GEMINI)) as google, gateway(tmp_path, google=("gemini", google)) as running:
        body = {"model": "e", "input": ["a", "b"], "dimensions": 2, "encoding_format": form, "user": "u"}
        answer = ask(running, body)
        assert google.seen[0].path == "/v1/models/m:batchEmbedContents"
        assert [one["outputDimensionality"] for one in google.seen[0].body["requests"]] == [2, 2]
        rows = answer.json()["data"]
        assert [row["embedding"] for row in rows] == (VECTORS if form == "float" else [packed(one) for one in VECTORS])
        assert answer.json()["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
        assert answer.headers["x-mini-llm-dropped"] == "user"
        refused = ask(running, body | {"input_type": "query"})
        assert refused.status_code == 400 and "input_type" in refused.json()["error"]["message"]


@pytest.mark.parametrize("prefix", ["/v1", "/v1beta"])
@pytest.mark.parametrize("name", ["e", "lab%2Fm", "lab/m"])
def test_an_openai_provider_answers_a_gemini_caller(tmp_path: Path, prefix: str, name: str) -> None:
    with Provider(script(OPENAI)) as lab, gateway(tmp_path, lab=("openai", lab)) as running:
        contents = [{"model": f"models/{name}", "content": {"parts": [{"text": text}]}} for text in ("a", "b")]
        answer = ask(running, {"requests": contents}, f"{prefix}/models/{name}:batchEmbedContents")
        assert answer.json() == GEMINI
        assert lab.seen[0].body == {"model": "m", "input": ["a", "b"], "encoding_format": "float"}


def test_one_text_of_a_gemini_caller_has_one_embedding(tmp_path: Path) -> None:
    told = OPENAI | {"data": [{"index": 0, "embedding": [0.5, -1.0]}]}
    with Provider(script(told)) as lab, gateway(tmp_path, lab=("openai", lab)) as running:
        answer = ask(running, {"content": {"parts": [{"text": "a"}]}}, "/v1beta/models/e:embedContent")
        assert answer.json()["embedding"] == {"values": [0.5, -1.0]}


def test_a_gemini_request_to_gemini_keeps_what_only_gemini_knows(tmp_path: Path) -> None:
    with Provider(script(GEMINI)) as google, gateway(tmp_path, google=("gemini", google)) as running:
        one = {"model": "models/e", "content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY"}
        answer = ask(running, {"requests": [one, one]}, "/v1beta/models/e:batchEmbedContents")
        assert answer.json() == GEMINI
        assert google.seen[0].path == "/v1/models/m:batchEmbedContents"
        assert google.seen[0].body == {"requests": [one | {"model": "models/m"}] * 2}


@pytest.mark.parametrize("broken", [Status(500), script({"data": []}), script({"data": [1, 2]}), Bytes(b"nonsense")])
def test_the_next_provider_is_asked_when_the_first_fails(tmp_path: Path, broken: Any) -> None:
    with (
        Provider(broken) as first,
        Provider(script(GEMINI)) as second,
        gateway(tmp_path, first=("openai", first), second=("gemini", second)) as running,
    ):
        answer = ask(running, {"model": "e", "input": ["a", "b"]})
        assert answer.status_code == 200 and answer.headers["x-mini-llm-provider"] == "second"
        assert [row["status"] for row in running.rows(2)][-2:] == ["failed", "ok"]


def test_what_is_no_request_is_told_so(tmp_path: Path) -> None:
    with Provider() as lab, gateway(tmp_path, lab=("openai", lab)) as running:
        bodies: list[Any] = [{}, {"model": 1, "input": "a"}, {"model": "e", "input": "a", "encoding_format": "x"}, []]
        assert [ask(running, body).status_code for body in bodies] == [400] * 4
        assert not lab.seen
        assert ask(running, {"model": "nowhere", "input": "a"}).status_code == 404


@pytest.mark.parametrize("sdk", [sdk for sdk in SDKS if sdk.package in ("openai", "google-genai")], ids=str)
@pytest.mark.parametrize("dialect", ["openai", "gemini"])
def test_the_official_sdks_read_the_vectors(tmp_path: Path, sdk: Sdk, dialect: str) -> None:
    if not sdk.ready:
        pytest.skip(f"{sdk} is not here: run `python tests/sdks/install.py`")
    told = script(OPENAI if dialect == "openai" else GEMINI)
    with Provider(told) as lab, gateway(tmp_path, lab=(dialect, lab)) as running:
        done = run_driver([str(sdk.python), "-c", SPEAKING[sdk.package], running.url, running.token], "")
    assert json.loads(done.stdout) == VECTORS, done.stderr[-2000:]


SPEAKING = {
    "openai": """
import json, openai, sys
client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key=sys.argv[2], max_retries=0)
print(json.dumps([row.embedding for row in client.embeddings.create(model="e", input=["a", "b"]).data]))
""",
    "google-genai": """
import json, sys
from google import genai
from google.genai import types
client = genai.Client(api_key=sys.argv[2], http_options=types.HttpOptions(base_url=sys.argv[1]))
print(json.dumps([row.values for row in client.models.embed_content(model="e", contents=["a", "b"]).embeddings]))
""",
}
