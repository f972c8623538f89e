"""Every recorded stream of words, broken off after each event and gone on with: the caller reads one whole answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from mini_llm import dialects, sse
from mini_llm.errors import TruncatedError
from mini_llm.meter import Gatherer
from mini_llm.recovery import said
from mini_llm.types import ChatResponse, Delta, ToolCallDelta
from tests.dialects import strict
from tests.dialects.breaking import CHECKS, breaks, events_of, rest_of, written_as
from tests.dialects.reading import Recording, decoded, each, errs, recordings, streamed_meaning

STREAMS = [item for item in recordings() if item.streams and not errs(item)]


def is_strict(dialect: str, events: Sequence[sse.Event]) -> bool:
    """Whether a provider's own stream keeps to the letter of its documentation."""
    try:
        strict.check(dialect, written_as(dialect, spoken(events)))
    except (AssertionError, LookupError):
        return False
    return True


def spoken(events: Iterable[sse.Event]) -> list[sse.Event]:
    return [event for event in events if event.event != "ping"]


@each(STREAMS)
def test_a_broken_stream_goes_on_as_one(recording: Recording) -> None:
    dialect = recording.dialect
    everything = events_of(dialect, recording.raw)
    to_the_letter = is_strict(dialect, everything)
    for events, sent in breaks(recording, everything):
        try:
            written = rest_of(dialect, sent, events[-4:])
        except TruncatedError:
            assert opens_what_only_its_provider_knows(dialect, events)
            continue
        raw = written_as(dialect, events) + written
        got = decoded(dialect, raw)
        assert "".join(delta.text for delta in got) == said(sent) + " and the rest."
        assert [delta.finish_reason for delta in got if delta.finish_reason] == ["stop"]
        assert streamed_meaning(got).usage in ((7, 9, 0), (0, 9, 0))
        rest = events_of(dialect, written)
        CHECKS[dialect](events, rest)
        if to_the_letter:
            strict.check(dialect, written_as(dialect, [*spoken(events), *settled(events, rest)]))


def opens_what_only_its_provider_knows(dialect: str, events: Sequence[sse.Event]) -> bool:
    """Whether the last thing in *events* is a tool of the provider's own that has not ended."""
    if dialect == "anthropic_messages":
        opened = [json.loads(event.data) for event in events if event.event == "content_block_start"]
        return bool(opened[-1]["content_block"]["type"] == "server_tool_use")
    return False


def settled(events: Sequence[sse.Event], rest: Sequence[sse.Event]) -> list[sse.Event]:
    """Return *rest*, its last event with the items word for word as they were before: who else may say `status`?"""
    last = json.loads(rest[-1].data) if rest[-1].event == "response.completed" else {}
    if not last:
        return list(rest)
    done = [event for event in (*events, *rest) if event.event == "response.output_item.done"]
    last["response"]["output"] = [json.loads(event.data)["item"] for event in done]
    return [*rest[:-1], sse.Event(rest[-1].event, json.dumps(last).encode())]


WORDS = "One two"


def wired(*bodies: dict[str, Any]) -> list[sse.Event]:
    return [sse.Event(body["type"], json.dumps(body).encode()) for body in bodies]


def block(at: int, kind: str = "text") -> dict[str, Any]:
    return {"type": "content_block_start", "index": at, "content_block": {"type": kind}}


def words(at: int, text: str = WORDS) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": at, "delta": {"type": "text_delta", "text": text}}


def answer(*deltas: Delta) -> ChatResponse:
    gatherer = Gatherer()
    for delta in deltas:
        gatherer.add(delta)
    return gatherer.response()


def bodies_of(written: bytes) -> list[dict[str, Any]]:
    parser = sse.Parser()
    return [json.loads(event.data) for event in parser.feed(written) if event.data != b"[DONE]"]


def test_an_empty_block_before_the_words_is_counted_and_a_ping_after_them_is_not() -> None:
    stop, ping = {"type": "content_block_stop", "index": 0}, {"type": "ping"}
    recent = wired(block(0), stop, block(1), words(1), ping)
    first, *_ = bodies_of(rest_of("anthropic_messages", answer(Delta(WORDS, block=1)), recent))
    assert (first["type"], first["index"]) == ("content_block_delta", 1)


