"""What comes late, or never: deadlines and pings, on a clock that jumps."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.gateway import faults, tongues
from tests.gateway.caller import Heard
from tests.gateway.hostile import STALL, say
from tests.gateway.reading import ends
from tests.gateway.stage import Case, Stage, play
from tests.gateway.test_faults_open import told_properly
from tests.gateway.tongues import DIALECTS, TEXT

each = pytest.mark.parametrize("dialect", DIALECTS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
both_kinds = pytest.mark.parametrize("dialect", ["openai_chat", "anthropic_messages"])  # where time costs more
PING = 15.0


def near(seconds: float) -> object:
    """The loop's sweep looks once a second."""
    return pytest.approx(seconds, abs=1.1)


@pytest.mark.parametrize("delay", [1, 9, 11, 119])
@each
def test_alone_a_stream_may_take_two_minutes_to_begin(tmp_path: Path, dialect: str, delay: int) -> None:
    report = play(tmp_path, Case(dialect, True), [say(delay=delay)])
    assert report.told.text == TEXT
    assert ends(dialect, report.told)
    assert report.outcomes == [("first", "ok", "")]
    assert report.heard.ended_at == near(delay)
    assert report.heard.first_at == near(min(delay, 10))  # the head, and a comment
    pings = 0 if delay < 10 else 1 + int((delay - 10) / PING)
    assert pings - 1 <= report.heard.pings <= pings


@each
def test_alone_a_stream_that_has_not_begun_after_two_minutes_ends_in_an_error_event(
    tmp_path: Path, dialect: str
) -> None:
    report = play(tmp_path, Case(dialect, True), [say(delay=121)])
    assert report.heard.status == 200
    assert report.told.error is not None
    assert not ends(dialect, report.told)
    assert report.outcomes == [("first", "failed", "upstream_timeout")]
    assert report.heard.ended_at == near(120)
    assert report.first.seen[0].gone_at is not None


@pytest.mark.parametrize("delay", [1, 9])
@each
def test_with_another_target_a_stream_may_take_ten_seconds_to_begin(tmp_path: Path, dialect: str, delay: int) -> None:
    report = play(tmp_path, Case(dialect, True), [say(delay=delay)], [say()])
    assert report.told.text == TEXT
    assert report.outcomes == [("first", "ok", "")]
    assert report.second.seen == []


@pytest.mark.parametrize("delay", [11, 119, 121])
@each
def test_after_ten_seconds_another_target_is_asked_and_the_silent_one_never_again(
    tmp_path: Path, dialect: str, delay: int
) -> None:
    report = play(tmp_path, Case(dialect, True), [say(delay=delay)], [say()])
    assert report.told.text == TEXT
    assert ends(dialect, report.told)
    assert report.outcomes == [("first", "failed", "upstream_timeout"), ("second", "ok", "")]
    assert len(report.first.seen) == 1
    assert report.heard.ended_at == near(10)


@each
def test_two_silent_targets_are_asked_once_each(tmp_path: Path, dialect: str) -> None:
    report = play(tmp_path, Case(dialect, True), [faults.silence()], [faults.silence()])
    assert report.told.error is not None
    assert [outcome[1:] for outcome in report.outcomes] == [("failed", "upstream_timeout")] * 2
    assert (len(report.first.seen), len(report.second.seen)) == (1, 1)
    assert report.heard.ended_at == near(130)
    assert report.heard.pings in (8, 9)


@each
def test_a_thinking_model_may_take_two_minutes_though_another_is_left(tmp_path: Path, dialect: str) -> None:
    asked: dict[str, dict[str, Any]] = {
        "openai_chat": {"reasoning_effort": "high"},
        "openai_responses": {"reasoning": {"effort": "high"}},
        "anthropic_messages": {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000},
        "gemini": {"generationConfig": {"thinkingConfig": {"thinkingBudget": 1024}}},
    }
    report = play(tmp_path, Case(dialect, True), [say(delay=60)], [say()], ask=_asking(dialect, True, **asked[dialect]))
    assert report.told.text == TEXT
    assert report.outcomes == [("first", "ok", "")]


@each
def test_a_whole_answer_may_take_two_minutes_while_another_target_is_left(tmp_path: Path, dialect: str) -> None:
    late = play(tmp_path / "late", Case(dialect, False), [say(delay=119)], [say()])
    assert late.outcomes == [("first", "ok", "")]
    silent = play(tmp_path / "silent", Case(dialect, False), [faults.silence()], [say()])
    assert silent.told.text == TEXT
    assert silent.outcomes == [("first", "failed", "upstream_timeout"), ("second", "ok", "")]
    assert silent.heard.ended_at == near(120)


