"""Free-text tools and namespaces on wires that have neither."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm import dialects
from mini_llm.dialects.bridging import Bridge, Original, bridged
from mini_llm.errors import TranslationError
from mini_llm.types import (
    ChatRequest,
    ChatResponse,
    Choice,
    Delta,
    Message,
    Opaque,
    Text,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
)

GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin Patch"'}
PATCH = {"type": "custom", "name": "apply_patch", "description": "Edit files.", "format": GRAMMAR}
NAMESPACE = {
    "type": "namespace",
    "name": "mcp__lab",
    "description": "The lab.",
    "tools": [
        {"type": "function", "name": "open", "description": "Open it.", "parameters": {"type": "object"}},
        {"type": "custom", "name": "note"},
    ],
}


def asked(**fields: Any) -> ChatRequest:
    """Return a request as Codex sends it."""
    body = {"model": "m", "input": "Hello", "tools": [PATCH, NAMESPACE, {"type": "web_search"}], **fields}
    return dialects.get("openai_responses").decode_request(body)


def restored(bridge: Bridge, deltas: Iterable[Delta]) -> list[Delta]:
    async def given_() -> AsyncGenerator[Delta, None]:
        for delta in deltas:
            yield delta

    async def run() -> list[Delta]:
        return [delta async for delta in bridge.stream(given_())]

    return asyncio.run(run())


def test_tools_become_plain_functions() -> None:
    request, bridge, dropped = bridged(asked(), "openai_chat")
    assert dropped == ("tools.web_search",)
    assert [tool.name for tool in request.tools] == ["apply_patch", "mcp__lab__open", "mcp__lab__note"]
    patch, opened, _ = request.tools
    assert patch.parameters and patch.parameters["required"] == ["input"]
    assert "Edit files." in patch.description and "lark grammar" in patch.description
    assert opened.description == "Open it.\n\nmcp__lab: The lab."
    assert bridge
    body = dialects.get("openai_chat").encode_request(dialects.without(request, (), dialect="openai_chat")[0])
    assert all(tool["type"] == "function" for tool in body["tools"])


@pytest.mark.parametrize("target", ["openai_responses", "openai_chat", "anthropic_messages"])
def test_a_request_of_the_same_dialect_and_one_for_responses_stay_as_they_are(target: str) -> None:
    request = dialects.get("openai_chat").decode_request(
        {"model": "m", "messages": [], "tools": [{"type": "custom", "custom": {"name": "note"}}]}
    )
    changed, bridge, _ = bridged(request, target)
    assert (changed == request) == (target != "anthropic_messages")
    assert bool(bridge) == (target == "anthropic_messages")
    assert dialects.get(target).encode_request(changed)["tools"]


def test_a_plain_request_needs_no_bridge() -> None:
    request = asked(tools=[{"type": "function", "name": "a", "parameters": {"type": "object"}}])
    changed, bridge, dropped = bridged(request, "anthropic_messages")
    assert changed == request and not bridge and dropped == ()


def test_earlier_calls_are_told_as_calls_of_the_functions() -> None:
    request, _, _ = bridged(
        asked(
            input=[
                {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": 'a "b"\n'},
                {"type": "custom_tool_call_output", "call_id": "c1", "output": "Done"},
                {
                    "type": "function_call",
                    "call_id": "c2",
                    "name": "open",
                    "namespace": "mcp__lab",
                    "arguments": '{"a":1}',
                },
                {"type": "function_call_output", "call_id": "c2", "output": "Open"},
            ]
        ),
        "anthropic_messages",
    )
    calls = [part for message in request.messages for part in message.parts if isinstance(part, ToolCall)]
    assert calls == [
        ToolCall("c1", "apply_patch", '{"input": "a \\"b\\"\\n"}'),
        ToolCall("c2", "mcp__lab__open", '{"a":1}'),
    ]
    assert [message.role for message in request.messages] == ["assistant", "tool", "assistant", "tool"]
    assert request.messages[1].parts == (ToolResult("c1", (Text("Done"),)),)


def test_an_answer_calls_the_tools_that_were_asked_for() -> None:
    bridge = bridged(asked(), "openai_chat").bridge
    parts = (
        ToolCall("c1", "apply_patch", '{"input": "*** Begin\\n"}'),
        ToolCall("c2", "mcp__lab__open", "{}"),
        ToolCall("c3", "mcp__lab__note", "just words"),
        ToolCall("c4", "other", "{}"),
    )
    response = ChatResponse("r", "m", (Choice(Message("assistant", parts), "tool_calls"),))
    assert bridge.response(response).choices[0].message.parts == (
        ToolCall("c1", "apply_patch", "*** Begin\n", "custom"),
        ToolCall("c2", "open", "{}", namespace="mcp__lab"),
        ToolCall("c3", "note", "just words", "custom", "mcp__lab"),
        ToolCall("c4", "other", "{}"),
    )


@given(
    st.text() | st.sampled_from(["*** Begin Patch\n+\"a\" \\n 'b'\n", "😀\u2028\x00", "\\u00e9\\"]),
    st.booleans(),
    st.lists(st.integers(0, 200)),
)
def test_free_text_comes_out_however_its_json_is_written_and_cut(text: str, ascii_only: bool, cuts: list[int]) -> None:
    bridge = Bridge()
    bridge.plain(Original("note", "", "custom"))
    arguments = json.dumps({"input": text}, ensure_ascii=ascii_only)
    edges = [0, *sorted(cut for cut in cuts if cut < len(arguments)), len(arguments)]
    pieces = [arguments[start:stop] for start, stop in itertools.pairwise(edges)]
    deltas = [Delta(tool_call=ToolCallDelta(0, "c", "note"))]
    deltas += [Delta(tool_call=ToolCallDelta(0, arguments=piece)) for piece in pieces]
    out = restored(bridge, [*deltas, Delta(finish_reason="tool_calls")])
    calls = [delta.tool_call for delta in out if delta.tool_call]
    assert "".join(call.arguments for call in calls) == text
    assert all(call.kind == "custom" for call in calls) and calls[0].name == "note"


def test_free_text_is_told_as_it_comes() -> None:
    bridge = Bridge()
    bridge.plain(Original("note", "", "custom"))
    pieces = ['{"inp', 'ut": "ab', "c\\", "nd", '"}']
    deltas = [Delta(tool_call=ToolCallDelta(0, "c" * (not at), "note" * (not at), p)) for at, p in enumerate(pieces)]
    out = [delta.tool_call.arguments for delta in restored(bridge, deltas) if delta.tool_call]
    assert out == ["", "ab", "c", "\nd", ""]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("plain words", "plain words"),
        ('{"patch": "a\\nb"}', "a\nb"),
        ('"quoted"', "quoted"),
        ('{"a": 1, "input": "x"}', "x"),
        ('{"input": "a\nb\\q\\ud83d!"}', "a\nbq\ufffd!"),
        ('{"input": "cut o', "cut o"),
        ('{"input": "\\uZZ"}', "uZZ"),
        ('{"input": 5}', '{"input": 5}'),
        ("", ""),
    ],
)
def test_a_model_that_writes_something_else_is_understood(written: str, text: str) -> None:
    bridge = Bridge()
    bridge.plain(Original("note", "", "custom"))
    whole = bridge.response(ChatResponse("r", "m", (Choice(Message("assistant", (ToolCall("c", "note", written),))),)))
    assert whole.choices[0].message.parts == (ToolCall("c", "note", text, "custom"),)
    deltas = [Delta(tool_call=ToolCallDelta(0, "c", "note")), Delta(tool_call=ToolCallDelta(0, arguments=written))]
    out = restored(bridge, [*deltas, Delta(finish_reason="stop")])
    assert "".join(delta.tool_call.arguments for delta in out if delta.tool_call) == text


def test_names_are_fit_and_never_two_tools() -> None:
    bridge = Bridge()
    names = [
        bridge.plain(Original("b", "a")),
        bridge.plain(Original("a__b")),
        bridge.plain(Original("x" * 80)),
        bridge.plain(Original("x" * 81)),
        bridge.plain(Original("búsqueda", "días")),
        bridge.plain(Original("found", "found")),
    ]
    assert names[0] == "a__b" and names[5] == "found"
    assert len(set(names)) == 6
    assert all(len(name) <= 64 and name.isascii() for name in names)
    assert bridge.plain(Original("b", "a")) == "a__b"


def test_allowed_tools_become_all_the_tools_there_are() -> None:
    chosen = {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "open"}, {"type": "web_search"}],
    }
    request = bridged(asked(tool_choice=chosen), "anthropic_messages").request
    assert [tool.name for tool in request.tools] == ["mcp__lab__open"]
    assert request.tool_choice == ToolChoice("required") and "tool_choice" not in request.extra


def test_a_forced_tool_is_forced_under_its_plain_name() -> None:
    request = bridged(asked(tool_choice={"type": "function", "name": "open"}), "anthropic_messages").request
    assert request.tool_choice == ToolChoice("tool", "mcp__lab__open")


def test_items_of_codex_are_said_in_plain_words() -> None:
    tools = [{"type": "function", "name": "late", "parameters": {"type": "object"}}]
    request = bridged(
        asked(
            input=[
                {"type": "additional_tools", "role": "developer", "tools": tools},
                {
                    "type": "agent_message",
                    "author": "/root",
                    "recipient": "/root/child",
                    "content": [{"type": "input_text", "text": "Go."}],
                },
                {"type": "agent_message", "content": [{"type": "encrypted_content", "encrypted_content": "x"}]},
            ]
        ),
        "openai_chat",
    ).request
    assert request.tools[-1] == Tool("late", "", {"type": "object"})
    assert request.messages[0].parts == (Text("Message from /root to /root/child:\nGo."),)
    assert isinstance(request.messages[1].parts[0], Opaque), "what nobody can read is refused by the dialect"


@pytest.mark.parametrize("field", ["previous_response_id", "conversation", "prompt", "background"])
def test_what_is_kept_at_openai_is_refused_with_a_way_out(field: str) -> None:
    with pytest.raises(TranslationError, match=field) as caught:
        bridged(asked(**{field: "x"}), "openai_chat")
    assert caught.value.field == field and "whole conversation" in caught.value.hint
