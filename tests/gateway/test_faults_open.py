"""What goes wrong before the first content: another target answers, or the caller gets a real status in its dialect."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.gateway import faults, tongues
from tests.gateway.hostile import CLOSE, RESET, Script, answer, say, sends
from tests.gateway.reading import request_id_in
from tests.gateway.stage import Case, Report, play
from tests.gateway.tongues import DIALECTS, TEXT


class Fault(NamedTuple):
    """A fault, and what comes of it with no other target: status and code; `asked` is how often it is tried."""

    script: Script
    status: int
    code: str
    asked: int = 1


NOT_HTTP = b"SSH-2.0-OpenSSH_9.6\r\n\r\n"
SHORT = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{}"
CHUNKS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BOTH = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"

FAULTS = {
    "reset before any byte": Fault(faults.at_byte(0, RESET), 502, "upstream_reset", 2),
    "closed before any byte": Fault(faults.at_byte(0, CLOSE), 502, "upstream_reset", 2),
    "reset in the head": Fault(faults.at_byte(40, RESET), 502, "upstream_reset"),
    "closed in the head": Fault(faults.at_byte(40, CLOSE), 502, "upstream_truncated"),
    "500": Fault(faults.refused(500), 502, "upstream_server_error", 2),
    "502": Fault(faults.refused(502), 502, "upstream_server_error", 2),
    "503": Fault(faults.refused(503), 502, "upstream_server_error", 2),
    "504": Fault(faults.refused(504), 502, "upstream_server_error", 2),
    "529": Fault(faults.refused(529), 503, "overloaded", 2),
    "429": Fault(faults.refused(429), 429, "rate_limited", 2),
    "429 for 20 s": Fault(faults.refused(429, headers=[("retry-after", "20")]), 429, "rate_limited"),
    "402": Fault(faults.refused(402), 402, "insufficient_quota"),
    "429 of quota": Fault(faults.refused(429, code="insufficient_quota"), 402, "insufficient_quota"),
    "401": Fault(faults.refused(401), 502, "upstream_auth"),
    "403": Fault(faults.refused(403), 502, "upstream_auth"),
    "a page": Fault(faults.page(), 502, "upstream_not_api"),
    "a page with 502": Fault(faults.page(502), 502, "upstream_not_api"),
    "JSON labelled a page": Fault(faults.labelled("text/html"), 502, "upstream_not_api"),
    "a bomb": Fault(faults.packed("gzip", faults.bomb()), 502, "upstream_protocol"),
    "a nested bomb": Fault(faults.packed("gzip, gzip", faults.nested_bomb()), 502, "upstream_protocol"),
    "brotli": Fault(faults.packed("br", b"\x0b\x02\x80{}\x03"), 502, "upstream_protocol"),
    "gzip that is none": Fault(faults.packed("gzip", b"{}"), 502, "upstream_protocol"),
    "a head of 64 KiB": Fault(faults.large_head(64 * 1024), 502, "upstream_protocol"),
    "a head of 200 fields": Fault(faults.large_head(4000, 200), 502, "upstream_protocol"),
    "not HTTP": Fault(sends(NOT_HTTP, CLOSE), 502, "upstream_protocol"),
    "a chunk without a size": Fault(sends(CHUNKS + b"zz\r\n", CLOSE), 502, "upstream_protocol"),
    "two lengths": Fault(sends(BOTH, CLOSE), 502, "upstream_protocol"),
    "a redirect": Fault(faults.refused(302, headers=[("location", "http://127.0.0.1:1/")]), 502, "upstream_not_api"),
    "an error in a 200": Fault(faults.fails_inside(0), 502, "upstream_server_error", 2),
}
ONLY_WHOLE = {
    "a body too short": Fault(sends(SHORT, CLOSE), 502, "upstream_truncated"),
    "an empty body": Fault(faults.nothing(), 502, "upstream_protocol"),
}
ONLY_STREAMED = {
    "a stream of nothing": Fault(faults.nothing(), 502, "upstream_truncated"),
    "a stream that only begins": Fault(faults.cut(1), 502, "upstream_truncated"),
    "only comments": Fault(sends(CHUNKS + b"8\r\n: ping\n\n\r\n0\r\n\r\n"), 502, "upstream_truncated"),
}

each = pytest.mark.parametrize("dialect", DIALECTS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def cases() -> list[tuple[str, Fault, bool]]:
    """Return each fault, whole and streamed."""
    found = [(name, fault, stream) for name, fault in FAULTS.items() for stream in (False, True)]
    found += [(name, fault, False) for name, fault in ONLY_WHOLE.items()]
    return found + [(name, fault, True) for name, fault in ONLY_STREAMED.items()]


every_fault = pytest.mark.parametrize(
    ("fault", "stream"), [pytest.param(f, s, id=f"{name}-{'stream' if s else 'whole'}") for name, f, s in cases()]
)


@each
@every_fault
def test_another_target_answers_instead(tmp_path: Path, dialect: str, fault: Fault, stream: bool) -> None:
    if fault is ONLY_STREAMED["a stream that only begins"] and dialect == "gemini":
        pytest.skip("it begins with content")
    report = play(tmp_path, Case(dialect, stream), [fault.script], [say()])
    assert report.heard.status == 200
    assert report.told.text == TEXT
    assert report.outcomes == [("first", "failed", fault.code)] * fault.asked + [("second", "ok", "")]
    assert (len(report.first.seen), len(report.second.seen)) == (fault.asked, 1)
    assert report.heard.headers["x-mini-llm-attempts"] == str(fault.asked + 1)
    assert report.heard.headers["x-mini-llm-provider"] == "second"


@each
@every_fault
def test_alone_it_becomes_a_status_and_a_body_of_the_callers_dialect(
    tmp_path: Path, dialect: str, fault: Fault, stream: bool
) -> None:
    if fault is ONLY_STREAMED["a stream that only begins"] and dialect == "gemini":
        pytest.skip("it begins with content")
    report = play(tmp_path, Case(dialect, stream), [fault.script])
    assert report.heard.status == fault.status
    assert report.told.error is not None
    assert report.outcomes == [("first", "failed", fault.code)] * fault.asked
    assert len(report.first.seen) == fault.asked
    told_properly(report)


def told_properly(report: Report) -> None:
    """An answer that failed: typed, named, and clear about whether asking again makes sense."""
    heard = report.heard
    assert heard.whole
    assert heard.headers["content-type"].startswith("application/json")
    assert heard.headers["x-request-id"].startswith("ml-")
    assert ("retry-after" in heard.headers) != (heard.headers.get("x-should-retry") == "false")
    told = request_id_in(report.case.dialect, heard.json)
    assert told in ("", heard.headers["x-request-id"])
    if tongues.FAILED not in heard.body.decode():  # else the provider's own body passed
        assert told


@each
@both_ways
def test_a_port_that_nobody_listens_on_costs_no_time(tmp_path: Path, dialect: str, stream: bool) -> None:
    url = f"http://127.0.0.1:{faults.closed_port()}/v1"
    alone = play(tmp_path / "alone", Case(dialect, stream), [], url=url)
    assert alone.heard.status == 502
    assert alone.outcomes == [("first", "failed", "upstream_unreachable")]
    told_properly(alone)
    report = play(tmp_path / "both", Case(dialect, stream), [], [say()], url=url)
    assert report.told.text == TEXT
    assert report.outcomes == [("first", "failed", "upstream_unreachable"), ("second", "ok", "")]
    assert report.heard.ended_at <= 0.05


NO_CHOICE = {
    "openai_chat": b'{"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": []}',
    "gemini": b'{"candidates": [], "modelVersion": "m"}',
}


@pytest.mark.parametrize("dialect", NO_CHOICE)
def test_an_answer_that_holds_none_is_a_failure(tmp_path: Path, dialect: str) -> None:
    report = play(tmp_path, Case(dialect, False), [sends(answer(NO_CHOICE[dialect]))], [say()])
    assert report.told.text == TEXT
    assert report.outcomes == [("first", "failed", "upstream_protocol"), ("second", "ok", "")]
