"""dispatch: a stream that breaks after content goes on at another target, as one answer, or ends with what broke it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mini_llm import translation
from mini_llm.dispatch import Call, Recovery
from mini_llm.errors import MiniLLMError, ServerError, TruncatedError, UpstreamError
from mini_llm.memory import Recalled
from mini_llm.providers import Provider as Configured
from mini_llm.routing import Needs, Target
from mini_llm.translation import Body
from mini_llm.types import ChatRequest, Delta, Message, Text
from tests.upstream import Bytes, Cut, FailInside, Provider, Say, Status, Step
from tests.world import World

HEAD = "text/event-stream"


def event(delta: dict[str, Any]) -> bytes:
    body = {"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def world_of(home: Path, *providers: Provider, able: str = "", **settings: Any) -> World:
    """Return a world with a route over *providers*; those named in *able* go on with an answer that is begun."""
    names = ["first", "second", "third"][: len(providers)]
    for name in able.split():
        described(home, name, 'continues = { models = ["m"] }')
    route = {"aliases": {"all": [f"{name}/m" for name in names]}, "default": "all", **settings}
    return World(home, dict(zip(names, providers, strict=True)), route)


def described(home: Path, name: str, text: str = "") -> None:
    """Give a provider a file of its own, so that it is none of this machine's, which cost nothing."""
    (home / "providers").mkdir(parents=True, exist_ok=True)
    file = home / "providers" / f"{name}.toml"
    usual = 'base_url = "http://localhost:1/v1"\nauth = "none"\ndocs = "https://example.org"\n'
    file.write_text(f"{usual}{text}\n")
    file.chmod(0o600)


def read(world: World) -> tuple[str, MiniLLMError | None]:
    """Return the words of a streamed answer, and what it ended with."""

    async def story() -> tuple[str, MiniLLMError | None]:
        words = []
        try:
            async for delta in world.client().stream("Hi"):
                words.append(delta.text)
        except MiniLLMError as error:
            return "".join(words), error
        finally:
            await world.runtime.close()
        return "".join(words), None

    return asyncio.run(story())


def ends(world: World) -> list[tuple[str, str, str]]:
    return [(row["provider"], row["status"], row["error"]) for row in world.rows()]


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (Cut("Hello there"), "upstream_truncated"),
        (FailInside("Hello there"), "upstream_server_error"),
        (
            Bytes(event({"content": "Hello there"}) + b"data: {nonsense\n\n" + event({"content": "!"}), HEAD),
            "upstream_protocol",
        ),
    ],
)
def test_an_answer_run_anew_is_spliced_where_it_begins_with_what_was_sent(
    tmp_path: Path, step: Step, code: str
) -> None:
    with Provider(step) as first, Provider(Say("Hello there, my friend")) as second:
        world = world_of(tmp_path, first, second)
        deltas, answer = world.stream()
    assert "".join(delta.text for delta in deltas) == answer.text == "Hello there, my friend"
    assert (answer.provider, answer.attempts, answer.finish_reason) == ("second", 2, "stop")
    assert ends(world) == [("first", "partial", code), ("second", "ok", "")]
    assert len({row["request_id"] for row in world.rows()}) == 1


def test_a_target_that_can_is_given_what_was_sent_as_the_beginning_of_its_answer(tmp_path: Path) -> None:
    with Provider(Cut("Hello there")) as first, Provider() as second, Provider(Say(" my friend")) as third:
        world = world_of(tmp_path, first, second, third, able="third")
        assert read(world) == ("Hello there my friend", None)
        assert second.seen == []
        assert third.seen[0].body["messages"][-1] == {"role": "assistant", "content": "Hello there"}
    assert ends(world) == [("first", "partial", "upstream_truncated"), ("third", "ok", "")]


