"""A stream that breaks after content, with another target left: it goes on there, without a word lost or doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway import faults, tongues
from tests.gateway.hostile import CLOSE, RESET, say
from tests.gateway.reading import ends
from tests.gateway.stage import Case, play
from tests.gateway.test_faults_committed import CASES, broken, each, each_target, told_as_broken
from tests.gateway.tongues import TEXT

OTHER = ("Uno", " dos", " tres.")


@pytest.mark.parametrize(("dialect", "way"), CASES)
def test_another_target_goes_on_and_the_caller_sees_one_whole_answer(tmp_path: Path, dialect: str, way: str) -> None:
    report = play(tmp_path, Case(dialect, True), [broken(dialect)[way]], [say()])
    assert report.told.text == TEXT
    assert report.told.error is None
    assert ends(dialect, report.told)
    assert [outcome[:2] for outcome in report.outcomes] == [("first", "partial"), ("second", "ok")]


@each_target
@each
def test_a_target_of_another_dialect_goes_on_as_well(tmp_path: Path, dialect: str, target: str) -> None:
    at = len(tongues.stream(dialect).head) + 2
    report = play(tmp_path, Case(dialect, True), [faults.cut(at, RESET)], [say()], second_speaks=target)
    assert report.told.text == TEXT
    assert ends(dialect, report.told)


@each
def test_another_text_is_never_joined_on(tmp_path: Path, dialect: str) -> None:
    at = len(tongues.stream(dialect).head) + 2
    report = play(tmp_path, Case(dialect, True), [faults.cut(at, RESET)], [say(OTHER)])
    told_as_broken(report)
    assert [row["status"] for row in report.rows] == ["partial", "failed"]


@each
def test_with_recovery_off_nobody_else_is_asked(tmp_path: Path, dialect: str) -> None:
    at = len(tongues.stream(dialect).head) + 2
    settings = {"route": {"recovery": "off"}}
    report = play(tmp_path, Case(dialect, True), [faults.cut(at, RESET)], [say()], settings=settings)
    told_as_broken(report)
    assert report.second.seen == []


@each
def test_a_whole_answer_that_breaks_is_asked_again_elsewhere(tmp_path: Path, dialect: str) -> None:
    for how in (CLOSE, RESET):
        report = play(tmp_path / how, Case(dialect, False), [faults.cut(3, how)], [say()])
        assert report.told.text == TEXT
        assert [outcome[:2] for outcome in report.outcomes] == [("first", "failed"), ("second", "ok")]
