"""What the Gemini API has beside generateContent: embeddings, token counts, the list of models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mini_llm.dialects import gemini, model_list
from mini_llm.dialects.gemini import count_tokens, embeddings
from mini_llm.errors import ModelMissingError, ProtocolError, TranslationError, UpstreamError, UsageError
from mini_llm.types import EmbedRequest, EmbedResponse, Model, Usage
from tests.dialects.reading import WIRE


def recorded(dialect: str) -> list[Any]:
    if not (WIRE / "index.jsonl").exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="no recordings in ../shared/wire"))]
    entries = map(json.loads, (WIRE / "index.jsonl").read_text(encoding="utf-8").splitlines())
    files = [entry["file"] for entry in entries if entry["dialect"] == dialect and "google" in entry["provider"]]
    return [pytest.param(json.loads((WIRE / file).read_text(encoding="utf-8")), id=Path(file).stem) for file in files]


def failure(exchange: Any) -> UpstreamError | None:
    status, body = exchange["response"]["status"], exchange["response"]["body"]
    return None if status == 200 else gemini.decode_error(status, {}, json.dumps(body).encode())


@pytest.mark.parametrize("exchange", recorded("gemini-embeddings"))
def test_recorded_embeddings_are_read(exchange: Any) -> None:
    if error := failure(exchange):
        assert isinstance(error, ModelMissingError)
        return
    body = exchange["response"]["body"]
    rows = body.get("embeddings") or [row["embeddings"] for row in body["predictions"]]
    response = embeddings.decode_response(body, len(rows))
    assert [list(vector) for vector in response.vectors] == [row["values"] for row in rows]
    assert response.usage is not None and response.usage.input_tokens > 0
    asked = exchange["request"]["body"]
    if "requests" in asked and "inline_data" not in json.dumps(asked):
        request = embeddings.decode_request(asked)
        assert embeddings.encode_request(request) == asked


def test_embeddings_of_texts_go_both_ways() -> None:
    request = EmbedRequest("gemini-embedding-2", ("a", "b"), 3)
    assert embeddings.decode_request(embeddings.encode_request(request)) == request
    alone = embeddings.decode_request({"content": {"parts": [{"text": "a"}]}, "output_dimensionality": 3})
    assert alone == EmbedRequest("", ("a",), 3)
    response = EmbedResponse("m", ((0.1, 0.2), (0.3, 0.4)), Usage(input_tokens=2))
    again = embeddings.decode_response(embeddings.encode_response(response), 2, model="m")
    assert again.vectors == response.vectors and again.usage is not None and again.usage.input_tokens == 2
    assert embeddings.encode_response(response, alone=True)["embedding"] == {"values": [0.1, 0.2]}


def test_embeddings_that_cannot_be_are_refused() -> None:
    picture = {"content": {"parts": [{"inlineData": {}}]}}
    for body, kind in (({**picture}, TranslationError), ({"requests": [{}]}, UsageError), ({}, UsageError)):
        with pytest.raises(kind):
            embeddings.decode_request(body)
    with pytest.raises(TranslationError, match="taskType"):
        embeddings.decode_request({"content": {"parts": [{"text": "a"}]}, "taskType": "CLUSTERING"})
    for answered in ({}, {"embeddings": [{"values": []}]}, {"embeddings": [{"values": ["x"]}]}):
        with pytest.raises(ProtocolError):
            embeddings.decode_response(answered, 1)


@pytest.mark.parametrize("exchange", recorded("gemini-count-tokens"))
def test_recorded_counts_are_read(exchange: Any) -> None:
    if error := failure(exchange):
        assert isinstance(error, ModelMissingError)
        return
    body = exchange["response"]["body"]
    assert count_tokens.decode_response(body).input_tokens == body["totalTokens"]
    request = count_tokens.decode_request(exchange["request"]["body"])
    again = count_tokens.decode_request(count_tokens.encode_request(request._replace(model="m")))
    assert again == request._replace(model="m")


def test_a_count_goes_both_ways() -> None:
    assert count_tokens.encode_response(count_tokens.decode_response({"totalTokens": 7})) == {"totalTokens": 7}
    for body in ({}, {"totalTokens": "7"}):
        with pytest.raises(ProtocolError):
            count_tokens.decode_response(body)


@pytest.mark.parametrize("exchange", recorded("model-list"))
def test_a_recorded_list_of_models_fails_as_it_should(exchange: Any) -> None:
    assert type(failure(exchange)).__name__ == "AuthError"


def test_lists_of_models_are_read_in_every_form() -> None:
    ours = model_list.encode_gemini([Model("p", "a/b", context_window=9, max_output=3), Model("p", "c")])
    assert model_list.decode(ours) == ("a/b", "c")
    assert model_list.decode({"data": [{"id": "x"}, {"id": 5}, "y"]}) == ("x",)
    assert model_list.decode({"models": [{"name": "llama:8b", "model": "llama:8b"}]}) == ("llama:8b",)
    assert model_list.path("gemini") == "/models?pageSize=1000" and model_list.path("openai_chat") == "/models"
