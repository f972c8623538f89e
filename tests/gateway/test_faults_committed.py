"""What goes wrong after content was sent: another target goes on, or one error event tells it. Nothing looks whole
that is not, and no word comes twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway import faults, tongues
from tests.gateway.hostile import CLOSE, END, RESET, STALL, Script
from tests.gateway.reading import ends, request_id_in
from tests.gateway.stage import Case, Report, play
from tests.gateway.tongues import DIALECTS, TEXT, WORDS

each = pytest.mark.parametrize("dialect", DIALECTS)
each_target = pytest.mark.parametrize("target", DIALECTS)
OTHER = ("Uno", " dos", " tres.")


def broken(dialect: str, target: str = "") -> dict[str, Script]:
    """Return the ways in which a stream of *dialect* can break after two words."""
    at = len(tongues.stream(dialect).head) + 2
    ways = {f"{how} after two words": faults.cut(at, how) for how in (END, CLOSE, RESET, STALL)}
    ways |= {f"{name} for the third": faults.spoiled(at, data) for name, data in faults.bad_events(dialect).items()}
    return ways | {"an error for the third": faults.fails_inside(at)}


CASES = [pytest.param(d, name, id=f"{d}-{name}") for d in DIALECTS for name in broken(d)]


def told_as_broken(report: Report, words: int = 2) -> None:
    """The caller has what came before it broke, one error event, and no ending."""
    dialect, told = report.case.dialect, report.told
    assert report.heard.status == 200
    assert told.text == "".join(WORDS[:words])
    assert told.error is not None
    assert not ends(dialect, told)
    assert request_id_in(dialect, told.error) in ("", report.heard.headers["x-request-id"])


@pytest.mark.parametrize(("dialect", "way"), CASES)
def test_alone_it_ends_in_one_error_event(tmp_path: Path, dialect: str, way: str) -> None:
    report = play(tmp_path, Case(dialect, True), [broken(dialect)[way]])
    told_as_broken(report)
    assert [outcome[:2] for outcome in report.outcomes] == [("first", "partial")]
    assert len(report.first.seen) == 1


@each_target
@each
def test_a_translated_stream_that_breaks_ends_in_one_error_event(tmp_path: Path, dialect: str, target: str) -> None:
    for way in (RESET, END):
        report = play(
            tmp_path / way, Case(dialect, True, target), [faults.cut(len(tongues.stream(target).head) + 2, way)]
        )
        told_as_broken(report)


def boundaries() -> list[tuple[str, int]]:
    """Return each place between two events."""
    return [(dialect, at) for dialect in DIALECTS for at in range(len(tongues.stream(dialect).events))]


@pytest.mark.parametrize("how", [END, CLOSE, RESET])
@pytest.mark.parametrize(("dialect", "at"), boundaries())
def test_a_stream_cut_between_two_events_never_looks_whole_before_its_reason_came(
    tmp_path: Path, dialect: str, at: int, how: str
) -> None:
    stream = tongues.stream(dialect)
    report = play(tmp_path, Case(dialect, True), [faults.cut(at, how)])
    if at < stream.first_content:
        assert report.heard.status == 502
    elif at < _reason_at(dialect):
        told_as_broken(report, min(at - len(stream.head), len(WORDS)))
        assert [row["status"] for row in report.rows] == ["partial"]
    else:  # only the sentinel is missing: the answer is all there
        assert report.told.text == TEXT
        assert ends(dialect, report.told)
        assert [row["status"] for row in report.rows] == ["ok"]


def _reason_at(dialect: str) -> int:
    """Return how many events of a good stream there are when the reason for its end has come."""
    stream = tongues.stream(dialect)
    words = (b'"finish_reason": "stop"', b'"stop_reason": "end_turn"', b"response.completed", b'"finishReason"')
    return next(at for at, event in enumerate(stream.events, 1) if any(word in event for word in words))


@each
def test_the_sentinel_alone_is_not_waited_for(tmp_path: Path, dialect: str) -> None:
    stream = tongues.stream(dialect)
    report = play(tmp_path, Case(dialect, True), [faults.cut(stream.complete, END)])
    assert report.told.text == TEXT
    assert ends(dialect, report.told)
    assert report.heard.whole


NO_UTF8 = b"\xff\xfe\x80"


@each_target
@each
def test_bad_utf8_passes_in_the_same_dialect_and_never_into_another(tmp_path: Path, dialect: str, target: str) -> None:
    stream = tongues.stream(target)
    at = len(stream.head) + 2
    script = faults.spoiled(at, stream.events[at].replace(b"three", NO_UTF8))
    report = play(tmp_path, Case(dialect, True, target), [script])
    if dialect == target:
        assert NO_UTF8 in report.heard.body
    else:
        assert report.told.text.startswith("One two")  # reading it decodes every byte
        assert (report.told.error is None) == ends(dialect, report.told)
