"""dispatch against providers that mean harm, and settings that are wrong: nobody waits, pays or counts twice."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mini_llm.client import Answer, AsyncClient
from mini_llm.errors import CredentialError, LedgerError, NetworkError, ProtocolError
from mini_llm.ledger import Book, Ledger
from tests.hostile import Hostile, Script, flood, hostile
from tests.test_ledger import ENTRY
from tests.upstream import Cut, FailInside, Provider, Say, Silence, Status, Step
from tests.world import World

PATH = "/v1/chat/completions"
ROLE = b'data: {"id":"x","choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n'
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"


def route(*targets: str, **settings: Any) -> dict[str, Any]:
    return {"aliases": {"all": {"targets": list(targets), **settings}}, "default": "all"}


def played(home: Path, script: Script, ask: Callable[[AsyncClient], Awaitable[Answer]], **settings: Any) -> World:
    """Ask a route of a hostile first and a good second provider."""

    async def story(second: Provider) -> World:
        async with hostile() as peer:
            peer.scripts[PATH] = script
            world = World(home, {"first": f"{peer.url}/v1", "second": second}, route("first/m", "second/m", **settings))
            try:
                assert (await ask(world.client())).text == "Hello"
            finally:
                await world.runtime.close()
            return world

    with Provider(Say("Hello")) as second:
        return asyncio.run(story(second))


async def streamed(client: AsyncClient) -> Answer:
    stream = client.stream("Hi")
    async for _ in stream:
        pass
    return stream.answer


@pytest.mark.parametrize(
    "script",
    [
        flood(b"a", pause=0.01, head=b"HTTP/1.1 200 OK\r\nx-slow: "),
        flood(b"HTTP/1.1 102 Processing\r\n\r\n", pause=0.05, head=b""),
        flood(b"x", pause=0.01, head=b"HTTP/1.1 500 Oh\r\n\r\n"),
        flood(b": ping\n\n", pause=0.01, head=STREAM_HEAD),
        flood(ROLE, pause=0.01, head=STREAM_HEAD),
    ],
    ids=["head", "interim answers", "error body", "comments", "empty deltas"],
)
def test_what_drips_without_content_is_as_late_as_silence(tmp_path: Path, script: Script) -> None:
    async def within_two_seconds(client: AsyncClient) -> Answer:
        async with asyncio.timeout(2.0):
            return await streamed(client)

    world = played(tmp_path / "home", script, within_two_seconds, timeouts={"firstContent": 0.3})
    assert [(row["status"], row["error"]) for row in world.rows()] == [("failed", "upstream_timeout"), ("ok", "")]


def test_a_stream_without_end_is_ended_and_its_connection_closed(tmp_path: Path) -> None:
    content = json.dumps({"choices": [{"index": 0, "delta": {"content": "x" * (1 << 20)}}]}).encode()

    async def story(peer: Hostile) -> None:
        peer.scripts[PATH] = flood(b"data: %b\n\n" % content, head=STREAM_HEAD)
        world = World(tmp_path / "home", {"only": f"{peer.url}/v1"})
        stream = world.client().stream("Hi", model="only/m")
        with pytest.raises(ProtocolError, match="streamed more than 64 MiB"):
            async for _ in stream:
                pass
        await peer.closed(0)
        await world.runtime.close()
        assert [row["status"] for row in world.rows()] == ["partial"]

    async def whole() -> None:
        async with hostile() as peer:
            await story(peer)

    asyncio.run(whole())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "broken",
    [{"apiKey": "file:/nowhere/at/all"}, {"headers": {"x-team": "${NOT_SET}"}}, {"headers": {"Host": "elsewhere"}}],
    ids=["no key", "no variable", "a header that is ours"],
)
def test_a_target_that_cannot_be_asked_costs_no_attempt_and_no_row(
    tmp_path: Path, broken: dict[str, Any], *, stream: bool
) -> None:
    with Provider() as first, Provider(Say("Hello")) as second:
        providers = {"first": {"baseUrl": first.url, **broken}, "second": {"baseUrl": second.url}}
        world = World(tmp_path / "home", {}, {"providers": providers, **route("first/m", "second/m", maxAttempts=1)})
        answer = world.stream()[1] if stream else world.ask()
        assert (answer.text, answer.attempts, first.seen) == ("Hello", 1, [])
    assert [(row["provider"], row["attempt"]) for row in world.rows()] == [("second", 1)]


def test_a_probe_that_could_not_be_sent_leaves_the_door_open_for_the_next(tmp_path: Path) -> None:
    with Provider() as first:
        settings = {"providers": {"first": {"baseUrl": first.url, "apiKey": "file:/nowhere/at/all"}}}
        world = World(tmp_path / "home", {}, settings)
        health = world.runtime.health
        for _ in range(5):
            health.fail("first/m", "first", NetworkError("refused"), -100.0)
        assert isinstance(world.failure(model="first/m"), CredentialError)
        assert health.trouble("first/m", 0.0) == ""


def test_a_target_whose_streams_always_break_is_passed_over_in_the_end(tmp_path: Path) -> None:
    with Provider(Cut("Hello")) as first, Provider(Say("Hello")) as second:
        world = World(tmp_path / "home", {"first": first, "second": second}, route("first/m", "second/m"))
        assert [world.stream()[1].attempts for _ in range(6)] == [2, 2, 2, 2, 2, 1]
        assert world.stream()[1].provider == "second"


def test_nothing_is_sent_while_no_more_rows_can_be_kept(tmp_path: Path) -> None:
    def stuck() -> Book:
        raise LedgerError("the disk is full")

    with Provider() as only:
        world = World(tmp_path / "home", {"only": only})
        world.ask(model="only/m")
        world.runtime.ledger = Ledger(stuck)
        for _ in range(10_000):
            world.runtime.ledger.append(ENTRY)
        error = asyncio.run(_failure(world.client()))
        assert isinstance(error, LedgerError)
        assert len(only.seen) == 1


STEPS: list[Step] = [
    *(Say("a b c d e", pause=0.002), Cut("some words"), Cut(""), FailInside("some"), FailInside("")),
    *(Silence(), Silence(headers=True), *map(Status, (500, 429, 401, 404, 400))),
]


@pytest.mark.parametrize("seed", range(3))
def test_however_calls_end_nothing_of_them_is_left(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)

    async def call(client: AsyncClient) -> None:
        if dice.random() < 0.5:
            await client.chat("Hi", timeout=dice.choice([0.05, 1.0]))
            return
        async with client.stream("Hi") as stream:
            for _ in range(dice.choice([1, 2, 99])):
                await anext(stream)

    async def story(world: World) -> None:
        client = world.client(sleep=lambda seconds: asyncio.sleep(min(seconds, 0.01)))
        calls = [asyncio.create_task(call(client)) for _ in range(40)]
        for one in calls[::2]:
            asyncio.get_running_loop().call_later(dice.random() * 0.15, one.cancel)
        await asyncio.wait(calls, timeout=1.0)
        for one in calls:
            one.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await asyncio.sleep(0.05)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await world.runtime.close()

    with Provider() as first, Provider() as second:
        for provider in (first, second):
            provider.script[:] = [dice.choice(STEPS) for _ in range(60)]
        settings = route("first/m", "second/m", timeouts={"firstContent": 0.3})
        world = World(tmp_path / "home", {"first": first, "second": second}, settings)
        asyncio.run(story(world))
        rows = world.rows()
        for provider, seen in (("first", first.seen), ("second", second.seen)):
            assert len([row for row in rows if row["provider"] == provider]) >= len(seen)
        assert len({(row["request_id"], row["attempt"]) for row in rows}) == len(rows)


async def _failure(client: AsyncClient) -> BaseException:
    (outcome,) = await asyncio.gather(client.chat("Hi", model="only/m"), return_exceptions=True)
    assert isinstance(outcome, BaseException)
    return outcome
