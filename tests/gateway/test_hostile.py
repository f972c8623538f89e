"""The hostile provider and the stretch of bad network do what their tests think they do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.gateway import clock, faults, tongues
from tests.gateway.caller import Caller, Heard, body_for, path_for
from tests.gateway.hostile import CLOSE, RESET, STALL, Hostile, Script, say
from tests.gateway.link import Weather, link
from tests.gateway.reading import ends, request_id_in, told
from tests.gateway.tongues import DIALECTS, TEXT

each = pytest.mark.parametrize("dialect", DIALECTS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def asked(
    script: Script | None, dialect: str, stream: bool, *, weather: Weather | None = None, model: str = "m"
) -> tuple[Heard, Hostile]:
    """Ask a provider directly, or over a link."""

    async def ask(port: int) -> Heard:
        caller = await Caller.open(port, "key")
        try:
            body = json.dumps(body_for(dialect, model, stream=stream)).encode()
            caller.writer.write(caller.request(path_for(dialect, model, stream=stream), body))
            return await caller.answer()
        finally:
            await caller.close()

    async def story() -> tuple[Heard, Hostile]:
        async with Hostile(*([script] if script else [])) as peer:
            if weather is None:
                return await ask(peer.port), peer
            async with link(peer.port, weather) as port:
                return await ask(port), peer

    return clock.run(story())


@both_ways
@each
def test_a_good_answer_reads_well(dialect: str, stream: bool) -> None:
    heard, peer = asked(say(), dialect, stream)
    answer = told(dialect, heard, stream=stream)
    assert answer.text == TEXT
    assert ends(dialect, answer)
    assert peer.seen[0].dialect == dialect
    assert peer.seen[0].streams == stream
    assert peer.seen[0].sent == len(heard.raw)


@each
def test_an_answer_without_its_last_events_does_not_read_as_whole(dialect: str) -> None:
    stream = tongues.stream(dialect)
    for events in range(len(stream.head) + len(stream.words)):
        heard, _ = asked(faults.cut(events), dialect, True)
        assert heard.whole
        assert not ends(dialect, told(dialect, heard, stream=True))


@both_ways
@each
def test_the_faults_are_those_that_their_names_say(dialect: str, stream: bool) -> None:
    assert asked(faults.refused(529), dialect, stream)[0].status == 529
    assert asked(faults.page(), dialect, stream)[0].headers["content-type"].startswith("text/html")
    assert asked(faults.nothing(), dialect, stream)[0].body == b""
    for how in (RESET, CLOSE):
        heard, _ = asked(faults.at_byte(33, how), dialect, stream)
        assert heard.raw == faults.good(dialect, stream=stream)[:33]


@each
def test_an_error_event_is_one_of_its_dialect(dialect: str) -> None:
    heard, _ = asked(faults.fails_inside(len(tongues.stream(dialect).head) + 1), dialect, True)
    answer = told(dialect, heard, stream=True)
    assert answer.text == tongues.WORDS[0]
    assert answer.error is not None
    assert request_id_in(dialect, answer.error) == ""


@pytest.mark.parametrize("fault", ["status-503", "page", "nothing", "cut-1", "reset"])
def test_a_model_may_name_its_fault(fault: str) -> None:
    heard, _ = asked(None, "openai_chat", False, model=f"m!{fault}")
    assert heard.raw != faults.good("openai_chat", stream=False)


def test_it_knows_when_its_caller_went_away() -> None:
    async def story() -> float:
        async with Hostile(faults.silence()) as peer:
            caller = await Caller.open(peer.port, "key")
            asking = asyncio.create_task(caller.ask("openai_chat"))
            await asyncio.sleep(3.0)
            asking.cancel()
            caller.reset()
            await asyncio.sleep(1.0)
            gone = peer.seen[0].gone_at
            assert gone is not None
            return gone - peer.seen[0].at

    assert clock.run(story()) == pytest.approx(3.0, abs=0.01)


WEATHERS: dict[str, tuple[Weather, Callable[[Heard], Any]]] = {
    "latency": (Weather(latency=2.0), lambda heard: heard.whole and heard.ended_at >= 2.0),
    "bandwidth": (Weather(rate=100.0), lambda heard: heard.whole and heard.ended_at >= len(heard.raw) / 100 - 0.1),
    "slicer": (Weather(piece=1, latency=0.01), lambda heard: heard.ended_at >= len(heard.raw) / 100 - 0.1),
    "slow close": (Weather(lingers=5.0), lambda heard: heard.whole),
    "limit": (Weather(limit=50), lambda heard: len(heard.raw) == 50),
    "reset": (Weather(limit=50, then=RESET), lambda heard: len(heard.raw) == 50),
    "down": (Weather(down=True), lambda heard: heard.raw == b""),
}


@pytest.mark.parametrize("weather", WEATHERS)
@each
def test_the_weather_is_as_it_says(dialect: str, weather: str) -> None:
    kind, holds = WEATHERS[weather]
    heard, _ = asked(say(), dialect, True, weather=kind)
    assert holds(heard)


def test_a_stalled_link_is_silent_for_as_long_as_one_waits() -> None:
    async def impatiently(act: Awaitable[Heard]) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600.0):
                await act

    async def story() -> None:
        async with Hostile(say()) as peer, link(peer.port, Weather(limit=60, then=STALL)) as port:
            caller = await Caller.open(port, "key")
            await impatiently(caller.ask("openai_chat", stream=True))
            await caller.close()

    clock.run(story())
