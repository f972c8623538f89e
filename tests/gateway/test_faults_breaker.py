"""The breaker, seen from outside: who is asked while a target fails, and when it is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.gateway import faults
from tests.gateway.caller import Heard
from tests.gateway.hostile import RESET, Script, say
from tests.gateway.stage import Case, Stage, play
from tests.gateway.tongues import DIALECTS

each = pytest.mark.parametrize("dialect", DIALECTS)
RETRIED = [("x-stainless-retry-count", "1")]  # such a request gets no second try on the same target
KINDS = {"500": faults.refused(500), "a reset": faults.at_byte(0, RESET), "a page": faults.page()}


async def _ask(stage: Stage, dialect: str, pauses: Sequence[float]) -> Heard:
    """Ask after each of *pauses*; every answer must be good."""
    for pause in pauses:
        await asyncio.sleep(pause)
        heard = await stage.ask(dialect, headers=RETRIED)
        assert heard.status == 200
    return heard


def asked(tmp_path: Path, dialect: str, script: Sequence[Script], pauses: Sequence[float]) -> tuple[int, str]:
    """Return how often the first target was asked, and the state of its breaker in the end."""
    report = play(tmp_path, Case(dialect, False), script, [say()], ask=lambda stage: _ask(stage, dialect, pauses))
    return sum(row["provider"] == "first" for row in report.rows), report.states["first"]


@pytest.mark.parametrize("kind", KINDS)
@each
def test_after_five_failures_in_a_row_a_target_is_left_alone(tmp_path: Path, dialect: str, kind: str) -> None:
    assert asked(tmp_path, dialect, [KINDS[kind]], [0.1] * 12) == (5, "open")


@each
def test_an_overload_weighs_half(tmp_path: Path, dialect: str) -> None:
    assert asked(tmp_path, dialect, [faults.refused(529)], [0.1] * 12) == (10, "open")


@each
def test_what_is_wrong_with_a_request_or_a_limit_is_no_failure_of_the_target(tmp_path: Path, dialect: str) -> None:
    script = [faults.refused(400, "This model's maximum context length is 10 tokens")]
    assert asked(tmp_path, dialect, script, [0.1] * 8) == (8, "closed")


@each
def test_one_probe_is_let_through_after_five_seconds_and_closes_the_breaker(tmp_path: Path, dialect: str) -> None:
    script = [*[faults.refused(500)] * 5, say()]
    assert asked(tmp_path, dialect, script, [0.1] * 5 + [4.0, 2.0, 0.1, 0.1]) == (8, "closed")


@each
def test_a_probe_that_fails_doubles_the_pause_up_to_twenty_seconds(tmp_path: Path, dialect: str) -> None:
    failing = [faults.refused(500)]
    assert asked(tmp_path / "10", dialect, failing, [0.1] * 5 + [6.0, 8.0]) == (6, "open")
    assert asked(tmp_path / "20", dialect, failing, [0.1] * 5 + [6.0, 12.0, 17.0]) == (7, "open")
    assert asked(tmp_path / "still 20", dialect, failing, [0.1] * 5 + [6.0, 12.0, 23.0, 23.0, 23.0]) == (10, "open")


@each
def test_only_one_probe_at_a_time_is_let_through(tmp_path: Path, dialect: str) -> None:
    async def ask(stage: Stage) -> Heard:
        await _ask(stage, dialect, [0.1] * 5)
        await asyncio.sleep(6.0)
        answers = await asyncio.gather(*(stage.ask(dialect, headers=RETRIED) for _ in range(10)))
        assert {answer.status for answer in answers} == {200}
        return answers[0]

    script = [*[faults.refused(500)] * 5, say(delay=3.0)]
    report = play(tmp_path, Case(dialect, False), script, [say()], ask=ask)
    assert sum(row["provider"] == "first" for row in report.rows) == 6
    assert report.states["first"] == "closed"


@each
def test_the_last_target_is_always_tried(tmp_path: Path, dialect: str) -> None:
    async def ask(stage: Stage) -> Heard:
        for _ in range(9):
            heard = await stage.ask(dialect, headers=RETRIED)
            assert heard.status == 502
        return heard

    report = play(tmp_path, Case(dialect, False), [faults.refused(500)], ask=ask)
    assert len(report.first.seen) == 9


@each
def test_a_storm_of_failures_is_not_answered_with_a_storm_of_retries(tmp_path: Path, dialect: str) -> None:
    async def ask(stage: Stage) -> Heard:
        answers = await asyncio.gather(*(stage.ask(dialect) for _ in range(50)))
        return answers[0]

    report = play(tmp_path, Case(dialect, False), [faults.refused(500)], ask=ask)
    assert 50 < len(report.first.seen) <= 50 + 10  # a fifth of those under way, and never less than three
