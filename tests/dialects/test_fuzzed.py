"""Inputs that bench/fuzz.py found to break something, made small."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from mini_llm import dialects
from mini_llm.errors import MiniLLMError, UsageError
from mini_llm.types import ChatResponse, Choice, Delta, Json, Message, Reasoning, ToolCallDelta
from tests.dialects.reading import decoded, encoded


def nested(depth: int) -> Json:
    value: Json = {}
    for _ in range(depth):
        value = {"a": value}
    return value


REQUESTS: dict[str, tuple[str, Json]] = {
    "a schema too deep to be written as text": (
        "openai_chat",
        {
            "model": "m",
            "messages": [],
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": nested(300)}},
        },
    ),
}
STREAMS: dict[str, tuple[str, bytes]] = {
    "more tokens than 64 bits can count, in sum": (
        "gemini",
        b'data: {"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}],'
        b'"usageMetadata":{"promptTokenCount":18446744073709551615,"candidatesTokenCount":18446744073709551615}}',
    ),
    "a source whose kind is an object": (
        "openai_chat",
        b'data: {"id":"c","choices":[{"delta":{"content":"Hi","annotations":[{"type":{"a":1},"url":"u"}]},'
        b'"finish_reason":"stop"}]}',
    ),
    "a part whose kind is an object": (
        "openai_responses",
        b'data: {"type":"response.output_item.done","output_index":0,"item":{"type":"message","role":"assistant",'
        b'"content":[{"type":{"a":1}}]}}\n\n'
        b'data: {"type":"response.completed","response":{"id":"r","output":[]}}',
    ),
}


@pytest.mark.parametrize("name", dialects.NAMES)
def test_the_work_for_many_calls_and_thoughts_grows_no_faster_than_they_do(name: str) -> None:
    dialect = dialects.get(name)
    few, many = (
        counted(lambda n=n: (encoded(name, side_by_side(n)), dialect.encode_response(thoughts(n)))) for n in (60, 240)
    )
    assert many < 5 * few


def side_by_side(count: int) -> list[Delta]:
    """Return a stream of calls that all begin before the first of them ends."""
    starts = [Delta(tool_call=ToolCallDelta(at, f"id{at}", "f", '{"a":')) for at in range(count)]
    ends = [Delta(tool_call=ToolCallDelta(at, arguments="1}")) for at in range(count)]
    return [Delta(id="i", model="m"), *starts, *ends, Delta(finish_reason="tool_calls")]


def thoughts(count: int) -> ChatResponse:
    parts = tuple(Reasoning(f"thought {at}") for at in range(count))
    return ChatResponse("i", "m", (Choice(Message("assistant", parts), "stop"),))


def counted(run: Callable[[], object]) -> int:
    """Return how many functions of Python *run* calls: work, counted and not timed."""
    count = 0

    def see(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(see)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("size", [1, 7, 100])
def test_what_stands_between_the_objects_of_an_array_is_passed_over_however_it_is_cut(size: int) -> None:
    said = b'{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}]}'
    raw = b'{} ], "role": "a \\"}, ' + said + b"}]"
    deltas = decoded("gemini", raw, range(0, len(raw), size))
    assert "".join(delta.text for delta in deltas) == "Hi"


@pytest.mark.parametrize("name", [*dialects.NAMES, *dialects.TARGET_NAMES])
@pytest.mark.parametrize("case", REQUESTS)
def test_a_request_is_written_or_refused(case: str, name: str) -> None:
    source, body = REQUESTS[case]
    request = dialects.get(source).decode_request(body)
    try:
        written = dialects.of_target(name).encode_request(request)
    except MiniLLMError:
        return
    assert isinstance(written, dict)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("anthropic_messages", {"max_tokens": 1, "messages": [{"role": "user", "content": [{"content": {}}]}]}),
        ("openai_chat", {"messages": [{"role": "user", "content": [{"content": {}}]}]}),
        ("openai_responses", {"input": [{"role": "user", "content": [{"content": {}}]}]}),
    ],
)
def test_a_part_that_does_not_say_what_it_is_never_becomes_a_field_of_its_message(name: str, body: Json) -> None:
    with pytest.raises(UsageError, match=r"content\[0\]\.type: must be"):
        dialects.get(name).decode_request({"model": "m", **body})


@pytest.mark.parametrize("name", dialects.NAMES)
@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_is_written_or_refused(case: str, name: str) -> None:
    source, raw = STREAMS[case]
    into: list[Any] = []
    try:
        encoded(name, decoded(source, raw + b"\n\n", into=into))
    except MiniLLMError:
        assert into
