"""Bad weather between the gateway and a provider, and providers that tell too little of what was used."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.gateway import clock, faults
from tests.gateway.caller import Heard
from tests.gateway.hostile import CLOSE, RESET, STALL, Hostile, Wire, say
from tests.gateway.link import Weather, link
from tests.gateway.reading import Told, ends, told
from tests.gateway.stage import Case, Stage, play, rows, stage
from tests.gateway.tongues import DIALECTS, TEXT

each = pytest.mark.parametrize("dialect", DIALECTS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])

HARMLESS = {
    "latency": Weather(latency=0.3),
    "little bandwidth": Weather(rate=500.0),
    "small pieces": Weather(piece=3, latency=0.001),
    "a slow close": Weather(lingers=30.0),
}
HARMFUL = {
    "down": Weather(down=True),
    "cut by a limit": Weather(limit=100, then=CLOSE),
    "reset by a limit": Weather(limit=100, then=RESET),
    "stalled by a limit": Weather(limit=100, then=STALL),
    "reset near the end": Weather(limit=700, then=RESET, piece=50),
}


def through(home: Path, weather: Weather, dialect: str, stream: bool, *, alone: bool) -> tuple[Heard, Told]:
    """Ask a first provider behind *weather*, and a second one in the sun."""

    async def story() -> Heard:
        async with Hostile(say()) as near, Hostile(say()) as far, link(far.port, weather) as port:
            providers = {"first": (f"http://127.0.0.1:{port}/v1", dialect)}
            if not alone:
                providers["second"] = (near.url, dialect)
            async with stage(home, providers) as running:
                return await running.ask(dialect, stream=stream)

    heard = clock.run(story())
    return heard, told(dialect, heard, stream=stream)


@pytest.mark.parametrize("weather", HARMLESS)
@both_ways
@each
def test_bad_weather_is_waited_out(tmp_path: Path, dialect: str, stream: bool, weather: str) -> None:
    _, answer = through(tmp_path, HARMLESS[weather], dialect, stream, alone=True)
    assert answer.text == TEXT
    assert ends(dialect, answer)
    assert [row["status"] for row in rows(tmp_path)] == ["ok"]


@pytest.mark.parametrize("weather", HARMFUL)
@both_ways
@each
def test_a_storm_sends_us_elsewhere(tmp_path: Path, dialect: str, stream: bool, weather: str) -> None:
    _, answer = through(tmp_path, HARMFUL[weather], dialect, stream, alone=False)
    assert answer.text == TEXT
    assert ends(dialect, answer)
    found = rows(tmp_path)
    assert (found[-1]["provider"], found[-1]["status"]) == ("second", "ok") or weather == "reset near the end"
    assert sum(row["status"] == "ok" for row in found) == 1


@both_ways
@each
def test_an_answer_without_usage_is_a_good_answer_all_the_same(tmp_path: Path, dialect: str, stream: bool) -> None:
    report = play(tmp_path, Case(dialect, stream), [faults.without_usage()])
    assert report.told.text == TEXT
    assert report.outcomes == [("first", "ok", "")]
    assert report.rows[0]["cost_nanos"] != 0  # unknown, or estimated; never for nothing


@each
def test_a_connection_that_went_stale_costs_no_attempt(tmp_path: Path, dialect: str) -> None:
    """The provider closes between two requests, as they do after some seconds: nobody may notice."""

    wires: list[Wire] = []

    async def script(wire: Wire) -> None:
        wires.append(wire)
        await say()(wire)

    async def ask(stage: Stage) -> Heard:
        assert (await stage.ask(dialect)).status == 200
        wires[0].drop()
        return await stage.ask(dialect)

    report = play(tmp_path, Case(dialect, False), [script], ask=ask)
    assert report.told.text == TEXT
    assert [row["status"] for row in report.rows] == ["ok", "ok"]
    assert wires[0] is not wires[1]


@each
def test_a_key_revoked_under_load_costs_nobody_an_answer(tmp_path: Path, dialect: str) -> None:
    async def ask(stage: Stage) -> Heard:
        async def one(number: int) -> Heard:
            await asyncio.sleep(number / 50)
            return await stage.ask(dialect)

        answers = await asyncio.gather(*(one(number) for number in range(100)))
        assert {answer.status for answer in answers} == {200}
        return answers[-1]

    script = [*[say(delay=0.05)] * 50, faults.refused(401)]
    report = play(tmp_path, Case(dialect, False), script, [say(delay=0.05)], ask=ask)
    failed = [row for row in report.rows if row["status"] == "failed"]
    assert {row["error"] for row in failed} == {"upstream_auth"}
    assert 1 <= len(failed) <= 5  # those under way when the first refusal came
    assert sum(row["status"] == "ok" for row in report.rows) == 100
