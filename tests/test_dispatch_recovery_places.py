"""dispatch: wherever a stream breaks, its reader gets every word once, from whoever goes on with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mini_llm.errors import ContentFilterError, TruncatedError
from tests.conftest import LocalModel
from tests.test_dispatch_recovery import ends, read, world_of
from tests.upstream import Bytes, Cut, FailInside, Provider, Say
from tests.world import World

TEXT = "Grüße  from\n\n**here**, my friend"
WORDS = ("Grüße ", " from\n", "\n**he", "re**, my", " friend")
EVENTS = "text/event-stream"


def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + json.dumps({"id": "x", "model": "m", "choices": [choice]}, ensure_ascii=False).encode() + b"\n\n"


def stream(*words: str) -> bytes:
    said = b"".join(chunk({"content": word}) for word in words)
    return chunk({"role": "assistant"}) + said + chunk({}, "stop") + b"data: [DONE]\n\n"


WHOLE = stream(*WORDS)
FIRST = len(chunk({"role": "assistant"}) + chunk({"content": WORDS[0]}))
LAST = WHOLE.index(b'"stop"')


def places() -> Iterator[int]:
    """Return where to cut: at every event, and in many places inside."""
    bounds = {at + 2 for at in range(len(WHOLE)) if WHOLE.startswith(b"\n\n", at)}
    near = {at + by for at in bounds for by in (-2, -1, 1)}
    return iter(sorted(at for at in {*bounds, *near, *range(0, len(WHOLE), 29)} if FIRST <= at <= LAST))


def sent_before(place: int) -> str:
    """Return the words of the events that came before *place*; one that only lacks its last line ends came too."""
    *whole, last = WHOLE[:place].split(b"\n\n")
    count = len(whole) - 1 + last.rstrip(b"\n").endswith(b"]}")
    return "".join(WORDS[:count])


@pytest.mark.parametrize("able", ["", "second"], ids=["run anew", "continued"])
def test_wherever_a_stream_is_cut_its_reader_gets_every_word_once(tmp_path: Path, able: str) -> None:
    for place in places():
        before = sent_before(place)
        rest = TEXT[len(before.rstrip()) :] if able else TEXT
        with Provider(Bytes(WHOLE[:place], EVENTS)) as first, Provider(Bytes(stream(*rest), EVENTS)) as second:
            world = world_of(tmp_path / f"{place}", first, second, able=able)
            assert read(world) == (TEXT, None), place
            asked = second.seen[0].body["messages"][-1]
        assert asked == (
            {"role": "assistant", "content": before.rstrip()} if able else {"role": "user", "content": "Hi"}
        )
        assert [one[:2] for one in ends(world)] == [("first", "partial"), ("second", "ok")]


def test_a_stream_that_breaks_again_and_again_is_one_answer(tmp_path: Path) -> None:
    with (
        Provider(Bytes(stream("It is ")[: -len(chunk({}, "stop")) - 14], EVENTS)) as first,
        Provider(Cut("a long")) as second,
        Provider(Say(" story.")) as third,
    ):
        world = world_of(tmp_path, first, second, third, able="second third")
        assert read(world) == ("It is a long story.", None)
        begun = [one.seen[0].body["messages"][-1]["content"] for one in (second, third)]
    assert begun == ["It is", "It is a long"]
    assert [row["status"] for row in world.rows()] == ["partial", "partial", "ok"]


def test_what_a_filter_stopped_is_not_said_by_anyone_else(tmp_path: Path) -> None:
    error = {"type": "invalid_request_error", "code": "content_filter", "message": "flagged"}
    with Provider(FailInside("Hello there", error)) as first, Provider(Say("Hello there you")) as second:
        words, told = read(world_of(tmp_path, first, second))
        assert (words, type(told), second.seen) == ("Hello there", ContentFilterError, [])


def test_an_answer_in_a_schema_is_never_gone_on_with(tmp_path: Path) -> None:
    with Provider(Cut('{"a": 1')) as first, Provider(Say('{"a": 1}')) as second:
        world = world_of(tmp_path, first, second)
        with pytest.raises(TruncatedError):
            world.stream(schema={"type": "object"})
        assert second.seen == []


def test_thoughts_are_not_thought_aloud_twice(tmp_path: Path) -> None:
    before = chunk({"reasoning_content": "Hm. "}) + chunk({"content": "It is"})
    anew = chunk({"reasoning_content": "Well. "}) + chunk({"content": "It is here."}) + chunk({}, "stop")
    with Provider(Bytes(before, EVENTS)) as first, Provider(Bytes(anew, EVENTS)) as second:
        deltas, answer = world_of(tmp_path, first, second).stream()
    assert "".join(delta.reasoning for delta in deltas) == "Hm. "
    assert answer.text == "It is here."


@pytest.mark.parametrize("begun", ["The sky blue is a result of", "The sky", "I"])
def test_a_real_model_goes_on_with_words_that_are_not_its_own(
    tmp_path: Path, local_model: LocalModel, begun: str
) -> None:
    """It says them again first, as its server does with every beginning."""
    with Provider(Cut(begun)) as first:
        route = {"aliases": {"all": ["first/m", f"llamacpp/{local_model.name}"]}, "default": "all"}
        world = World(tmp_path, {"first": first, "llamacpp": f"{local_model.url}/v1"}, route)
        _, answer = world.stream("Why is the sky blue?", temperature=0, max_tokens=30)
    assert answer.text.startswith(begun) and len(answer.text) > len(begun) + 20
    assert begun not in answer.text[len(begun) :][: len(begun) + 1]
    assert [one[:2] for one in ends(world)] == [("first", "partial"), ("llamacpp", "ok")]


def test_what_one_model_thought_is_not_put_into_another_ones_mouth(tmp_path: Path) -> None:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    before = chunk({"reasoning_content": "Hm."}) + chunk({"content": "Let me"})
    anew = chunk({"content": "Let me look."}) + chunk({"tool_calls": [call]}) + chunk({}, "tool_calls")
    with Provider(Bytes(before, EVENTS)) as first, Provider(Bytes(anew, EVENTS), Say("Done")) as second:
        world = world_of(tmp_path, first, second)

        async def two_turns() -> None:
            client = world.client()
            async with client.stream("Hi") as stream:
                assert [delta async for delta in stream]
            said = {"role": "assistant", "content": "Let me look.", "tool_calls": [call]}
            result = {"role": "tool", "tool_call_id": "call_1", "content": "ok"}
            await client.chat([{"role": "user", "content": "Hi"}, said, result], model="second/m")
            await world.runtime.close()

        asyncio.run(two_turns())
        assert "Hm." not in json.dumps(second.seen[1].body)
