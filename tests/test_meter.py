"""meter: when an answer begins, what it used, and the whole put together from its pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mini_llm.meter import Gatherer, Meter, scattered
from mini_llm.types import (
    ChatResponse,
    Choice,
    Delta,
    Message,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolCallDelta,
    Usage,
)


def test_lifecycle_steps_commit_nobody_and_content_does() -> None:
    clock = iter([0.0, 1.5, 2.0, 3.0])
    meter = Meter(now=lambda: next(clock))
    assert not meter.see(Delta(id="chatcmpl-1", model="m"))
    assert not meter.see(Delta(usage=Usage(input_tokens=3)))
    assert meter.see(Delta(text="H"))
    assert meter.first_content == 1.5
    assert meter.see(Delta(text="i"))
    assert meter.first_content == 1.5
    assert meter.usage == Usage(input_tokens=3)


def test_an_answer_without_a_word_begins_with_its_end() -> None:
    meter = Meter()
    assert meter.see(Delta(finish_reason="stop"))
    assert meter.ended


def test_the_last_word_on_usage_counts() -> None:
    meter = Meter()
    meter.see(Delta(usage=Usage(output_tokens=1)))
    meter.see(Delta(usage=Usage(output_tokens=9)))
    assert meter.usage == Usage(output_tokens=9)


def test_a_long_answer_is_kept_up_to_a_limit_and_is_known_to_be_cut() -> None:
    gatherer = Gatherer(limit=3000)
    for _ in range(1000):
        gatherer.add(Delta(text="abc"))
    assert not gatherer.cut
    assert gatherer.response().choices[0].message.parts == (Text("abc" * 1000),)
    gatherer.add(Delta(text="d", finish_reason="stop"))
    assert gatherer.cut
    assert gatherer.response().choices[0].message.parts == (Text("abc" * 1000),)
    assert gatherer.response().choices[0].finish_reason == "stop"


@given(st.lists(st.sampled_from(["text", "reasoning"]), max_size=20), st.data())
def test_words_come_together_in_their_order(kinds: list[str], data: st.DataObject) -> None:
    gatherer = Gatherer()
    expected = {"text": "", "reasoning": ""}
    for kind in kinds:
        piece = data.draw(st.text(min_size=1, max_size=3))
        expected[kind] += piece
        gatherer.add(Delta(**{kind: piece}))
    parts = gatherer.response().choices[0].message.parts
    assert "".join(part.text for part in parts if isinstance(part, Text)) == expected["text"]
    assert "".join(part.text for part in parts if isinstance(part, Reasoning)) == expected["reasoning"]


def test_parallel_tool_calls_are_put_together_by_their_index() -> None:
    gatherer = Gatherer()
    for piece in (
        ToolCallDelta(0, id="a", name="first"),
        ToolCallDelta(1, id="b", name="second", arguments='{"x"'),
        ToolCallDelta(0, arguments="{}"),
        ToolCallDelta(1, arguments=": 1}"),
    ):
        gatherer.add(Delta(tool_call=piece))
    assert gatherer.response().choices[0].message.parts == (
        ToolCall("a", "first", "{}"),
        ToolCall("b", "second", '{"x": 1}'),
    )


def test_thinking_between_calls_stays_between_them_each_with_its_signature() -> None:
    gatherer = Gatherer()
    for delta in (
        Delta(reasoning="first", block=0),
        Delta(signature="s1", block=0),
        Delta(tool_call=ToolCallDelta(0, id="a", name="look", arguments="{}"), block=1),
        Delta(reasoning="second", block=2),
        Delta(signature="s2", block=2),
        Delta(text="done", block=3),
    ):
        gatherer.add(delta)
    signed = {"dialect": "anthropic_messages"}
    assert gatherer.response().choices[0].message.parts == (
        Reasoning("first", signature="s1", **signed),
        ToolCall("a", "look", "{}"),
        Reasoning("second", signature="s2", **signed),
        Text("done"),
    )


def test_a_whole_answer_scattered_and_gathered_is_the_same() -> None:
    parts = (
        Reasoning("hm", signature="s", dialect="anthropic_messages"),
        Text("Hello", citations=({"url": "https://example.com"},)),
        ToolCall("a", "look", "{}", signature="g"),
        Refusal("no"),
    )
    usage = Usage(input_tokens=1, output_tokens=2)
    whole = ChatResponse("id", "m", (Choice(Message("assistant", parts), "tool_calls", "END"),), usage, 7)
    gatherer = Gatherer()
    for delta in scattered(whole):
        gatherer.add(delta)
    assert gatherer.response() == whole


def test_an_answer_that_broke_off_has_no_finish_reason() -> None:
    gatherer = Gatherer()
    gatherer.add(Delta(text="Hel"))
    assert gatherer.response().choices[0].finish_reason is None


def test_a_second_choice_is_left_out() -> None:
    gatherer = Gatherer()
    gatherer.add(Delta(text="one"))
    gatherer.add(Delta(text="two", choice=1))
    assert gatherer.response().choices[0].message.parts == (Text("one"),)
