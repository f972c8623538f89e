"""Usage that no provider told, or only in part: counted by the rule, said to be an estimate, priced all the same."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm import pricing
from mini_llm.meter import CHARACTERS_A_TOKEN, Meter
from mini_llm.types import ChatResponse, Choice, Delta, Message, Reasoning, Text, ToolCall, ToolCallDelta, Usage
from tests.gateway.running import running
from tests.gateway.test_relay import CHAT, MESSAGES, ask
from tests.upstream import Bytes, Cut, Provider, Reset, Say, Silence, Status, Step
from tests.world import World

PROMPT = "x" * 4_000  # a thousand tokens by the rule
WORDS = "12345678" * 10  # twenty
DOLLAR = 1_000  # nano-dollars a token at a dollar a million


def priced(home: Path, provider: Provider, *, dialect: str = "openai_chat") -> World:
    """Return a world with one provider that is none of this machine's: a dollar a million tokens in, ten out."""
    (home / "providers").mkdir(parents=True, exist_ok=True, mode=0o700)
    told = f'base_url = "{provider.url}"\nauth = "none"\ndocs = "https://example.org"\ndialect = "{dialect}"\n'
    (home / "providers" / "lab.toml").write_text(told, encoding="utf-8")
    return World(home, {}, {"providers": {"lab": {"models": ["m"]}}, "default": "lab/m", "prices": PRICES})


COUNTS = st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda counts: Usage(*counts))
PRICES = {"lab/m": {"input": "1", "output": "10"}}


def used(world: World) -> list[tuple[str, int | None, int | None, int | None, int | None]]:
    """Return each row's status, tokens, whether they are an estimate, and cost; all of them can be recomputed."""
    findings = world.runtime.ledger.verify(pricing.cost_of(world.runtime.catalogue))
    assert findings.sound, findings
    assert findings.recomputed == findings.rows
    world.runtime.ledger.close()
    names = ("status", "input_tokens", "output_tokens", "estimated", "cost_nanos")
    return [tuple(row[name] for name in names) for row in world.rows()]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_without_usage_is_counted(tmp_path: Path, *, stream: bool) -> None:
    with Provider(Say(WORDS, usage=None)) as provider:
        world = priced(tmp_path, provider)
        world.stream(PROMPT) if stream else world.ask(PROMPT)
        assert used(world) == [("ok", 1_000, 20, 1, 1_000 * DOLLAR + 20 * 10 * DOLLAR)]


@pytest.mark.parametrize("stream", [False, True])
def test_what_a_provider_told_is_no_estimate_also_where_it_is_nothing(tmp_path: Path, *, stream: bool) -> None:
    with Provider(Say(WORDS, usage=(7, 0))) as provider:
        world = priced(tmp_path, provider)
        world.stream(PROMPT) if stream else world.ask(PROMPT)
        assert used(world) == [("ok", 7, 0, 0, 7 * DOLLAR)]


def test_a_stream_that_breaks_is_counted_as_far_as_it_came(tmp_path: Path) -> None:
    with Provider(Cut(WORDS)) as provider:
        world = priced(tmp_path, provider)
        world.failure(stream=True, prompt=PROMPT)
        assert used(world) == [("partial", 1_000, 20, 1, 1_200 * DOLLAR)]


def test_what_was_told_before_a_stream_broke_is_kept_where_it_is_more(tmp_path: Path) -> None:
    with Provider(Cut(WORDS)) as provider:
        world = priced(tmp_path, provider, dialect="anthropic_messages")
        world.failure(stream=True, prompt=PROMPT)
        # It told 1 token of input and 1 of output before it began: the first is its own count, the second is not.
        assert used(world) == [("partial", 1, 20, 1, 201 * DOLLAR)]


@pytest.mark.parametrize("step", [Status(500), Status(429), Reset(), Bytes(b"<html>", "text/html")])
def test_an_attempt_that_failed_before_its_first_word_costs_nothing(tmp_path: Path, step: Step) -> None:
    with Provider(step) as provider:
        world = priced(tmp_path, provider)
        world.failure(prompt=PROMPT)
        rows = used(world)
        assert rows and set(rows) == {("failed", None, None, 0, 0)}


def test_a_caller_who_leaves_pays_for_what_was_said_to_it(tmp_path: Path) -> None:
    with Provider(Say("word " * 1_000, pause=0.005)) as provider:
        world = priced(tmp_path, provider)
        seen = asyncio.run(_leave(world, after=8))
        ((status, prompt, said, estimated, cost),) = used(world)
        assert (status, prompt, estimated) == ("cancelled", 1_000, 1)
        assert said is not None and seen // CHARACTERS_A_TOKEN <= said < 1_250
        assert cost == 1_000 * DOLLAR + said * 10 * DOLLAR


async def _leave(world: World, *, after: int) -> int:
    seen = 0
    async with world.client().stream(PROMPT) as stream:
        for _ in range(after):
            seen += len((await anext(stream)).text)
    await world.runtime.close()
    return seen


