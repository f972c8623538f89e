"""Embeddings: every dialect that has them gives the vectors in the order of the texts, or one clear error."""

from __future__ import annotations

from typing import Any

import pytest

from mini_llm import dialects
from mini_llm.errors import ProtocolError
from mini_llm.types import EmbedRequest

REQUEST = EmbedRequest("m", ("a", "b"), 2)
ONE, TWO = [1.0, 2.0], [3.0, 4.0]
ANSWERS: dict[str, dict[str, Any]] = {
    "openai_chat": {"data": [{"index": 1, "embedding": TWO}, {"index": 0, "embedding": ONE}], "model": "m"},
    "gemini": {"embeddings": [{"values": ONE}, {"values": TWO}]},
    "cohere": {"embeddings": {"float": [ONE, TWO]}, "meta": {"billed_units": {"input_tokens": 3}}},
    "ollama": {"embeddings": [ONE, TWO], "prompt_eval_count": 3, "model": "m"},
}
NONSENSE = ([], {}, [ONE], [ONE, []], [ONE, ["x"]], [ONE, None], "text", None, [[True, 1], TWO])


def wire(dialect: str) -> dialects.Embeddings:
    found = dialects.embeddings(dialect)
    assert found is not None
    return found


@pytest.mark.parametrize("dialect", ANSWERS)
def test_vectors_come_in_the_order_of_the_texts(dialect: str) -> None:
    response = wire(dialect).decode_response(ANSWERS[dialect], 2, model="m")
    assert response.vectors == (tuple(ONE), tuple(TWO))
    assert response.model == "m"


@pytest.mark.parametrize("dialect", ANSWERS)
def test_a_request_holds_every_text_and_the_size(dialect: str) -> None:
    body = str(wire(dialect).encode_request(REQUEST))
    assert "'a'" in body and "'b'" in body and "2" in body


@pytest.mark.parametrize("dialect", ANSWERS)
@pytest.mark.parametrize("rows", NONSENSE, ids=str)
def test_nonsense_is_a_protocol_error(dialect: str, rows: Any) -> None:
    for body in ({"embeddings": rows}, {"data": rows}, {"embeddings": {"float": rows}}, {}):
        with pytest.raises(ProtocolError):
            wire(dialect).decode_response(body, 2)


def test_a_dialect_without_embeddings_has_none() -> None:
    assert dialects.embeddings("anthropic") is None
    assert dialects.embeddings("openai") is not None