def test_words_after_a_block_that_was_closed_open_the_next() -> None:
    recent = wired(words(3), {"type": "content_block_stop", "index": 3})
    rest = bodies_of(rest_of("anthropic_messages", answer(Delta(WORDS, block=3)), recent))
    assert [(body["type"], body.get("index")) for body in rest[:2]] == [
        ("content_block_start", 4),
        ("content_block_delta", 4),
    ]


def test_a_tool_called_after_the_words_closes_their_block() -> None:
    call = Delta(tool_call=ToolCallDelta(0, "call_1", "look", "{}"))
    end = Delta(finish_reason="tool_calls")
    rest = bodies_of(rest_of("anthropic_messages", answer(Delta(WORDS)), wired(words(0)), [call, end]))
    assert [body["type"] for body in rest[:2]] == ["content_block_stop", "content_block_start"]
    assert rest[1]["index"] == 1 and rest[-2]["delta"]["stop_reason"] == "tool_use"


@pytest.mark.parametrize("kind", ["server_tool_use", "tool_use"])
def test_a_stream_that_ended_in_a_tool_cannot_go_on(kind: str) -> None:
    with pytest.raises(TruncatedError):
        rest_of("anthropic_messages", answer(Delta(WORDS)), wired(words(0), block(1, kind)))


def item(step: str, at: int, kind: str = "message", name: str = "msg_1") -> dict[str, Any]:
    whole = {"id": name, "type": kind}
    return {"type": f"response.output_item.{step}", "output_index": at, "item": whole, "sequence_number": at + 40}


def test_an_item_of_which_nothing_was_said_yet_is_the_one_that_goes_on() -> None:
    sent = answer(Delta(id="resp_1", model="m", created=1), Delta(WORDS, block=0))
    rest = bodies_of(rest_of("openai_responses", sent, wired(item("added", 1, name="msg_2"))))
    assert [body["type"] for body in rest[:2]] == ["response.content_part.added", "response.output_text.delta"]
    assert (rest[1]["item_id"], rest[1]["output_index"], rest[1]["content_index"]) == ("msg_2", 1, 0)
    assert [body["sequence_number"] for body in rest] == list(range(42, 42 + len(rest)))
    assert [out["content"][0]["text"] for out in rest[-1]["response"]["output"]] == [WORDS, " and the rest."]


def test_a_thought_that_was_begun_is_closed_before_the_words_go_on() -> None:
    sent = answer(Delta(id="resp_1", model="m", created=1), Delta(WORDS, block=0))
    rest = bodies_of(rest_of("openai_responses", sent, wired(item("added", 1, "reasoning", "rs_1"))))
    assert [body["type"] for body in rest[:2]] == ["response.output_item.done", "response.output_item.added"]
    assert rest[0]["item"]["id"] == "rs_1" and rest[1]["output_index"] == 2


def test_a_server_that_numbers_nothing_is_gone_on_with_too() -> None:
    events = [
        {"type": "response.output_item.added", "item": {"type": "message", "id": "msg_1"}},
        {"type": "response.content_part.added", "item_id": "msg_1", "part": {"type": "output_text", "text": ""}},
        {"type": "response.output_text.delta", "item_id": "msg_1", "delta": WORDS},
    ]
    sent = answer(Delta(id="resp_1", model="m", created=1), Delta(WORDS, block=0))
    rest = bodies_of(rest_of("openai_responses", sent, wired(*events)))
    assert (rest[0]["type"], rest[0]["item_id"]) == ("response.output_text.delta", "msg_1")
    (whole,) = rest[-1]["response"]["output"]
    assert (whole["id"], whole["content"][0]["text"]) == ("msg_1", f"{WORDS} and the rest.")


def test_an_item_that_only_its_provider_knows_cannot_go_on() -> None:
    for event in (
        item("added", 1, "web_search_call"),
        {"type": "response.web_search_call.searching", "output_index": 1},
    ):
        with pytest.raises(TruncatedError):
            rest_of("openai_responses", answer(Delta(WORDS)), wired(event))


@pytest.mark.parametrize("dialect", dialects.NAMES)
def test_a_rest_that_breaks_off_as_well_has_no_ending(dialect: str) -> None:
    recent = wired(words(0), item("added", 0))[dialect == "openai_responses" :][:1]
    with pytest.raises(TruncatedError) as caught:
        rest_of(dialect, answer(Delta(id="resp_1"), Delta(WORDS)), recent, [Delta(" and")])
    if dialect == "openai_responses":
        assert (caught.value.answer_id, caught.value.events) == ("resp_1", 43)