@both_kinds
def test_a_whole_answer_may_take_ten_minutes_alone(tmp_path: Path, dialect: str) -> None:
    late = play(tmp_path / "late", Case(dialect, False), [say(delay=590)])
    assert late.told.text == TEXT
    silent = play(tmp_path / "silent", Case(dialect, False), [faults.silence()])
    assert silent.heard.status == 504
    assert silent.heard.ended_at == near(600)
    told_properly(silent)


@each
def test_a_stream_that_stalls_alone_is_given_two_minutes_and_kept_alive(tmp_path: Path, dialect: str) -> None:
    at = len(tongues.stream(dialect).head) + 2
    report = play(tmp_path, Case(dialect, True), [faults.cut(at, STALL)])
    assert report.told.error is not None
    assert report.outcomes == [("first", "partial", "upstream_timeout")]
    assert report.heard.ended_at == near(120)
    assert report.heard.pings in (6, 7)
    assert report.first.seen[0].gone_at is not None


@each
def test_comments_and_empty_events_are_no_content_however_many(tmp_path: Path, dialect: str) -> None:
    nothing = {
        "openai_chat": tongues.stream("openai_chat").head[0],
        "openai_responses": tongues.stream("openai_responses").head[0],
        "anthropic_messages": b'event: ping\ndata: {"type": "ping"}\n\n',
        "gemini": b": comment\n\n",
    }[dialect]
    report = play(tmp_path, Case(dialect, True), [faults.drips(nothing, 2.0)], [say()])
    assert report.told.text == TEXT
    assert report.outcomes == [("first", "failed", "upstream_timeout"), ("second", "ok", "")]
    assert report.heard.ended_at == near(10)


@both_kinds
def test_a_stream_of_half_an_hour_ends_and_its_upstream_is_closed(tmp_path: Path, dialect: str) -> None:
    report = play(tmp_path, Case(dialect, True), [faults.endless("word ", pause=10.0)])
    assert report.told.error is not None
    assert not ends(dialect, report.told)
    assert [row["status"] for row in report.rows] == ["partial"]
    assert report.heard.ended_at == near(1800)
    assert report.first.seen[0].gone_at is not None


@both_kinds
def test_a_stream_without_end_is_ended_by_its_size(tmp_path: Path, dialect: str) -> None:
    report = play(tmp_path, Case(dialect, True), [faults.endless(" and" * (1 << 18))])
    assert report.told.error is not None
    assert not ends(dialect, report.told)
    assert [row["status"] for row in report.rows] == ["partial"]
    assert len(report.heard.body) < 80 << 20
    assert report.first.seen[0].gone_at is not None


@both_kinds
def test_a_whole_answer_without_end_is_cut_where_its_caller_sees_it(tmp_path: Path, dialect: str) -> None:
    report = play(tmp_path, Case(dialect, False), [faults.endless(" and" * (1 << 18))])
    assert not report.heard.whole
    assert len(report.heard.body) < 80 << 20
    assert report.outcomes == [("first", "partial", "upstream_protocol")]
    assert report.first.seen[0].gone_at is not None


@both_ways
@each
def test_a_caller_may_say_how_long_it_waits(tmp_path: Path, dialect: str, stream: bool) -> None:
    headers = [("x-mini-llm-timeout", "3")]
    report = play(tmp_path, Case(dialect, stream), [faults.silence()], ask=_asking(dialect, stream, headers=headers))
    assert report.heard.status == 504
    assert report.heard.ended_at == near(3)
    told_properly(report)


@both_ways
@each
def test_a_host_that_does_not_answer_costs_five_seconds(tmp_path: Path, dialect: str, stream: bool) -> None:
    with faults.blackhole() as port:
        url = f"http://127.0.0.1:{port}/v1"
        report = play(tmp_path / "both", Case(dialect, stream), [], [say()], url=url)
        assert report.told.text == TEXT
        assert report.outcomes == [("first", "failed", "upstream_timeout"), ("second", "ok", "")]
        assert report.heard.ended_at == pytest.approx(5, abs=0.2)
        alone = play(tmp_path / "alone", Case(dialect, stream), [], url=url)
        assert alone.heard.status == 504
        told_properly(alone)


def _asking(dialect: str, stream: bool, **more: Any) -> Callable[[Stage], Awaitable[Heard]]:
    return lambda stage: stage.ask(dialect, stream=stream, **more)
