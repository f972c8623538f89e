"""A connection that breaks at each byte of an answer, and an answer that comes in pieces of any size."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.gateway import faults, reading
from tests.gateway.caller import Heard
from tests.gateway.hostile import CLOSE, RESET, Script, Wire, say
from tests.gateway.reading import ends
from tests.gateway.stage import Case, Report, Stage, play
from tests.gateway.tongues import DIALECTS, TEXT

each = pytest.mark.parametrize("dialect", DIALECTS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
RETRIED = [("x-stainless-retry-count", "1")]  # one attempt for each question


def offsets(dialect: str, stream: bool) -> Sequence[int]:
    """Return the bytes to break at: each of the last 60, where an answer ends, and every twenty-ninth before."""
    size = len(faults.good(dialect, stream=stream))
    return [*range(0, size - 60, 29), *range(size - 60, size)]


def at_each_byte(
    home: Path, case: Case, how: str, second: Sequence[Script] | None = None
) -> tuple[Report, list[Heard]]:
    """Ask once for each byte that the first provider breaks at."""
    places = offsets(case.dialect, case.stream)
    answers: list[Heard] = []

    async def ask(stage: Stage) -> Heard:
        for _ in places:
            answers.append(await stage.ask(case.dialect, stream=case.stream, headers=RETRIED))
            _forgive(stage)
        return answers[-1]

    script = [faults.at_byte(at, how) for at in places]
    report = play(home, case, script, second, ask=ask)
    assert len(report.first.seen) == len(places)
    return report, answers


def _forgive(stage: Stage) -> None:
    """Let every target be asked again, whatever it did."""
    health = stage.runtime.health
    for key in tuple(health.keys()):
        health.succeed(key, asyncio.get_running_loop().time())


@pytest.mark.parametrize("how", [RESET, CLOSE])
@each
def test_a_stream_alone_that_breaks_is_never_taken_for_whole(tmp_path: Path, dialect: str, how: str) -> None:
    case = Case(dialect, stream=True)
    report, answers = at_each_byte(tmp_path, case, how)
    for answer, row in zip(answers, report.rows, strict=True):
        told = reading.told(dialect, answer, stream=True)
        assert TEXT.startswith(told.text)
        assert answer.status in (200, 502)
        assert ends(dialect, told) == (row["status"] == "ok")
        assert (told.error is None) == (row["status"] == "ok")
        assert told.text == TEXT or not ends(dialect, told)


@pytest.mark.parametrize("how", [RESET, CLOSE])
@each
def test_a_whole_answer_alone_that_breaks_is_a_status(tmp_path: Path, dialect: str, how: str) -> None:
    report, answers = at_each_byte(tmp_path, Case(dialect, stream=False), how)
    assert {answer.status for answer in answers} == {502}
    assert {row["status"] for row in report.rows} == {"failed"}
    assert len(report.rows) == len(answers)


@both_ways
@each
def test_with_another_target_no_caller_notices(tmp_path: Path, dialect: str, stream: bool) -> None:
    case = Case(dialect, stream)
    report, answers = at_each_byte(tmp_path, case, RESET, [say()])
    for answer in answers:
        told = reading.told(dialect, answer, stream=stream)
        assert (told.text, told.error) == (TEXT, None)
        assert ends(dialect, told) or not stream
    assert sum(row["status"] == "ok" for row in report.rows) == len(answers)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
@both_ways
@each
def test_an_answer_may_come_in_pieces_of_any_size(tmp_path: Path, dialect: str, stream: bool, size: int) -> None:
    async def script(wire: Wire) -> None:
        data = faults.good(wire.seen.dialect, stream=wire.seen.streams)
        for at in range(0, len(data), size):
            await wire.send(data[at : at + size])
            await asyncio.sleep(0.001)  # what was sent is read before the next piece

    report = play(tmp_path, Case(dialect, stream), [script])
    assert report.told.text == TEXT
    assert ends(dialect, report.told)
    assert report.outcomes == [("first", "ok", "")]