@pytest.mark.parametrize("refusal", [Status(400), FailInside("", error={"type": "server_error", "message": "no"})])
def test_a_beginning_that_is_refused_is_followed_by_the_request_run_anew(tmp_path: Path, refusal: Step) -> None:
    with Provider(Cut("Hello there")) as first, Provider(Status(400), Say("Hello there, you")) as second:
        world = world_of(tmp_path, first, second, able="second")
        assert read(world) == ("Hello there, you", None)
        assert [seen.body["messages"][-1]["role"] for seen in second.seen] == ["assistant", "user"]
    assert [row["status"] for row in world.rows()] == ["partial", "failed", "ok"]


def test_what_cannot_be_gone_on_with_ends_with_what_broke_it_first(tmp_path: Path) -> None:
    with Provider(FailInside("Hello there")) as first, Provider(Say("Other words")) as second:
        world = world_of(tmp_path, first, second)
        words, error = read(world)
    assert (words, type(error)) == ("Hello there", ServerError)
    assert isinstance(error, UpstreamError) and error.provider == "first"
    assert ends(world) == [("first", "partial", "upstream_server_error"), ("second", "failed", "upstream_no_splice")]


def test_a_target_that_goes_on_and_breaks_too_is_followed_by_the_next(tmp_path: Path) -> None:
    with (
        Provider(Cut("one two")) as first,
        Provider(Cut("one two three four")) as second,
        Provider(Say("one two three four five")) as third,
    ):
        world = world_of(tmp_path, first, second, third)
        assert read(world) == ("one two three four five", None)
        assert [len(one.seen) for one in (first, second, third)] == [1, 1, 1]
    assert [row["status"] for row in world.rows()] == ["partial", "partial", "ok"]
    assert [row["attempt"] for row in world.rows()] == [1, 2, 3]


def test_the_cost_of_an_answer_is_that_of_all_its_attempts(tmp_path: Path) -> None:
    price = {"input": "1", "output": "1"}
    described(tmp_path, "first", 'dialect = "anthropic_messages"')
    described(tmp_path, "second")
    with Provider(Cut("Hello there")) as first, Provider(Say("Hello there, you", usage=(10, 5))) as second:
        world = world_of(tmp_path, first, second, prices={"first/m": price, "second/m": price})
        # The one that broke told 1 token in, and 11 characters of it were seen.
        assert world.stream()[1].cost_nanos == 4_000 + 15_000
    assert [row["cost_nanos"] for row in world.rows()] == [4_000, 15_000]


