"""How long a provider asks us to wait, in all the spellings that are about, and what is made of it."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.gateway import faults
from tests.gateway.caller import Heard
from tests.gateway.hostile import JSON, Script, answer, say, sends
from tests.gateway.stage import Case, Stage, play
from tests.gateway.tongues import DIALECTS, TEXT

LONG = 1e9


class Spelling(NamedTuple):
    """A header, or a body, and the wait it asks for in seconds; None: none that makes sense."""

    headers: tuple[tuple[str, str], ...] = ()
    wait: float | None = None
    body: bytes = b""


def after(value: str, wait: float | None) -> Spelling:
    return Spelling((("retry-after", value),), wait)


def date(seconds: float) -> str:
    return formatdate(time.time() + seconds, usegmt=True)


RETRY_INFO = b"""{"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED", "details":
[{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "%s"}]}}"""
SPELLINGS = {
    "seconds": after("7", 7),
    "one second": after("1", 1),
    "zero": after("0", 0),
    "a float": after("1.5", 1.5),
    "a float with a sign": after("+2.0", 2),
    "negative": after("-5", 0),
    "huge": after("86400", 120),
    "very huge": after("9" * 30, 120),
    "infinite": after("inf", None),
    "not a number": after("nan", None),
    "garbage": after("soon", None),
    "empty": after("", None),
    "with a unit": after("30s", None),
    "milliseconds": Spelling((("retry-after-ms", "1500"),), 1.5),
    "milliseconds before seconds": Spelling((("retry-after-ms", "800"), ("retry-after", "60")), 0.8),
    "milliseconds that are none": Spelling((("retry-after-ms", "x"), ("retry-after", "9")), 9),
    "an HTTP date": after("date+40", 40),
    "a date long past": after("Wed, 21 Oct 2015 07:28:00 GMT", 0),
    "a date far ahead": after("Fri, 31 Dec 9999 23:59:59 GMT", 120),
    "Google's RetryInfo": Spelling(body=RETRY_INFO % b"33s", wait=33),
    "Google's fraction": Spelling(body=RETRY_INFO % b"2.25s", wait=2.25),
    "in words": Spelling(body=b'{"error": {"message": "Rate limit. Please try again in 12.5s."}}', wait=12.5),
    "none at all": Spelling(),
}

each = pytest.mark.parametrize("dialect", DIALECTS)
each_spelling = pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)


def limited(spelling: Spelling) -> Script:
    """Answer 429 with *spelling*."""
    headers = [(name, date(40) if value == "date+40" else value) for name, value in spelling.headers]
    body = spelling.body or b'{"error": {"message": "slow down", "code": 429}}'
    return sends(answer(body, status=429, headers=(*JSON, *headers)))


def waited(spelling: Spelling) -> tuple[float, float]:
    """Return the least and the most seconds until the same target is asked again; none when it is not."""
    if spelling.wait is None:
        return 0.5, 1.0
    return (spelling.wait, spelling.wait) if spelling.wait <= 2.5 else (LONG, LONG)


@each_spelling
@each
def test_a_short_wait_is_waited_and_a_long_one_sends_us_elsewhere(
    tmp_path: Path, dialect: str, spelling: Spelling
) -> None:
    report = play(tmp_path, Case(dialect, False), [limited(spelling), say()], [say()])
    least, most = waited(spelling)
    assert report.told.text == TEXT
    if least < LONG:
        assert report.outcomes == [("first", "failed", "rate_limited"), ("first", "ok", "")]
        assert least - 0.01 <= report.first.seen[1].at - report.first.seen[0].at <= most + 0.01
    else:
        assert report.outcomes == [("first", "failed", "rate_limited"), ("second", "ok", "")]
        assert report.heard.ended_at == pytest.approx(0, abs=0.05)


@each_spelling
def test_alone_it_is_passed_on_with_the_wait_that_is_left(tmp_path: Path, spelling: Spelling) -> None:
    report = play(tmp_path, Case("openai_chat", True), [limited(spelling)])
    assert report.heard.status == 429
    assert len(report.first.seen) == (2 if waited(spelling)[0] < LONG else 1)
    if spelling.wait is None:
        assert report.heard.headers["x-should-retry"] == "false"
    else:
        assert "x-should-retry" not in report.heard.headers
        told = int(report.heard.headers["retry-after"])
        assert max(1, spelling.wait - 2) <= told <= max(1, spelling.wait + 1)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@each
def test_of_two_that_ask_for_patience_the_smaller_wait_is_told(tmp_path: Path, dialect: str, stream: bool) -> None:
    first, second = ([faults.refused(429, headers=[("retry-after", seconds)])] for seconds in ("90", "30"))
    report = play(tmp_path, Case(dialect, stream), first, second)
    assert report.heard.status == 429
    assert report.heard.headers["retry-after"] == "30"
    assert report.outcomes == [("first", "failed", "rate_limited"), ("second", "failed", "rate_limited")]


@each
def test_a_target_that_asked_for_patience_is_left_alone_for_as_long(tmp_path: Path, dialect: str) -> None:
    async def ask(stage: Stage) -> Heard:
        for pause in (0.0, 10.0, 15.0):
            await asyncio.sleep(pause)
            heard = await stage.ask(dialect)
            assert heard.status == 200
        return heard

    script = [faults.refused(429, headers=[("retry-after", "20")]), say()]
    report = play(tmp_path, Case(dialect, False), script, [say()], ask=ask)
    answered = [row["provider"] for row in report.rows if row["status"] == "ok"]
    assert answered == ["second", "second", "first"]
