"""What another dialect has no words for is left out and named; schemas are made to fit, or said not to hold."""

from __future__ import annotations

from typing import Any

import pytest

from mini_llm import dialects
from mini_llm.dialects import anthropic_messages
from mini_llm.dialects.anthropic_messages.schema import closed
from mini_llm.dialects.leaving import bare, unsaid
from mini_llm.dialects.strictness import fits
from mini_llm.errors import TranslationError
from mini_llm.types import CacheMark, ChatRequest, Document, Image, Message, Text, Thinking, Tool, ToolCall, ToolResult

STRICT: dict[str, Any] = {
    "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False,
}  # fmt: skip


def test_each_thing_left_out_is_named_once() -> None:
    marked = Text("Hi", CacheMark())
    parts = (marked, marked, Image(url="https://a.b/c.png", detail="low"), Document(data="aGk=", name="a.pdf"))
    inside = ToolResult("call_1", (marked,), cache=CacheMark())
    messages = (Message("user", parts), Message("tool", (inside,)))
    asked = ChatRequest("m", messages, tools=(Tool("f", cache=CacheMark()),), dialect="openai_chat")
    kept, gone = bare(asked, "gemini")
    assert gone == ("cache_control", "messages.detail", "messages.filename")
    assert "CacheMark" not in repr(kept) and "a.pdf" not in repr(kept)
    assert bare(asked, "openai_chat") == (asked, ())


def test_ids_that_are_too_long_get_shorter_ones_for_call_and_result_alike() -> None:
    identity = "call_" + 60 * "x"
    messages = (Message("assistant", (ToolCall(identity, "f", "{}"),)), Message("tool", (ToolResult(identity, ()),)))
    kept, gone = bare(ChatRequest("m", messages, dialect="gemini"), "openai_chat")
    call, result = kept.messages[0].parts[0], kept.messages[1].parts[0]
    assert isinstance(call, ToolCall) and isinstance(result, ToolResult)
    assert call.id == result.call_id and len(call.id) <= 40 and gone == ()


def test_a_stored_file_is_known_to_its_keeper_alone() -> None:
    asked = ChatRequest("m", (Message("user", (Document(file_id="file-1"),)),), dialect="anthropic_messages")
    with pytest.raises(TranslationError) as caught:
        bare(asked, "openai_chat")
    assert caught.value.field == "messages[0].content[0]"
    assert bare(asked._replace(dialect="openai_responses"), "openai_chat")[1] == ()


def test_thinking_that_the_body_does_not_ask_for_is_named() -> None:
    asked = ChatRequest("m", (), thinking=Thinking(enabled=False))
    assert unsaid(asked, {}, "openai_chat") == ("thinking",)
    assert unsaid(asked, {"thinking": {"type": "disabled"}}, "anthropic_messages") == ()
    assert unsaid(ChatRequest("m", ()), {}, "openai_chat") == ()


@pytest.mark.parametrize(
    ("schema", "fit"),
    [
        (STRICT, True),
        ({**STRICT, "properties": {"a": STRICT}}, True),
        ({**STRICT, "required": []}, False),
        ({**STRICT, "additionalProperties": True}, False),
        ({name: value for name, value in STRICT.items() if name != "additionalProperties"}, False),
        ({**STRICT, "properties": {"a": {"type": "object"}}}, False),
        ({**STRICT, "properties": {"a": {"type": "string", "minLength": 1}}}, False),
        ({"type": "array", "items": STRICT}, False),
        ({"type": "object", "properties": 5}, False),
        ({**STRICT, "required": [[]], "$defs": 5, "anyOf": 5}, False),
        ({**STRICT, "$defs": 5}, False),
        (None, False),
    ],
)
def test_a_schema_holds_strictly_if_it_is_closed_and_requires_all_it_names(schema: Any, fit: bool) -> None:
    assert fits(schema) == fit


def test_a_schema_for_claude_is_closed_and_its_bounds_are_told_in_words() -> None:
    schema = {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 0, "maximum": 150, "description": "In years"},
            "names": {"type": "array", "items": {"type": "string", "maxLength": 9}, "minItems": 2},
            "one": {"oneOf": [{"type": "object", "properties": {}}, {"type": "null"}]},
        },
    }
    assert closed(schema, "schema") == {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "description": "In years\n\n{minimum: 0, maximum: 150}"},
            "names": {
                "type": "array",
                "items": {"type": "string", "description": "{maxLength: 9}"},
                "minItems": 1,
                "description": "{minItems: 2}",
            },
            "one": {"anyOf": [{"type": "object", "properties": {}, "additionalProperties": False}, {"type": "null"}]},
        },
        "additionalProperties": False,
    }


@pytest.mark.parametrize("extra", [True, {"type": "string"}])
def test_a_schema_that_is_open_on_purpose_is_refused(extra: Any) -> None:
    with pytest.raises(TranslationError) as caught:
        closed({"type": "object", "properties": {"a": {"type": "object", "additionalProperties": extra}}}, "schema")
    assert caught.value.field == "schema.properties.a"


def test_a_schema_nested_without_end_is_refused() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        schema = {"type": "array", "items": schema}
    with pytest.raises(TranslationError):
        closed(schema, "schema")


def test_a_caller_of_claude_itself_gets_its_schema_as_it_is() -> None:
    form = {"format": {"type": "json_schema", "schema": {"type": "object", "minProperties": 1}}}
    body = {"max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "output_config": form}
    assert anthropic_messages.encode_request(anthropic_messages.decode_request(body))["output_config"] == form


def test_a_field_of_messages_may_have_another_name_or_be_given_to_calls_that_lack_it() -> None:
    body = {"messages": [{"role": "user"}, {"role": "assistant", "reasoning_content": "Hm", "tool_calls": [1]}]}
    renamed, gone = dialects.apply(body, rename={"messages.reasoning_content": "reasoning"})
    assert renamed["messages"][1] == {"role": "assistant", "reasoning": "Hm", "tool_calls": [1]} and gone == ()
    given, _ = dialects.apply(
        {"messages": [{"tool_calls": [1]}, {"a": 1}]}, defaults={"messages.reasoning_content": ""}
    )
    assert given["messages"] == [{"reasoning_content": "", "tool_calls": [1]}, {"a": 1}]
    assert dialects.apply(body, defaults={"messages.reasoning_content": ""})[0] == body