def test_what_a_run_anew_cost_in_vain_is_not_said_to_be_nothing(tmp_path: Path) -> None:
    described(tmp_path, "second")
    with Provider(Cut("Hello there")) as first, Provider(Say("Other words")) as second:
        world = world_of(tmp_path, first, second, prices={"second/m": {"input": "1", "output": "1"}})
        read(world)
    # One token was asked, and two of the words were seen before they proved to be others.
    assert [(row["cost_nanos"], row["estimated"]) for row in world.rows()] == [(0, 1), (3_000, 1)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"routing": {"recovery": "off"}}, "Hello there"),
        ({"routing": {"maxAttempts": 1}}, "Hello there"),
        ({"aliases": {"all": {"targets": ["first/m", "second/m"], "recovery": "off"}}}, "Hello there"),
        ({"routing": {"recovery": "restart"}}, "Hello there you"),
        ({"aliases": {"all": {"targets": ["first/m", "second/m"], "recovery": "restart"}}}, "Hello there you"),
    ],
)
def test_recovery_is_what_the_user_made_of_it(tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    with Provider(Cut("Hello there")) as first, Provider(Say("Hello there you")) as second:
        world = world_of(tmp_path, first, second, able="second", **settings)
        assert read(world)[0] == words
        assert all(seen.body["messages"][-1]["role"] == "user" for seen in second.seen)


def test_a_tool_call_that_was_begun_is_never_gone_on_with(tmp_path: Path) -> None:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a'}}
    broken = Bytes(event({"content": "Let me see"}) + event({"tool_calls": [call]}), HEAD)
    with Provider(broken) as first, Provider(Say("Let me see it")) as second:
        world = world_of(tmp_path, first, second)
        words, error = read(world)
        assert (words, type(error), second.seen) == ("Let me see", TruncatedError, [])


def test_one_target_alone_ends_with_what_broke_it(tmp_path: Path) -> None:
    with Provider(Cut("Hello there")) as first:
        words, error = read(world_of(tmp_path, first))
        assert (words, type(error), len(first.seen)) == ("Hello there", TruncatedError, 1)


def test_a_target_in_trouble_or_that_failed_this_call_is_not_asked_to_go_on(tmp_path: Path) -> None:
    with (
        Provider(Status(404, {"error": {"code": "model_not_found", "message": "no"}})) as first,
        Provider(Cut("Hello")) as second,
        Provider(Say("Hello you")) as third,
    ):
        world = world_of(tmp_path, first, second, third)
        for _ in range(5):
            world.runtime.health.fail("third/m", "third ", ServerError("x"), time.monotonic())
        assert isinstance(read(world)[1], TruncatedError)
        assert [len(one.seen) for one in (first, second, third)] == [1, 1, 0]


def test_whoever_writes_the_stream_is_told_right_before_the_first_word_from_elsewhere(tmp_path: Path) -> None:
    request = ChatRequest("all", (Message("user", (Text("Hi"),)),), stream=True)
    story: list[str] = []

    def body_for(changed: ChatRequest, provider: Configured, target: Target) -> Body:
        return translation.chat_body(
            Recalled(changed, tuple((one, None) for one in changed.messages)), provider, target
        )

    def call(recovered: Callable[[], None]) -> Call[Any]:
        recovery = Recovery(lambda: request, body_for, translation.streamed, recovered)
        return Call(
            "all",
            Needs(),
            True,
            lambda provider, target: body_for(request, provider, target),
            translation.streamed,
            recovery=recovery,
        )

    async def read_all(world: World) -> None:
        world.client()
        async with world.runtime.dispatch.answer(call(lambda: story.append("!"))) as answer:
            assert answer.target.provider == "first"
            deltas: Any = answer.content
            story.extend([delta.text async for delta in _noted(deltas, story)][:0])
            assert (answer.target.provider, answer.attempts) == ("second", 2)
        await world.runtime.close()

    with Provider(Cut("Hello there")) as first, Provider(Say("Hello there you")) as second:
        asyncio.run(read_all(world_of(tmp_path, first, second)))
    assert "".join(story) == "Hello there! you"


async def _noted(deltas: Any, story: list[str]) -> Any:
    async for delta in deltas:
        assert isinstance(delta, Delta)
        story.append(delta.text)
        yield delta


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_caller_who_leaves_while_it_goes_on_leaves_one_row_an_attempt(tmp_path: Path, count: int) -> None:
    rest = Say("one two " + "three " * 200, pause=0.01)
    with Provider(Cut("one two")) as first, Provider(rest) as second:
        world = world_of(tmp_path, first, second)

        async def leave() -> None:
            async with world.client().stream("Hi") as stream:
                for _ in range(count):
                    await anext(stream)
            await world.runtime.close()

        asyncio.run(leave())
        assert [seen.gone.wait(1) for seen in second.seen] == [True] * len(second.seen)
    statuses = [row["status"] for row in world.rows()]
    assert statuses in (["cancelled"], ["partial", "cancelled"])
    assert count < 5 or len(statuses) == 2


def test_a_whole_answer_that_breaks_is_asked_of_the_next_target(tmp_path: Path) -> None:
    short = {"content-length": "5000"}
    with Provider(Bytes(b'{"choices": [', headers={"x-a": "b"})) as first, Provider(Say("Hello")) as second:
        world = world_of(tmp_path, first, second)
        assert (world.ask().text, short["content-length"]) == ("Hello", "5000")
    assert [row["status"] for row in world.rows()] == ["failed", "ok"]
