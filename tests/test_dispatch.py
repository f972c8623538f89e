"""dispatch: design §5's table, each row against real providers on real sockets, streaming and not."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from mini_llm.errors import (
    AllTargetsFailedError,
    AuthError,
    ContentFilterError,
    DeadlineError,
    NetworkError,
    NotAnAPIError,
    ProtocolError,
    QuotaError,
    RateLimitError,
    RejectedError,
    ServerError,
    TranslationError,
    TruncatedError,
)
from tests.upstream import Cut, FailInside, Provider, Reset, Say, Silence, Status
from tests.world import World

STREAMING = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
ROUTE = {"aliases": {"both": ["first/m", "second/m"]}, "default": "both"}


def answer_text(world: World, *, stream: bool, **options: Any) -> str:
    return (world.stream(**options)[1] if stream else world.ask(**options)).text


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


@STREAMING
@pytest.mark.parametrize(
    ("step", "code", "asked"),
    [
        (Status(500), "upstream_server_error", 2),
        (Status(503), "upstream_server_error", 2),
        (Status(529), "overloaded", 2),
        (Status(429), "rate_limited", 2),
        (Status(429, headers={"retry-after": "1"}), "rate_limited", 2),
        (Status(429, headers={"retry-after": "30"}), "rate_limited", 1),
        (Status(429, {"error": {"code": "insufficient_quota", "message": "empty"}}), "insufficient_quota", 1),
        (Status(402), "insufficient_quota", 1),
        (Status(401), "upstream_auth", 1),
        (Status(403), "upstream_auth", 1),
        (Status(404, {"error": {"code": "model_not_found", "message": "no such model"}}), "model_not_found", 1),
        (Status(200, "<html>Sign in</html>", content_type="text/html"), "upstream_not_api", 1),
        (Reset(), "upstream_reset", 2),
    ],
)
def test_falls_back_while_nothing_has_reached_the_caller(
    tmp_path: Path, step: Status | Reset, code: str, asked: int, *, stream: bool
) -> None:
    with Provider(step) as first, Provider(Say("Hello from the second")) as second:
        world = World(tmp_path / "home", {"first": first, "second": second}, ROUTE)
        assert answer_text(world, stream=stream) == "Hello from the second"
        assert len(first.seen) == asked
        rows = world.rows()
    assert [row["status"] for row in rows] == [*["failed"] * asked, "ok"]
    assert rows[0]["error"] == code
    assert len({row["request_id"] for row in rows}) == 1
    assert [row["attempt"] for row in rows] == list(range(1, asked + 2))


@STREAMING
def test_a_closed_port_is_left_at_once_for_the_next_target(tmp_path: Path, *, stream: bool) -> None:
    with Provider(Say("Hello")) as second:
        world = World(tmp_path / "home", {"first": closed_port(), "second": second}, ROUTE)
        assert answer_text(world, stream=stream) == "Hello"
        assert world.waits == []
        assert [row["error"] for row in world.rows()] == ["upstream_unreachable", ""]


@STREAMING
def test_the_same_target_that_recovers_is_kept(tmp_path: Path, *, stream: bool) -> None:
    with Provider(Status(503), Say("Back again")) as first, Provider() as second:
        world = World(tmp_path / "home", {"first": first, "second": second}, ROUTE)
        assert answer_text(world, stream=stream) == "Back again"
        assert second.seen == []
        assert len(world.waits) == 1 and 0.2 <= world.waits[0] <= 0.5


def test_a_short_retry_after_is_waited_out_to_the_millisecond(tmp_path: Path) -> None:
    with Provider(Status(429, headers={"retry-after-ms": "1500"}), Say("Hello")) as first:
        world = World(tmp_path / "home", {"first": first})
        assert world.ask(model="first/m").text == "Hello"
        assert world.waits == [1.5]


@STREAMING
@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (Status(400, {"error": {"message": "temperature must be below 2"}}), RejectedError),
        (Status(422, {"detail": "bad body"}), RejectedError),
        (Status(413), RejectedError),
        (
            Status(400, {"error": {"code": "content_filter", "message": "The response was filtered"}}),
            ContentFilterError,
        ),
    ],
)
def test_a_request_that_is_wrong_is_wrong_everywhere(
    tmp_path: Path, step: Status, kind: type[Exception], *, stream: bool
) -> None:
    with Provider(step) as first, Provider() as second:
        world = World(tmp_path / "home", {"first": first, "second": second}, ROUTE)
        assert type(world.failure(stream=stream)) is kind
        assert (len(first.seen), len(second.seen)) == (1, 0)


@STREAMING
def test_a_prompt_too_long_goes_to_a_target_with_an_unknown_window(tmp_path: Path, *, stream: bool) -> None:
    too_long = Status(400, {"error": {"code": "context_length_exceeded", "message": "too long"}})
    with Provider(too_long) as first, Provider(Say("It fits")) as second:
        world = World(tmp_path / "home", {"first": first, "second": second}, ROUTE)
        assert answer_text(world, stream=stream) == "It fits"


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (FailInside(error={"type": "server_error", "message": "it broke"}), ServerError),
        (Cut(""), TruncatedError),
        (Status(200, "data: {nonsense\n\n", content_type="text/event-stream"), ProtocolError),
    ],
)
def test_a_stream_that_fails_before_its_first_content_falls_back(
    tmp_path: Path, step: Any, kind: type[Exception]
) -> None:
    with Provider(step) as first, Provider(Say("Hello")) as second:
        world = World(tmp_path / "home", {"first": first, "second": second}, ROUTE)
        assert world.stream()[1].text == "Hello"
        alone = World(tmp_path / "alone", {"first": first})
        assert isinstance(alone.failure(stream=True, model="first/m"), kind)


def test_without_recovery_a_stream_that_breaks_after_content_is_never_started_again(tmp_path: Path) -> None:
    with Provider(Cut("Hello there")) as first, Provider(Say("other words")) as second:
        settings = {**ROUTE, "routing": {"recovery": "off"}}
        world = World(tmp_path / "home", {"first": first, "second": second}, settings)

        async def read() -> list[str]:
            words = []
            stream = world.client().stream("Hi")
            with pytest.raises(TruncatedError):
                async for delta in stream:
                    words.append(delta.text)
            assert stream.answer.finish_reason == ""
            await world.runtime.close()
            return words

        assert "".join(asyncio.run(read())) == "Hello there"
        assert second.seen == []
        assert [(row["status"], row["error"]) for row in world.rows()] == [("partial", "upstream_truncated")]


@STREAMING
def test_a_silent_target_is_not_asked_again(tmp_path: Path, *, stream: bool) -> None:
    route = {"aliases": {"both": {"targets": ["first/m", "second/m"], "timeouts": {"firstContent": 0.2}}}}
    with Provider(Silence()) as first, Provider(Say("Hello")) as second:
        world = World(tmp_path / "home", {"first": first, "second": second}, route)
        assert answer_text(world, stream=stream, model="both") == "Hello"
        assert len(first.seen) == 1
        assert first.seen[0].gone.wait(1)
        assert world.rows()[0]["error"] == "upstream_timeout"


def test_a_stream_that_opens_and_stays_empty_is_left_for_the_next(tmp_path: Path) -> None:
    route = {"aliases": {"both": {"targets": ["first/m", "second/m"], "timeouts": {"firstContent": 0.2}}}}
    with Provider(Silence(headers=True)) as first, Provider(Say("Hello")) as second:
        world = World(tmp_path / "home", {"first": first, "second": second}, route)
        assert world.stream(model="both")[1].text == "Hello"


@STREAMING
def test_the_timeout_of_the_call_bounds_everything(tmp_path: Path, *, stream: bool) -> None:
    with Provider(Silence()) as first, Provider(Silence()) as second:
        world = World(tmp_path / "home", {"first": first, "second": second}, ROUTE)
        error = world.failure(stream=stream, timeout=0.3)
    assert isinstance(error, DeadlineError) and error.status == 504


def test_at_most_four_attempts_are_made(tmp_path: Path) -> None:
    with Provider(Status(500)) as bad:
        names = ["a", "b", "c", "d"]
        world = World(
            tmp_path / "home",
            dict.fromkeys(names, bad),
            {"aliases": {"all": [f"{name}/m" for name in names]}, "default": "all"},
        )
        error = world.failure()
        assert isinstance(error, AllTargetsFailedError)
        assert len(bad.seen) == 4 and error.status == 502
        assert [(row["provider"], row["attempt"]) for row in world.rows()] == [("a", 1), ("a", 2), ("b", 3), ("b", 4)]


@pytest.mark.parametrize(
    ("step", "kind", "exit_code"),
    [
        (Status(401), AuthError, 4),
        (Status(402), QuotaError, 6),
        (Status(429), RateLimitError, 5),
        (Status(200, "<html>", content_type="text/html"), NotAnAPIError, 5),
        (Reset(), NetworkError, 5),
    ],
)
def test_one_target_alone_tells_its_own_failure(tmp_path: Path, step: Any, kind: type, exit_code: int) -> None:
    with Provider(step) as only:
        error = World(tmp_path / "home", {"only": only}).failure(model="only/m")
    assert isinstance(error, kind) and error.exit_code == exit_code


def test_several_failures_are_all_named_with_the_shortest_wait(tmp_path: Path) -> None:
    with (
        Provider(Status(429, headers={"retry-after": "30"})) as first,
        Provider(Status(429, headers={"retry-after": "20"})) as second,
    ):
        error = World(tmp_path / "home", {"first": first, "second": second}, ROUTE).failure()
    assert isinstance(error, AllTargetsFailedError)
    assert (error.status, error.retry_after) == (429, 20.0)
    assert "first: " in error.message and "second: " in error.message


def test_a_target_in_trouble_is_passed_over_next_time(tmp_path: Path) -> None:
    with Provider(Status(429, headers={"retry-after": "60"})) as first, Provider(Say("Hello")) as second:
        world = World(tmp_path / "home", {"first": first, "second": second}, ROUTE)
        world.ask()
        assert world.ask().attempts == 1
        assert (len(first.seen), len(second.seen)) == (1, 2)


def test_the_last_target_left_is_asked_even_in_trouble(tmp_path: Path) -> None:
    with Provider(Status(429, headers={"retry-after": "60"}), Say("Hello")) as only:
        world = World(tmp_path / "home", {"only": only})
        world.failure(model="only/m")
        assert world.ask(model="only/m").text == "Hello"


def test_what_one_provider_cannot_express_another_may(tmp_path: Path) -> None:
    with Provider() as first, Provider(Say("Hello")) as second:
        world = World(tmp_path / "home", {"second": second}, {"aliases": {"both": ["claude/m", "second/m"]}})
        settings = {"claude": {"baseUrl": first.url, "dialect": "anthropic"}, "second": {"baseUrl": second.url}}
        world = World(tmp_path / "home", {}, {"providers": settings, "aliases": {"both": ["claude/m", "second/m"]}})
        assert world.ask(model="both", seed=7).text == "Hello"
        assert first.seen == []
        assert isinstance(world.failure(model="claude/m", seed=7), TranslationError)


@pytest.mark.parametrize("leave_after", [0, 1, 3])
def test_a_caller_who_leaves_closes_the_upstream_and_leaves_one_row(tmp_path: Path, leave_after: int) -> None:
    with Provider(Say("one two three four five six seven eight nine ten " * 50, pause=0.01)) as only:
        world = World(tmp_path / "home", {"only": only})

        async def leave() -> None:
            async with world.client().stream("Hi", model="only/m") as stream:
                for _ in range(leave_after + 1):
                    await anext(stream)
            await world.runtime.close()

        asyncio.run(leave())
        assert only.seen[0].gone.wait(1)
        assert [row["status"] for row in world.rows()] == ["cancelled"]


def test_a_caller_who_is_cancelled_while_waiting_closes_the_upstream(tmp_path: Path) -> None:
    with Provider(Silence()) as only:
        world = World(tmp_path / "home", {"only": only})

        async def cancel() -> None:
            asking = asyncio.ensure_future(world.client().chat("Hi", model="only/m"))
            while not only.seen:
                await asyncio.sleep(0.01)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await world.runtime.close()

        asyncio.run(cancel())
        assert only.seen[0].gone.wait(1)
        assert [row["status"] for row in world.rows()] == ["cancelled"]


def test_a_storm_of_failures_is_not_answered_with_a_storm_of_retries(tmp_path: Path) -> None:
    with Provider(Status(500)) as only:
        world = World(tmp_path / "home", {"only": only})
        gate = asyncio.Event()

        async def held(seconds: float) -> None:
            world.waits.append(seconds)
            await gate.wait()

        async def storm() -> None:
            client = world.client(sleep=held)
            asked = [asyncio.ensure_future(client.chat("Hi", model="only/m")) for _ in range(40)]
            while len([one for one in asked if one.done()]) < 30:
                await asyncio.sleep(0.01)
            gate.set()
            await asyncio.gather(*asked, return_exceptions=True)
            await world.runtime.close()

        asyncio.run(storm())
        assert 3 <= len(world.waits) <= 8
