"""dispatch: how long each phase may take, who is asked again and who comes next. On a clock that jumps."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mini_llm import translation
from mini_llm.client import AsyncClient
from mini_llm.client.asynchronous import _call
from mini_llm.errors import (
    AllTargetsFailedError,
    ContentFilterError,
    DeadlineError,
    MiniLLMError,
    NetworkError,
    RejectedError,
    ServerError,
    TLSError,
)
from mini_llm.memory import Recalled
from mini_llm.providers import Provider
from mini_llm.routing import Target
from mini_llm.runtime import Runtime
from mini_llm.translation import Body
from mini_llm.types import ChatRequest, Message, Text
from tests.gateway import clock
from tests.gateway.faults import cut, refused, silence
from tests.gateway.hostile import EVENTS, STALL, Hostile, Script, Wire, answer, chunk, say
from tests.gateway.stage import rows
from tests.gateway.tongues import TEXT

Told = str | MiniLLMError
SLOW = say(delay=119.0)


class Play(NamedTuple):
    """What came of asking once: the words or the error, how long it took, and what each provider saw when."""

    told: Told
    seconds: float
    asked: list[list[float]]
    rows: list[dict[str, Any]]
    error: MiniLLMError | None = None

    @property
    def codes(self) -> list[str]:
        return [row["error"] for row in self.rows]


Ask = Callable[[AsyncClient, Runtime], Awaitable[str]]


async def streamed(client: AsyncClient, _: Runtime, **options: Any) -> str:
    words: list[str] = []
    stream = client.stream("Hi", **options)
    async for delta in stream:
        words.append(delta.text)
    return "".join(words)


async def whole(client: AsyncClient, _: Runtime, **options: Any) -> str:
    return (await client.chat("Hi", **options)).text


def play(
    home: Path,
    *scripts: Sequence[Script],
    ask: Ask = streamed,
    model: str = "m",
    names: Sequence[str] = ("first", "second", "third"),
    route: Mapping[str, Any] | None = None,
    urls: Mapping[str, str] | None = None,
    **options: Any,
) -> Play:
    """Ask a route of providers, each doing what its scripts say, and return what came of it."""

    async def story() -> Play:
        async with AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(Hostile(*script)) for script in scripts]
            found = dict(zip(names, (peer.url for peer in peers), strict=False)) | dict(urls or {})
            providers = {name: {"baseUrl": url, "apiKey": "sk-test-0123456789"} for name, url in found.items()}
            targets = [f"{name}/{model}" for name in providers]
            aliases = {"all": {"targets": targets, **(route or {})}}
            loop = asyncio.get_running_loop()
            configure(home, {"providers": providers, "aliases": aliases, "default": "all"})
            runtime = Runtime.open(environ={"MINI_LLM_HOME": str(home)}, cwd=home, now=loop.time, **options)
            began = loop.time()
            told: str = ""
            error = None
            try:
                told = await ask(AsyncClient(runtime=runtime), runtime)
            except MiniLLMError as raised:
                error = raised
            seconds = loop.time() - began
            await runtime.close()
            return Play(told, seconds, [[seen.at - began for seen in peer.seen] for peer in peers], rows(home), error)

    return clock.run(story())


def configure(home: Path, settings: Mapping[str, Any]) -> None:
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "config.json").write_text(json.dumps(settings))
    (home / "config.json").chmod(0o600)


async def pings(wire: Wire) -> None:
    """Begin a stream, and send a comment every second, for ever."""
    await wire.send(answer(b"", headers=EVENTS, chunks=()))
    while True:
        await asyncio.sleep(1.0)
        await wire.send(chunk(b": ping\n\n"))


# How long the first content may take.


def test_a_stream_without_content_for_ten_seconds_is_left_for_a_healthy_target(tmp_path: Path) -> None:
    played = play(tmp_path, [silence()], [say()])
    assert (played.told, played.codes) == (TEXT, ["upstream_timeout", ""])
    assert played.seconds == pytest.approx(10.0, abs=0.5)
    assert len(played.asked[0]) == 1


def test_comments_and_heads_are_no_content(tmp_path: Path) -> None:
    played = play(tmp_path, [pings], [say()])
    assert (played.told, played.codes) == (TEXT, ["upstream_timeout", ""])
    assert played.seconds == pytest.approx(10.0, abs=0.5)


def test_nine_seconds_are_waited_for(tmp_path: Path) -> None:
    played = play(tmp_path, [say(delay=9.0)], [say()])
    assert (played.told, played.codes) == (TEXT, [""])


@pytest.mark.parametrize("ask", [streamed, whole])
def test_a_target_alone_has_its_time(tmp_path: Path, ask: Ask) -> None:
    assert play(tmp_path, [SLOW], ask=ask).told == TEXT


def test_a_target_alone_has_two_minutes_to_begin_a_stream(tmp_path: Path) -> None:
    played = play(tmp_path, [silence()])
    assert isinstance(played.error, DeadlineError) and played.error.status == 504
    assert played.seconds == pytest.approx(120.0, abs=0.5)


def test_a_target_whose_fallbacks_are_all_in_trouble_is_alone(tmp_path: Path) -> None:
    async def ask(client: AsyncClient, runtime: Runtime) -> str:
        for choice in runtime.decide().choices[1:]:
            for _ in range(5):
                key = choice.credentials[0]
                runtime.health.fail(key.key, key.name, ServerError("x"), asyncio.get_running_loop().time())
        return await streamed(client, runtime)

    assert play(tmp_path, [say(delay=15.0)], [say()], ask=ask).codes == [""]


def test_a_model_that_thinks_before_it_speaks_has_two_minutes(tmp_path: Path) -> None:
    assert play(tmp_path, [SLOW], [say()], model="gpt-5.5").codes == [""]


def test_a_model_that_is_asked_to_think_has_two_minutes(tmp_path: Path) -> None:
    async def ask(client: AsyncClient, runtime: Runtime) -> str:
        return await streamed(client, runtime, effort="high")

    assert play(tmp_path, [SLOW], [say()], ask=ask).codes == [""]


def test_a_whole_answer_has_two_minutes_though_others_are_left(tmp_path: Path) -> None:
    assert play(tmp_path, [SLOW], [say()], ask=whole).codes == [""]
    played = play(tmp_path / "late", [silence()], [say()], ask=whole)
    assert played.codes == ["upstream_timeout", ""]
    assert played.seconds == pytest.approx(120.0, abs=0.5)


def test_what_the_route_says_of_time_counts(tmp_path: Path) -> None:
    played = play(tmp_path, [silence()], [say()], route={"timeouts": {"firstContent": 3}})
    assert played.seconds == pytest.approx(3.0, abs=0.5)


def test_the_time_of_the_call_bounds_all_its_attempts(tmp_path: Path) -> None:
    async def ask(client: AsyncClient, runtime: Runtime) -> str:
        return await streamed(client, runtime, timeout=15.0)

    played = play(tmp_path, [silence()], [silence()], [silence()], ask=ask)
    assert played.seconds == pytest.approx(15.0, abs=0.5)
    assert [len(asked) for asked in played.asked] == [1, 1, 0]


# How long it may be silent.


def test_twenty_seconds_of_silence_are_enough_where_another_can_go_on(tmp_path: Path) -> None:
    played = play(tmp_path, [cut(3, STALL)], [say()])
    assert (played.told, played.codes) == (TEXT, ["upstream_timeout", ""])
    assert played.seconds == pytest.approx(20.0, abs=0.5)


def test_two_minutes_of_silence_are_allowed_where_nobody_can(tmp_path: Path) -> None:
    alone = play(tmp_path / "alone", [cut(3, STALL)])
    off = play(tmp_path / "off", [cut(3, STALL)], [say()], route={"recovery": "off"})
    last = play(tmp_path / "last", [cut(3, STALL)], [say()], route={"maxAttempts": 1})
    thinks = play(tmp_path / "thinks", [cut(3, STALL)], [say()], model="gpt-5.5")
    for played in (alone, off, last, thinks):
        assert played.seconds == pytest.approx(120.0, abs=0.5)
        assert played.codes[0] == "upstream_timeout"


def test_a_tool_call_may_take_its_time_once_it_was_begun(tmp_path: Path) -> None:
    piece = (
        b'data: {"id":"x","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","type":"function",'
        b'"function":{"name":"look","arguments":"{\\"a\\""}}]}}]}\n\n'
    )

    async def script(wire: Wire) -> None:
        await wire.send(answer(b"", headers=EVENTS, chunks=()) + chunk(piece))
        await wire.stop(STALL)

    played = play(tmp_path, [script], [say()])
    assert isinstance(played.error, DeadlineError)
    assert played.seconds == pytest.approx(120.0, abs=0.5)


# Who is asked again, and who comes next.


@pytest.mark.parametrize(
    ("header", "waits"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after-ms": "400"}, 0.4),
        ({"retry-after-ms": "2500", "retry-after": "9"}, 2.5),
        ({"retry-after": "2.6"}, None),
        ({"retry-after": "60"}, None),
        ({"retry-after": "Wed, 21 Oct 2065 07:28:00 GMT"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_a_short_wait_that_a_target_names_is_waited_out(
    tmp_path: Path, header: dict[str, str], waits: float | None
) -> None:
    played = play(tmp_path, [refused(429, headers=tuple(header.items())), say()], [say()])
    assert played.told == TEXT
    assert len(played.asked[0]) == (1 if waits is None else 2)
    if waits is not None:
        assert played.asked[0][1] == pytest.approx(waits, abs=0.1)


def test_googles_own_words_for_a_wait_count_too(tmp_path: Path) -> None:
    told = (
        b'{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[{"@type":'
        b'"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}]}}'
    )

    async def limited(wire: Wire) -> None:
        await wire.send(answer(told, status=429))

    played = play(tmp_path, [limited, say()], [say()])
    assert played.asked[0][1] == pytest.approx(1.5, abs=0.1)


def test_a_caller_on_its_second_try_gets_no_second_try_of_ours(tmp_path: Path) -> None:
    async def ask(client: AsyncClient, runtime: Runtime) -> str:
        request = ChatRequest("", (Message("user", (Text("Hi"),)),))
        recalled = Recalled(request, tuple((one, None) for one in request.messages))
        call = _call(recalled, {}, translation.whole)._replace(retried=True)
        async with runtime.dispatch.answer(call) as dispatched:
            assert dispatched.attempts == 2
            return dispatched.target.provider

    played = play(tmp_path, [refused(503)], [say()], ask=ask)
    assert (played.told, [len(asked) for asked in played.asked]) == ("second", [1, 1])


def test_a_name_that_nobody_knows_is_left_at_once(tmp_path: Path) -> None:
    async def resolve(host: str, port: int) -> Sequence[tuple[str, int]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    urls = {"first": "http://nowhere.example/v1"}
    alone = play(tmp_path / "alone", urls=urls, resolve=resolve)
    assert isinstance(alone.error, NetworkError) and alone.error.status == 502

    route = {"targets": ["first/m", "second/m"]}
    played = play(tmp_path / "both", [say()], names=["second"], urls=urls, resolve=resolve, route=route)
    assert (played.told, played.codes) == (TEXT, ["upstream_unreachable", ""])
    assert played.seconds < 1.0


def test_a_peer_that_cannot_prove_who_it_is_is_left_at_once(tmp_path: Path) -> None:
    async def ask(client: AsyncClient, runtime: Runtime) -> str:
        async with await asyncio.start_server(_no_tls, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            first = replace(runtime.registry.get("first"), base_url=f"https://127.0.0.1:{port}/v1")
            runtime.registry._known["first"] = first
            return await streamed(client, runtime)

    played = play(tmp_path, [say()], [say()], ask=ask)
    assert (played.told, played.codes) == (TEXT, [TLSError.code, ""])
    assert played.seconds < 1.0


async def _no_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    writer.write(b"HTTP/1.1 400 What\r\n\r\n")
    writer.close()


@pytest.mark.parametrize("ask", [streamed, whole])
def test_a_refusal_is_final_unless_the_route_says_otherwise(tmp_path: Path, ask: Ask) -> None:
    filtered = refused(400, "The response was filtered", "content_filter")
    final = play(tmp_path / "final", [filtered], [say()], ask=ask)
    assert isinstance(final.error, ContentFilterError)
    assert final.asked[1] == []
    played = play(tmp_path / "next", [filtered], [say()], ask=ask, route={"afterRefusal": "next"})
    assert (played.told, played.codes) == (TEXT, ["content_filter", ""])
    wrong = play(tmp_path / "wrong", [refused(400)], [say()], ask=ask, route={"afterRefusal": "next"})
    assert type(wrong.error) is RejectedError


def test_a_prompt_too_long_is_not_asked_of_a_smaller_window_later(tmp_path: Path) -> None:
    too_long = refused(400, "too long", "context_length_exceeded")
    played = play(
        tmp_path,
        [too_long],
        [refused(500)],
        names=["openai", "lab"],
        route={"targets": ["openai/gpt-4.1-mini", "lab/m", "openai/gpt-4o-mini"]},
        ask=whole,
    )
    assert [row["model"] for row in played.rows] == ["gpt-4.1-mini", "m", "m"]
    assert isinstance(played.error, AllTargetsFailedError)


def test_a_breaker_lets_one_request_of_many_through(tmp_path: Path) -> None:
    async def ask(client: AsyncClient, runtime: Runtime) -> str:
        loop = asyncio.get_running_loop()
        key = runtime.decide().choices[0].credentials[0]
        for _ in range(5):
            runtime.health.fail(key.key, key.name, ServerError("x"), loop.time())
        await asyncio.sleep(6.0)
        told = await asyncio.gather(*(streamed(client, runtime) for _ in range(20)))
        assert set(told) == {TEXT}
        assert runtime.health.state(key.key, loop.time()) == "closed"
        return told[0]

    played = play(tmp_path, [say(delay=1.0)], [say()], ask=ask)
    assert [len(asked) for asked in played.asked] == [1, 19]


def test_a_probe_that_was_given_up_before_it_was_sent_is_another_ones(tmp_path: Path) -> None:
    async def ask(client: AsyncClient, runtime: Runtime) -> str:
        loop = asyncio.get_running_loop()
        key = runtime.decide().choices[0].credentials[0]
        for _ in range(5):
            runtime.health.fail(key.key, key.name, ServerError("x"), loop.time())
        await asyncio.sleep(6.0)
        recalled = Recalled(ChatRequest("", (Message("user", (Text("Hi"),)),)), ())

        async def body_for(provider: Provider, target: Target) -> Body:
            await asyncio.sleep(3600)
            raise AssertionError("it was given up")

        async def give_up() -> None:
            async with runtime.dispatch.answer(_call(recalled, {}, translation.whole)._replace(body_for=body_for)):
                pass

        waiting = asyncio.create_task(give_up())
        await asyncio.sleep(1.0)
        assert "being probed" in runtime.health.trouble(key.key, loop.time())
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return await streamed(client, runtime)

    assert play(tmp_path, [say()], [say()], ask=ask).codes == [""]
