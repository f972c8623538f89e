"""Counting a prompt's tokens: every dialect that can asks for all of the prompt and reads the one number."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from mini_llm.dialects.anthropic_messages import count_tokens as anthropic
from mini_llm.dialects.bedrock_converse import count_tokens as bedrock
from mini_llm.dialects.gemini import count_tokens as gemini
from mini_llm.dialects.openai_responses import count_tokens as responses
from mini_llm.errors import ProtocolError
from mini_llm.types import ChatRequest, Message, Text, Tool

REQUEST = ChatRequest(
    "m",
    (Message("system", (Text("Be brief"),)), Message("user", (Text("How long?"),))),
    tools=(Tool("look", "Look it up", {"type": "object", "properties": {}}),),
    stream=True,
    max_tokens=9,
)
ANSWERS: list[tuple[ModuleType, dict[str, Any]]] = [
    (anthropic, {"input_tokens": 16}),
    (responses, {"object": "response.input_tokens", "input_tokens": 16}),
    (bedrock, {"inputTokens": 16}),
    (gemini, {"totalTokens": 16}),
]
EVERY = pytest.mark.parametrize(("wire", "answer"), ANSWERS, ids=lambda value: getattr(value, "__name__", ""))


@EVERY
def test_all_of_the_prompt_is_counted_and_nothing_of_the_answer(wire: ModuleType, answer: dict[str, Any]) -> None:
    body = wire.encode_request(REQUEST)
    assert all(words in str(body) for words in ("Be brief", "How long?", "look"))
    if wire is not gemini:  # which takes a whole request
        assert "stream" not in str(body) and "max" not in str(body)


@EVERY
def test_the_count_is_read(wire: ModuleType, answer: dict[str, Any]) -> None:
    assert wire.decode_response(answer).input_tokens == 16


@EVERY
@pytest.mark.parametrize(
    "nonsense", [{}, [], None, {"input_tokens": "16"}, {"inputTokens": True}, {"totalTokens": 1.5}]
)
def test_nonsense_is_a_protocol_error(wire: ModuleType, answer: dict[str, Any], nonsense: Any) -> None:
    with pytest.raises(ProtocolError):
        wire.decode_response(nonsense)


@pytest.mark.parametrize("wire", [anthropic, responses])
def test_a_callers_question_is_read_and_answered_in_its_own_words(wire: ModuleType) -> None:
    asked = wire.decode_request(wire.encode_request(REQUEST))
    assert [message.role for message in asked.messages][-1] == "user"
    assert asked.tools[0].name == "look"
    assert wire.decode_response(wire.encode_response(wire.decode_response({"input_tokens": 7}))).input_tokens == 7
