"""Requests of the Responses API: what callers send, and what servers are sent."""

from __future__ import annotations

from typing import Any

import pytest

from mini_llm.dialects import openai_responses
from mini_llm.errors import TranslationError, UsageError
from mini_llm.types import (
    ChatRequest,
    Json,
    Message,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    ToolResult,
)

NAME = "openai_responses"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["Hi"]}, r"input\[0\]"),
        ({"input": [{"role": "robot", "content": "Hi"}]}, r"input\[0\].role"),
        ({"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]}, r"input\[0\].name"),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, r"input\[0\].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": 5}]}, r"input\[0\].output"),
        ({"input": "Hi", "tool_choice": "maybe"}, "tool_choice"),
        ({"input": "Hi", "tools": [{"type": "function", "function": {"name": "a"}}]}, r"tools\[0\].name"),
        ({"input": "Hi", "text": {"format": {"type": "xml"}}}, r"text.format.type"),
        ({"input": "Hi", "reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ({"input": "Hi", "max_output_tokens": "5"}, "max_output_tokens"),
    ],
)
def test_a_wrong_field_is_named(body: Json, path: str) -> None:
    with pytest.raises(UsageError, match=f"^{path}: must be"):
        openai_responses.decode_request({"model": "m", **body})


def test_a_stored_prompt_or_conversation_needs_no_input() -> None:
    for name in ("prompt", "previous_response_id", "conversation"):
        request = openai_responses.decode_request({"model": "m", name: "x"})
        assert request.messages == () and openai_responses.encode_request(request)[name] == "x"


def test_results_as_codex_once_sent_them_are_understood() -> None:
    output = {"content": "no such file", "success": False}
    request = openai_responses.decode_request(
        {"model": "m", "input": [{"type": "function_call_output", "call_id": "c", "output": output}]}
    )
    assert request.messages == (Message("tool", (ToolResult("c", (Text("no such file"),), is_error=True),)),)
    assert openai_responses.encode_request(request)["input"][0]["output"] == "Error: no such file"


def test_what_is_off_by_default_is_not_refused() -> None:
    request = openai_responses.decode_request({"model": "m", "input": "Hi", "background": False})
    assert request.extra == {}


# ---- requests to servers


def asked(**fields: Any) -> Json:
    request = ChatRequest("gpt-5.5", (Message("user", (Text("Hi"),)),), **fields)
    return openai_responses.encode_request(request)


def test_a_request_of_others_is_stateless_and_its_schemas_stay_as_they_are() -> None:
    body = asked(tools=(Tool("a", parameters={"type": "object"}), Tool("b", strict=True)))
    assert body["store"] is False and body["include"] == ["reasoning.encrypted_content"]
    assert [tool["strict"] for tool in body["tools"]] == [False, True]


@pytest.mark.parametrize(
    ("model", "thinks"),
    [
        ("gpt-5.5", True), ("o4-mini", True), ("openai.gpt-5.6-luna", True), ("grok-4.3", True),
        ("gpt-4.1", False), ("gpt-5-chat-latest", False), ("grok-4-1-fast-non-reasoning", False), ("smollm2", False),
    ],
)  # fmt: skip
def test_encrypted_thoughts_are_asked_of_models_that_think(model: str, thinks: bool) -> None:
    body = openai_responses.encode_request(ChatRequest(model, (Message("user", (Text("Hi"),)),)))
    assert ("include" in body) == thinks


@pytest.mark.parametrize(
    ("thinking", "reasoning"),
    [
        (Thinking(effort="low"), {"effort": "low"}),
        (Thinking(effort="max"), {"effort": "xhigh"}),
        (Thinking(budget=3000), {"effort": "low"}),
        (Thinking(budget=9000), {"effort": "medium"}),
        (Thinking(budget=50_000, summary="summarized"), {"effort": "high", "summary": "auto"}),
        (Thinking(summary="detailed"), {"summary": "detailed"}),
        (Thinking(enabled=True), None),
        (Thinking(enabled=False, budget=5), None),
    ],
)
def test_how_much_to_think_becomes_an_effort(thinking: Thinking, reasoning: Json | None) -> None:
    assert asked(thinking=thinking).get("reasoning") == reasoning


@pytest.mark.parametrize(
    ("field", "value"),
    [("stop", ("END",)), ("seed", 1), ("top_k", 5), ("presence_penalty", 0.5), ("frequency_penalty", 1), ("n", 2)],
)
def test_what_cannot_be_said_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(TranslationError, match=field) as caught:
        asked(**{field: value})
    assert caught.value.field == field and caught.value.hint


def test_only_thoughts_that_came_from_here_go_back() -> None:
    turns = (
        Reasoning("mine", summary=True, id="rs_1", dialect=NAME),
        Reasoning(id="rs_1", encrypted="gAAA", dialect=NAME),
        Reasoning("Claude's", signature="c2ln", dialect="anthropic_messages"),
        Text("Hi"),
        Reasoning("nobody's"),
    )
    request = ChatRequest("m", (Message("user", (Text("Hi"),)), Message("assistant", turns)))
    items = openai_responses.encode_request(request)["input"]
    assert [item["type"] for item in items] == ["message", "reasoning", "message"]
    assert items[1] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "mine"}],
        "encrypted_content": "gAAA",
    }


def test_thoughts_put_together_from_a_stream_are_one_item() -> None:
    turns = (
        Reasoning("streamed"),
        Reasoning(id="rs_1", dialect=NAME),
        Reasoning(id="rs_1", encrypted="g", dialect=NAME),
    )
    items = openai_responses.encode_request(ChatRequest("m", (Message("assistant", turns),)))["input"]
    assert len(items) == 1 and items[0]["encrypted_content"] == "g"


def test_a_forced_tool_is_told_with_its_kind() -> None:
    raw = {"type": "custom", "name": "note"}
    tools = (Tool("a", parameters={}), Tool("note", dialect=NAME, raw=raw))
    assert asked(tools=tools, tool_choice=ToolChoice("tool", "note"))["tool_choice"] == raw
    assert asked(tools=tools, tool_choice=ToolChoice("tool", "a"))["tool_choice"] == {"type": "function", "name": "a"}
    assert "tool_choice" not in asked(tool_choice=ToolChoice("required"))
