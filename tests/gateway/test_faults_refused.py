"""A provider that refuses: the request, the key, or the account. Who is asked next, and what the caller hears."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.gateway import faults, tongues
from tests.gateway.caller import Heard
from tests.gateway.hostile import JSON, Script, answer, say, sends
from tests.gateway.stage import Case, Stage, play
from tests.gateway.test_faults_open import told_properly
from tests.gateway.tongues import DIALECTS, TEXT

each = pytest.mark.parametrize("dialect", DIALECTS)
each_target = pytest.mark.parametrize("target", DIALECTS)
both_kinds = pytest.mark.parametrize("dialect", ["openai_chat", "anthropic_messages"])  # where time costs more
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])

TOO_LONG = "This model's maximum context length is 8192 tokens, however you requested 9000 tokens"
FILTERED = {
    "openai_chat": (400, "content_filter"),
    "openai_responses": (400, "content_policy_violation"),
    "anthropic_messages": (400, "content_filter"),
    "gemini": (400, "content_filter"),
}


@pytest.mark.parametrize("status", [400, 404, 413, 422])
@both_ways
@each
def test_what_is_wrong_with_the_request_is_told_unchanged_and_nobody_else_is_asked(
    tmp_path: Path, dialect: str, stream: bool, status: int
) -> None:
    report = play(tmp_path, Case(dialect, stream), [faults.refused(status, "temperature is too high")], [say()])
    assert report.heard.status == status
    assert report.heard.body == tongues.error(dialect, status, "temperature is too high")
    assert report.outcomes == [("first", "failed", "invalid_request")]
    assert report.second.seen == []
    assert report.states == {"first": "closed"}
    assert report.heard.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("status", [400, 422])
@each_target
@each
def test_a_translated_refusal_keeps_its_status_and_its_words(
    tmp_path: Path, dialect: str, target: str, status: int
) -> None:
    report = play(tmp_path, Case(dialect, False, target), [faults.refused(status, "temperature is too high")])
    assert report.heard.status == status
    assert "temperature is too high" in report.heard.body.decode()


@both_ways
@each
def test_a_prompt_that_is_too_long_goes_to_a_target_whose_window_is_not_known_to_be_smaller(
    tmp_path: Path, dialect: str, stream: bool
) -> None:
    too_long = faults.refused(400, TOO_LONG)
    report = play(tmp_path / "both", Case(dialect, stream), [too_long], [say()])
    assert report.told.text == TEXT
    assert report.outcomes == [("first", "failed", "context_length_exceeded"), ("second", "ok", "")]
    alone = play(tmp_path / "alone", Case(dialect, stream), [too_long])
    assert alone.heard.status == 400
    assert TOO_LONG in alone.heard.body.decode()


@both_ways
@each
def test_what_a_filter_refuses_is_final(tmp_path: Path, dialect: str, stream: bool) -> None:
    status, code = FILTERED[dialect]
    report = play(tmp_path, Case(dialect, stream), [faults.refused(status, "no", code)], [say()])
    assert report.heard.status == status
    assert report.outcomes == [("first", "failed", "content_filter")]
    assert report.second.seen == []


@both_ways
@each
def test_a_model_that_is_not_there_is_looked_for_elsewhere(tmp_path: Path, dialect: str, stream: bool) -> None:
    script = faults.refused(404, "The model `m` does not exist", "model_not_found")
    report = play(tmp_path, Case(dialect, stream), [script], [say()])
    assert report.told.text == TEXT
    assert report.outcomes == [("first", "failed", "model_not_found"), ("second", "ok", "")]


async def _twice(stage: Stage, dialect: str, pause: float) -> Heard:
    """Ask, wait, ask again; return what was heard last."""
    await stage.ask(dialect)
    await asyncio.sleep(pause)
    return await stage.ask(dialect)


@pytest.mark.parametrize(("pause", "answers"), [(590.0, "second"), (610.0, "first")])
@pytest.mark.parametrize("status", [401, 403])
@both_kinds
def test_a_key_that_was_refused_rests_for_ten_minutes(
    tmp_path: Path, dialect: str, status: int, pause: float, answers: str
) -> None:
    script = [faults.refused(status), say()]
    report = play(tmp_path, Case(dialect, False), script, [say()], ask=lambda stage: _twice(stage, dialect, pause))
    assert [row["provider"] for row in report.rows if row["status"] == "ok"] == ["second", answers]


@pytest.mark.parametrize(("pause", "answers"), [(890.0, "second"), (910.0, "first")])
@pytest.mark.parametrize("quota", [(402, ""), (429, "insufficient_quota")], ids=["402", "429"])
@both_kinds
def test_an_account_without_credit_rests_for_fifteen_minutes(
    tmp_path: Path, dialect: str, quota: tuple[int, str], pause: float, answers: str
) -> None:
    script = [faults.refused(quota[0], "no credit", quota[1]), say()]
    report = play(tmp_path, Case(dialect, False), script, [say()], ask=lambda stage: _twice(stage, dialect, pause))
    assert [row["provider"] for row in report.rows if row["status"] == "ok"] == ["second", answers]


@each
def test_a_key_that_was_refused_is_told_as_ours_and_not_as_the_callers(tmp_path: Path, dialect: str) -> None:
    report = play(tmp_path, Case(dialect, False), [faults.refused(401, "Incorrect API key provided")])
    assert report.heard.status == 502
    assert "first" in report.heard.body.decode()
    told_properly(report)


@each
def test_a_key_that_the_provider_says_back_is_not_told_on(tmp_path: Path, dialect: str) -> None:
    echo = faults.refused(400, "bad key sk-canary-first-5e884898da28 for this model's temperature")
    for stream in (False, True):
        report = play(tmp_path / str(stream), Case(dialect, stream), [echo])
        assert report.heard.status in (400, 502)
        assert b"5e884898da28" not in report.heard.raw


@pytest.mark.parametrize("status", [200, 502])
@each
def test_a_page_is_never_shown_to_the_caller(tmp_path: Path, dialect: str, status: int) -> None:
    report = play(tmp_path, Case(dialect, False), [faults.page(status)])
    assert b"hotel" not in report.heard.raw
    assert report.heard.status == 502


def _google_retry() -> Script:
    said = b'[{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}]'
    return sends(answer(said, status=503, headers=JSON))


@each
def test_an_error_in_a_list_is_read_as_well(tmp_path: Path, dialect: str) -> None:
    report = play(tmp_path, Case(dialect, False, "gemini"), [_google_retry()])
    assert report.heard.status == 503
    assert "overloaded" in report.heard.body.decode()
