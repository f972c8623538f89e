"""What the messages API, and servers like it, really send; and what depends on the model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mini_llm.dialects import anthropic_messages
from mini_llm.dialects.anthropic_messages.thinking import takes_budget
from mini_llm.errors import OverloadedError, TruncatedError
from mini_llm.types import ChatRequest, Delta, Message, Opaque, Reasoning, Text, Thinking, ToolCall, ToolResult, Usage
from tests.dialects import strict
from tests.dialects.reading import Meaning, decoded, encoded, streamed_meaning


def event(kind: str, **more: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    pieces = [event("content_block_delta", index=index, delta=delta) for delta in deltas]
    begin = event("content_block_start", index=index, content_block=start)
    return begin + b"".join(pieces) + event("content_block_stop", index=index)


START = event(
    "message_start", message={"id": "msg_1", "model": "claude", "usage": {"input_tokens": 3, "output_tokens": 1}}
)
WORDS = block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hi"})
STOP = event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5})
END = event("message_stop")


LATE = event("error", error={"message": "late"})


@pytest.mark.parametrize(
    "end", [STOP + END, STOP, STOP + b"event: message_st", STOP + LATE, STOP + END + b"data: x\n\n"]
)
def test_a_stop_reason_is_an_end(end: bytes) -> None:
    assert streamed_meaning(decoded("anthropic_messages", START + WORDS + end)) == Meaning(
        "Hi", finish="stop", usage=(3, 5, 0)
    )


def test_words_without_a_stop_reason_are_a_cut_answer() -> None:
    for raw in (b"", START, START + WORDS, START + WORDS + event("message_delta", delta={"stop_reason": None})):
        with pytest.raises(TruncatedError):
            decoded("anthropic_messages", raw)


def test_an_error_event_is_raised_after_what_came_before() -> None:
    before: list[Delta] = []
    with pytest.raises(OverloadedError, match="busy"):
        error = event("error", error={"type": "overloaded_error", "message": "busy"})
        decoded("anthropic_messages", START + WORDS + error, into=before)
    assert streamed_meaning(before).text == "Hi"


def test_what_we_do_not_know_is_passed_over_or_kept() -> None:
    unknown = (
        event("ping")
        + event("brand_new", data=1)
        + block(1, {"type": "compaction", "content": ""}, {"type": "compaction_delta", "content": "short"})
        + block(2, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                {"type": "input_json_delta", "partial_json": '{"query":"x"}'})
        + block(3, {"type": "redacted_thinking", "data": "eA=="})
    )  # fmt: skip
    deltas = decoded("anthropic_messages", START + WORDS + unknown + STOP + END)
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}
    parts = [delta.part for delta in deltas if delta.part]
    assert parts == [
        Opaque("anthropic_messages", {"type": "compaction", "content": "short"}),
        Opaque("anthropic_messages", search),
        Reasoning(redacted="eA==", dialect="anthropic_messages"),
    ]
    raw = encoded("anthropic_messages", deltas)
    strict.check("anthropic_messages", raw)
    assert [delta.part for delta in decoded("anthropic_messages", raw) if delta.part] == parts


@pytest.mark.parametrize(
    ("start", "pieces", "arguments"),
    [
        ({"input": {}}, ["", '{"x"', ": 1}"], '{"x": 1}'),
        ({}, ['{"x": 1}'], '{"x": 1}'),
        ({"input": {"x": 1}}, [], '{"x": 1}'),
        ({"input": {}}, [], "{}"),
        ({"input": {}}, ['{"x": '], '{"x": '),
    ],
)
def test_the_arguments_of_a_call_come_at_once_or_in_pieces(
    start: dict[str, Any], pieces: list[str], arguments: str
) -> None:
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    raw = START + block(0, {"type": "tool_use", "id": "a", "name": "f", **start}, *deltas) + STOP + END
    assert streamed_meaning(decoded("anthropic_messages", raw)).calls == (("a", "f", arguments),)


def test_counts_of_the_end_go_on_from_those_of_the_start() -> None:
    start = event("message_start", message={"usage": {
        "input_tokens": 3, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 6, "output_tokens": 1,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 2}}})  # fmt: skip
    last = decoded("anthropic_messages", start + WORDS + STOP)[-1].usage
    assert last and last._replace(raw={}) == Usage(19, 5, 10, 4, 2)


CURRENT = ["claude-opus-4-6", "claude-opus-4-8", "claude-sonnet-4-6", "claude-sonnet-5", "claude-opus-5-5",
           "anthropic/claude-opus-4.6", "claude-opus-4-10", "claude-fable-1", "claude-opus-4-6-20260205"]  # fmt: skip
OLDER = ["claude-3-7-sonnet-latest", "claude-2.1", "claude-sonnet-4", "claude-sonnet-4-0", "claude-sonnet-4-20250514",
         "claude-opus-4-1-20250805", "claude-haiku-4-5", "anthropic/claude-sonnet-4.5", "claude-sonnet-4@20250514",
         "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic/claude-4.5-haiku-20251001", "kimi-k2"]  # fmt: skip


@pytest.mark.parametrize("model", CURRENT + OLDER)
def test_each_generation_is_told_in_its_own_way_to_think(model: str) -> None:
    assert takes_budget(model) == (model in OLDER)


def asked(**more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"model": "claude-sonnet-4-5", "messages": (Message("user", (Text("Hi"),)),), **more}
    return anthropic_messages.encode_request(ChatRequest(**given))


def test_a_limit_is_sent_that_the_model_can_do() -> None:
    assert asked()["max_tokens"] == 32_000
    assert asked(model="claude-3-haiku-20240307")["max_tokens"] == 4_096
    assert asked(model="claude-3-5-haiku-latest")["max_tokens"] == 8_192
    assert asked(model="glm-4.7")["max_tokens"] == 8_192
    assert asked(max_tokens=7)["max_tokens"] == 7


def test_thinking_leaves_room_for_an_answer() -> None:
    high = Thinking(effort="high")
    assert asked(thinking=high)["thinking"] == {"type": "enabled", "budget_tokens": 16_000}
    assert asked(thinking=high, max_tokens=4000)["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    assert "thinking" not in asked(thinking=high, max_tokens=2000)
    assert asked(thinking=Thinking(effort="none"))["thinking"] == {"type": "disabled"}


def test_thinking_is_left_out_where_the_calls_have_lost_their_thoughts() -> None:
    call, result = ToolCall("a", "f", "{}"), ToolResult("a", (Text("done"),))
    lost = (Message("user", (Text("Hi"),)), Message("assistant", (call,)), Message("tool", (result,)))
    assert "thinking" not in asked(messages=lost, thinking=Thinking(effort="high"))
    thought = Reasoning("Hm", signature="s", dialect="anthropic_messages")
    kept = (lost[0], Message("assistant", (thought, call)), lost[2])
    assert "thinking" in asked(messages=kept, thinking=Thinking(effort="high"))
    assert "thinking" not in asked(messages=(*lost, lost[0]), thinking=Thinking(effort="high"))
    later = (*lost, Message("assistant", (Text("So."),)), lost[0])
    assert "thinking" in asked(messages=later, thinking=Thinking(effort="high"))


def test_arguments_that_are_no_object_are_told_as_such_and_come_back() -> None:
    for arguments in ('{"x', "[1]", "free text"):
        body = asked(messages=(Message("assistant", (ToolCall("a", "f", arguments),)),))
        assert body["messages"][0]["content"][0]["input"] == {"malformed_arguments": arguments}
        assert anthropic_messages.decode_request(body).messages[0].parts == (ToolCall("a", "f", arguments),)


def test_an_answer_to_be_continued_ends_without_space() -> None:
    body = asked(messages=(Message("user", (Text("Hi"),)), Message("assistant", (Text("Once upon \n"),))))
    assert body["messages"][-1]["content"] == [{"type": "text", "text": "Once upon"}]


def test_thoughts_of_others_and_empty_words_are_left_out() -> None:
    parts = (Reasoning("Hm"), Reasoning("Hm", signature="s", dialect="gemini"), Text(" "), Text("So."))
    body = asked(messages=(Message("user", (Text("Hi"),)), Message("assistant", parts)))
    assert body["messages"][-1]["content"] == [{"type": "text", "text": "So."}]