def test_a_caller_who_leaves_before_the_first_word_pays_for_the_prompt(tmp_path: Path) -> None:
    async def leave() -> None:
        asking = asyncio.ensure_future(world.client().chat(PROMPT))
        while not provider.seen:
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await world.runtime.close()

    with Provider(Silence()) as provider:
        world = priced(tmp_path, provider)
        asyncio.run(leave())
        assert used(world) == [("cancelled", 1_000, 0, 1, 1_000 * DOLLAR)]


def test_each_attempt_at_a_recovered_answer_is_counted_for_itself(tmp_path: Path) -> None:
    with Provider(Cut("one two three four")) as first, Provider(Say("one two three four five", usage=(9, 6))) as other:
        world = priced(tmp_path, first)
        told = f'base_url = "{other.url}"\nauth = "none"\ndocs = "https://example.org"\n'
        (tmp_path / "providers" / "other.toml").write_text(told, encoding="utf-8")
        settings = {
            "providers": {"lab": {"models": ["m"]}, "other": {"models": ["m"]}},
            "aliases": {"both": ["lab/m", "other/m"]},
            "prices": {**PRICES, "other/m": {"input": "2", "output": "4"}},
        }
        world = World(tmp_path, {}, settings)
        _, answer = world.stream(PROMPT, model="both")
        assert answer.text == "one two three four five"
        rows = used(world)
    assert rows == [
        ("partial", 1_000, 5, 1, 1_050 * DOLLAR),
        ("ok", 9, 6, 0, 42 * DOLLAR),
    ]
    assert answer.cost_nanos == 1_092 * DOLLAR


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_the_gateway_counts_an_answer_that_passes_without_usage(tmp_path: Path, path: str) -> None:
    with Provider(Say(WORDS, usage=None)) as provider:
        home = tmp_path / "home"
        told = priced(home, provider)
        settings = json.loads((home / "config.json").read_text(encoding="utf-8"))
        told.runtime.ledger.close()
        with running(home, {}, settings) as gateway:
            body: dict[str, Any] = {"model": "lab/m", "messages": [{"role": "user", "content": PROMPT}]}
            assert ask(gateway, path, body | {"max_tokens": 50}).status == 200
            (row,) = gateway.rows(1)
    counted = (row["status"], row["input_tokens"], row["output_tokens"], row["estimated"], row["cost_nanos"])
    assert counted == ("ok", 1_000, 20, 1, 1_200 * DOLLAR)


def test_the_words_of_a_whole_answer_are_read_only_where_usage_is_missing() -> None:
    parts = (Text("four"), Reasoning("thought."), ToolCall("1", "look", '{"a":1}'))
    response = ChatResponse("x", "m", (Choice(Message("assistant", parts)),))

    def unwanted() -> ChatResponse:
        raise AssertionError("read though usage is told")

    told, untold = Meter(), Meter()
    told.whole(Usage(1, 0), unwanted)
    untold.whole(None, lambda: response)
    assert told.told and not untold.told
    untold.estimate(12)
    assert untold.usage == Usage(12, 5, estimated=True)  # 19 characters


def test_thoughts_and_calls_and_blocks_that_come_at_once_are_counted_too() -> None:
    meter = Meter()
    call = Delta(tool_call=ToolCallDelta(0, name="look", arguments='{"a"'))
    for delta in (Delta(reasoning="hmm."), Delta(part=Text("1234")), call, Delta(refusal="no")):
        meter.see(delta)
    assert meter.characters == 14


@given(st.lists(st.text(max_size=30)), st.integers(0, 10**6), st.none() | COUNTS)
def test_an_estimate_is_the_larger_of_what_was_told_and_what_was_seen(
    words: list[str], prompt: int, told: Usage | None
) -> None:
    meter = Meter()
    meter.see(Delta(usage=told))
    for text in words:
        meter.see(Delta(text=text))
    seen = -(-sum(map(len, words)) // CHARACTERS_A_TOKEN)
    meter.estimate(prompt)
    assert meter.usage is not None
    assert meter.usage.output_tokens == max(seen, told.output_tokens if told else 0)
    assert meter.usage.input_tokens == (told.input_tokens if told else prompt)
    assert meter.usage.estimated == (told is None or seen > told.output_tokens)


@given(st.integers(0, 100), st.text(max_size=400), st.booleans())
def test_what_was_told_at_the_end_of_an_answer_is_never_touched(tokens: int, text: str, estimated: bool) -> None:
    meter = Meter()
    usage = Usage(tokens, tokens, estimated=estimated)
    for delta in (Delta(text=text), Delta(finish_reason="stop"), Delta(usage=usage)):
        meter.see(delta)
    assert meter.told
    meter.estimate(5)
    assert meter.usage == usage


def test_an_answer_of_another_class_of_service_is_not_priced_as_the_usual_one(tmp_path: Path) -> None:
    message = {"role": "assistant", "content": "Hello"}
    body = {
        "id": "x",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8},
        "service_tier": "priority",
    }
    with Provider(Bytes(json.dumps(body).encode())) as provider:
        world = priced(tmp_path, provider)
        assert world.ask(PROMPT).cost_nanos is None
        assert used(world) == [("ok", 7, 1, 0, None)]
        (row,) = world.rows()
        assert row["price_snapshot"].startswith("config-") and row["price_snapshot"].endswith("+priority")
