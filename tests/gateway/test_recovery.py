"""A stream that breaks goes on at another provider, whatever that speaks: its caller reads one answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mini_llm import sse
from tests.dialects.breaking import CHECKS
from tests.gateway import faults, tongues
from tests.gateway.hostile import CLOSE, END, RESET, STALL, say
from tests.gateway.reading import ends
from tests.gateway.stage import Case, Report, play
from tests.gateway.tongues import DIALECTS, TEXT, WORDS

WAYS = (END, RESET, CLOSE, STALL)
ABLE = 'base_url = "http://localhost:1/v1"\ndocs = "https://example.org"\ncontinues = { models = ["m"] }\n'


def able(home: Path) -> Path:
    """Give the second provider a file that says it goes on with answers that are begun."""
    (home / "providers").mkdir(parents=True)
    (home / "providers" / "second.toml").write_text(ABLE, encoding="utf-8")
    return home


def cuts(dialect: str) -> range:
    """Return after how many events of a stream its answer is begun and not ended."""
    stream = tongues.stream(dialect)
    before_the_reason = {"anthropic_messages": 1, "openai_responses": 3}.get(dialect, 0)
    return range(stream.first_content, len(stream.head) + len(WORDS) + before_the_reason + 1)


def told_as_one(report: Report, at: int) -> None:
    """The caller has the whole answer once, one ending, no error: *at* events as they came, and what fits to them."""
    dialect, told = report.case.dialect, report.told
    assert (report.heard.status, told.text, told.error) == (200, TEXT, None)
    assert ends(dialect, told)
    events = [sse.Event(name, data.encode()) for name, data in report.heard.events]
    assert b"".join(sse.encode(event.data, event.event) for event in events[:at]) == b"".join(
        tongues.stream(dialect).events[:at]
    )
    CHECKS[dialect](events[:at], events[at:])
    assert [outcome[:2] for outcome in report.outcomes] == [("first", "partial"), ("second", "ok")]


@pytest.mark.parametrize("second", DIALECTS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_wherever_it_breaks_an_answer_run_anew_goes_on(tmp_path: Path, dialect: str, second: str) -> None:
    for at in cuts(dialect):
        way = WAYS[at % len(WAYS)]
        report = play(tmp_path / f"{at}", Case(dialect, True), [faults.cut(at, way)], [say()], second_speaks=second)
        told_as_one(report, at)


@pytest.mark.parametrize("second", ["openai_chat", "anthropic_messages"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_wherever_it_breaks_a_provider_that_can_goes_on_with_what_was_begun(
    tmp_path: Path, dialect: str, second: str
) -> None:
    for at in cuts(dialect):
        words = min(at - len(tongues.stream(dialect).head), len(WORDS))
        home = able(tmp_path / f"{at}")
        rest = say(WORDS[words:] or [""])
        report = play(home, Case(dialect, True), [faults.cut(at)], [rest], second_speaks=second)
        told_as_one(report, at)
        begun = report.second.seen[0].json["messages"][-1]
        assert begun["role"] == "assistant" and "".join(WORDS[:words]) in str(begun["content"])


@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_translated_stream_goes_on_too(tmp_path: Path, dialect: str, target: str) -> None:
    if dialect == target:
        return
    at = len(tongues.stream(target).head) + 3
    report = play(tmp_path, Case(dialect, True, target), [faults.cut(at, RESET)], [say()], second_speaks=dialect)
    assert (report.told.text, report.told.error, ends(dialect, report.told)) == (TEXT, None, True)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_where_nobody_can_go_on_the_stream_ends_in_what_broke_it(tmp_path: Path, dialect: str) -> None:
    at = len(tongues.stream(dialect).head) + 2
    report = play(tmp_path, Case(dialect, True), [faults.cut(at, RESET)], [say(("Uno", " dos"))])
    assert report.told.text == "".join(WORDS[:2])
    assert report.told.error is not None and not ends(dialect, report.told)
    assert [outcome[:2] for outcome in report.outcomes] == [("first", "partial"), ("second", "failed")]


def test_an_error_takes_up_the_numbers_of_the_events_that_passed(tmp_path: Path) -> None:
    at = len(tongues.stream("openai_responses").head) + 2
    report = play(tmp_path, Case("openai_responses", True), [faults.cut(at, RESET)])
    error = report.told.error
    assert error is not None
    assert error["sequence_number"] == at
    assert error["response"]["id"] == json.loads(report.heard.events[0][1])["response"]["id"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_provider_that_refuses_a_beginning_is_asked_for_all_of_it(tmp_path: Path, dialect: str) -> None:
    at = len(tongues.stream(dialect).head) + 2
    refusal = faults.refused(400, "This model does not support assistant message prefill")
    report = play(able(tmp_path / "home"), Case(dialect, True), [faults.cut(at)], [refusal, say()])
    assert (report.told.text, report.told.error) == (TEXT, None)
    assert [outcome[1] for outcome in report.outcomes] == ["partial", "failed", "ok"]
