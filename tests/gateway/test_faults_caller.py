"""Callers that misbehave: too much, too slow, too strange, or gone in the middle."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import zstandard

from mini_llm.gateway.connection import Limits
from tests.gateway import faults
from tests.gateway.caller import Caller, Heard, body_for, path_for
from tests.gateway.hostile import Script, Wire, say
from tests.gateway.stage import Case, Report, Stage, play
from tests.gateway.test_faults_open import told_properly
from tests.gateway.tongues import DIALECTS, TEXT

each = pytest.mark.parametrize("dialect", DIALECTS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
SMALL = Limits(body=10_000)
LATE = say(delay=1.0, pause=1.0)

Act = Callable[[Caller], Awaitable[Heard]]


def acted(tmp_path: Path, dialect: str, act: Act, script: Sequence[Script] = (), limits: Limits = SMALL) -> Report:
    """Play *act* on one connection."""

    async def ask(stage: Stage) -> Heard:
        caller = await stage.caller()
        try:
            return await act(caller)
        finally:
            await caller.close()

    return play(tmp_path, Case(dialect, False), script or [say()], ask=ask, limits=limits)


def request(caller: Caller, dialect: str, *, stream: bool = False, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """Return a plain question as it goes over the wire."""
    body = json.dumps(body_for(dialect, "all", stream=stream)).encode()
    return caller.request(path_for(dialect, "all", stream=stream), body, headers)


def refused(report: Report, status: int) -> None:
    """It was told why, in its dialect, and no provider heard of it."""
    assert report.heard.status == status
    assert report.first.seen == []
    assert report.rows == []
    told_properly(report)


@each
def test_a_body_said_to_be_too_large_is_refused_before_it_is_sent(tmp_path: Path, dialect: str) -> None:
    async def act(caller: Caller) -> Heard:
        kind = [("content-type", "application/json"), ("content-length", "10001")]
        caller.writer.write(caller.head("POST", path_for(dialect, "all", stream=False), kind))
        return await caller.answer()

    refused(acted(tmp_path, dialect, act), 413)


@each
def test_a_body_that_grows_too_large_is_refused_while_it_comes(tmp_path: Path, dialect: str) -> None:
    async def act(caller: Caller) -> Heard:
        kind = [("content-type", "application/json"), ("transfer-encoding", "chunked")]
        caller.writer.write(caller.head("POST", path_for(dialect, "all", stream=False), kind))
        for _ in range(11):
            caller.writer.write(b"3e8\r\n" + b" " * 1000 + b"\r\n")
            await asyncio.sleep(0.1)
        return await caller.answer()

    refused(acted(tmp_path, dialect, act), 413)


@each
def test_a_body_of_just_the_size_allowed_is_taken(tmp_path: Path, dialect: str) -> None:
    async def act(caller: Caller) -> Heard:
        body = json.dumps(body_for(dialect, "all", stream=False)).encode()
        body += b" " * (10_000 - len(body))
        caller.writer.write(caller.request(path_for(dialect, "all", stream=False), body))
        return await caller.answer()

    assert acted(tmp_path, dialect, act).told.text == TEXT


LENGTHS = {
    "negative": "content-length: -1",
    "no number": "content-length: many",
    "too large for any": f"content-length: {10**30}",
    "twice": "content-length: 2\r\ncontent-length: 3",
    "and chunked": "content-length: 2\r\ntransfer-encoding: chunked",
    "another coding": "transfer-encoding: gzip, chunked",
}


@pytest.mark.parametrize("length", LENGTHS)
@each
def test_a_length_that_makes_no_sense_is_refused(tmp_path: Path, dialect: str, length: str) -> None:
    async def act(caller: Caller) -> Heard:
        head = caller.head("POST", path_for(dialect, "all", stream=False), [("content-type", "application/json")])
        caller.writer.write(head[:-2] + LENGTHS[length].encode() + b"\r\n\r\n{}")
        return await caller.answer()

    report = acted(tmp_path, dialect, act)
    assert report.heard.status in (400, 413, 501)
    assert (report.first.seen, report.rows) == ([], [])


@each
def test_a_body_shorter_than_said_reaches_nobody(tmp_path: Path, dialect: str) -> None:
    async def act(caller: Caller) -> Heard:
        caller.writer.write(request(caller, dialect)[:-5])
        await caller.writer.drain()
        caller.writer.write_eof()
        return await caller.answer()

    report = acted(tmp_path, dialect, act)
    assert (report.first.seen, report.rows) == ([], [])


@each
def test_what_follows_a_body_is_the_next_request_and_no_part_of_this_one(tmp_path: Path, dialect: str) -> None:
    async def act(caller: Caller) -> Heard:
        caller.writer.write(request(caller, dialect) + b"more than was said\r\n\r\n")
        first = await caller.answer()
        assert (await caller.answer()).status in (0, 400)
        return first

    report = acted(tmp_path, dialect, act)
    assert report.told.text == TEXT
    assert len(report.first.seen) == 1


@each
def test_a_head_that_drips_in_is_given_ten_seconds(tmp_path: Path, dialect: str) -> None:
    async def act(caller: Caller) -> Heard:
        return await _drip(caller, request(caller, dialect)[:200])

    report = acted(tmp_path, dialect, act)
    assert report.heard.status == 408
    assert report.first.seen == []
    assert report.heard.ended_at == pytest.approx(10.5, abs=1.1)


@each
def test_a_body_that_drips_in_is_given_ten_seconds(tmp_path: Path, dialect: str) -> None:
    async def act(caller: Caller) -> Heard:
        head, mark, body = request(caller, dialect).partition(b"\r\n\r\n")
        caller.writer.write(head + mark)
        return await _drip(caller, body)

    report = acted(tmp_path, dialect, act)
    assert report.heard.status == 408
    assert report.first.seen == []
    assert report.heard.ended_at == pytest.approx(10.5, abs=1.1)


async def _drip(caller: Caller, data: bytes) -> Heard:
    """Send a byte a second until an answer comes."""

    async def drip() -> None:
        for at in range(len(data)):
            caller.writer.write(data[at : at + 1])
            await asyncio.sleep(1.0)

    dripping = asyncio.create_task(drip())
    try:
        return await caller.answer()
    finally:
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)


def test_two_hundred_that_drip_do_not_hold_up_one_that_does_not(tmp_path: Path) -> None:
    async def ask(stage: Stage) -> Heard:
        slow = [await stage.caller() for _ in range(200)]
        dripping = [asyncio.create_task(_drip(one, request(one, "openai_chat"))) for one in slow]
        await asyncio.sleep(5.0)
        healthy = await stage.ask("openai_chat")
        answers = await asyncio.gather(*dripping)
        assert {answer.status for answer in answers} == {408}
        for one in slow:
            await one.close()
        return healthy

    report = play(tmp_path, Case("openai_chat", False), [say()], ask=ask)
    assert report.told.text == TEXT
    assert report.heard.ended_at < 0.1
    assert len(report.rows) == 1


GONE = {"before any event": 0, "after the first": 1, "after the third": 3}


@pytest.mark.parametrize("rudely", [False, True], ids=["closes", "resets"])
@pytest.mark.parametrize("events", GONE.values(), ids=GONE)
@each
def test_a_caller_who_leaves_takes_the_upstream_with_it(
    tmp_path: Path, dialect: str, events: int, rudely: bool
) -> None:
    left: list[float] = []

    async def act(caller: Caller) -> Heard:
        caller.writer.write(request(caller, dialect, stream=True))
        await asyncio.sleep(0.5)
        for _ in range(events):
            await caller.reader.readuntil(b"\n\n")
        left.append(asyncio.get_running_loop().time())
        caller.reset() if rudely else await caller.close()
        await asyncio.sleep(3.0)
        return Heard()

    report = acted(tmp_path, dialect, act, [LATE])
    gone = report.first.seen[0].gone_at
    assert gone is not None
    assert 0 <= gone - left[0] <= 1.0
    assert [row["status"] for row in report.rows] == ["cancelled"]
    assert report.states.get("first", "closed") == "closed"


@each
def test_a_caller_who_leaves_while_nothing_was_answered_takes_the_upstream_with_it(
    tmp_path: Path, dialect: str
) -> None:
    left: list[float] = []

    async def act(caller: Caller) -> Heard:
        caller.writer.write(request(caller, dialect))
        await asyncio.sleep(7.0)
        left.append(asyncio.get_running_loop().time())
        await caller.close()
        await asyncio.sleep(3.0)
        return Heard()

    report = acted(tmp_path, dialect, act, [faults.silence()])
    gone = report.first.seen[0].gone_at
    assert gone is not None
    assert 0 <= gone - left[0] <= 1.0
    assert [row["status"] for row in report.rows] == ["cancelled"]


@both_ways
@each
def test_a_reader_that_does_not_read_stops_the_upstream_and_is_cut_after_a_minute(
    tmp_path: Path, dialect: str, stream: bool
) -> None:
    wires: list[Wire] = []
    full: list[float] = []

    async def script(wire: Wire) -> None:
        wires.append(wire)
        await faults.endless()(wire)

    async def ask(stage: Stage) -> Heard:
        caller = await stage.caller(limit=1024)
        caller.writer.write(request(caller, dialect, stream=stream))
        await asyncio.sleep(0.5)
        await _settled(lambda: wires[0].seen.sent)
        full.append(asyncio.get_running_loop().time())
        await asyncio.sleep(70.0)
        caller.reset()
        return Heard()

    report = play(tmp_path, Case(dialect, stream), [script], ask=ask)
    seen = report.first.seen[0]
    assert seen.sent < 40 << 20  # what the kernel holds of four sockets
    assert seen.gone_at is not None
    assert 58 <= seen.gone_at - full[0] <= 62
    assert len(report.rows) == 1


async def _settled(count: Callable[[], int]) -> None:
    """Wait, in real time, until the kernel's buffers are full and *count* stands still."""
    quiet, last = 0, -1
    while quiet < 5:
        quiet, last = (quiet + 1 if count() == last else 0), count()
        await asyncio.to_thread(time.sleep, 0.06)


@each
def test_requests_sent_ahead_are_answered_in_their_order(tmp_path: Path, dialect: str) -> None:
    async def act(caller: Caller) -> Heard:
        caller.writer.write(b"".join(request(caller, dialect, stream=number % 2 == 1) for number in range(4)))
        answers = [await caller.answer() for _ in range(4)]
        kinds = [answer.headers["content-type"].partition(";")[0] for answer in answers]
        assert kinds == ["application/json", "text/event-stream"] * 2
        return answers[0]

    report = acted(tmp_path, dialect, act)
    assert [seen.streams for seen in report.first.seen] == [False, True, False, True]
    assert len(report.rows) == 4


@each
def test_a_caller_may_wait_for_leave_to_send_its_body(tmp_path: Path, dialect: str) -> None:
    async def act(caller: Caller) -> Heard:
        head, mark, body = request(caller, dialect, headers=[("expect", "100-continue")]).partition(b"\r\n\r\n")
        caller.writer.write(head + mark)
        assert await caller.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        caller.writer.write(body)
        return await caller.answer()

    assert acted(tmp_path, dialect, act).told.text == TEXT


HEADS = {
    "33 KiB in one": [("x-large", "x" * 33 * 1024)],
    "33 KiB in ten": [(f"x-{number}", "x" * 3380) for number in range(10)],
    "120 fields": [(f"x-{number}", "x") for number in range(120)],
}


@pytest.mark.parametrize("fields", HEADS.values(), ids=HEADS)
@each
def test_a_head_too_large_is_refused(tmp_path: Path, dialect: str, fields: Sequence[tuple[str, str]]) -> None:
    async def act(caller: Caller) -> Heard:
        caller.writer.write(request(caller, dialect, headers=fields))
        return await caller.answer()

    report = acted(tmp_path, dialect, act)
    assert report.heard.status == 431
    assert report.first.seen == []


@each
def test_a_head_just_small_enough_is_taken(tmp_path: Path, dialect: str) -> None:
    async def act(caller: Caller) -> Heard:
        caller.writer.write(request(caller, dialect, headers=[(f"x-{n}", "x" * 300) for n in range(90)]))
        return await caller.answer()

    assert acted(tmp_path, dialect, act).told.text == TEXT


def packed(dialect: str, body: bytes, coding: str) -> Act:
    """Send *body*, which is said to be compressed."""

    async def act(caller: Caller) -> Heard:
        headers = [("content-encoding", coding)]
        caller.writer.write(caller.request(path_for(dialect, "all", stream=False), body, headers))
        return await caller.answer()

    return act


CODINGS = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}
BOMBS = {
    "gzip": (gzip.compress(bytes(10 << 20)), 413),
    "zstd": (zstandard.ZstdCompressor().compress(bytes(10 << 20)), 413),
    "gzip that is none": (b"{}", 400),
    "gzip cut short": (gzip.compress(b"{}" * 100)[:-9], 400),
    "br": (b"\x0b\x02\x80{}\x03", 415),
    "gzip, gzip": (gzip.compress(gzip.compress(b"{}")), 415),
}


@pytest.mark.parametrize("coding", CODINGS)
@each
def test_a_compressed_body_is_read(tmp_path: Path, dialect: str, coding: str) -> None:
    body = CODINGS[coding](json.dumps(body_for(dialect, "all", stream=False)).encode())
    report = acted(tmp_path, dialect, packed(dialect, body, coding))
    assert report.told.text == TEXT
    assert "content-encoding" not in report.first.seen[0].headers


@pytest.mark.parametrize("bomb", BOMBS)
@each
def test_a_body_that_unpacks_to_too_much_or_to_nothing_is_refused(tmp_path: Path, dialect: str, bomb: str) -> None:
    body, status = BOMBS[bomb]
    coding = bomb if bomb == "gzip, gzip" else bomb.partition(" ")[0]
    refused(acted(tmp_path, dialect, packed(dialect, body, coding), limits=Limits()), status)


NONSENSE = {
    "a TLS hello": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "binary": bytes(range(256)),
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a line of its own": b"hello\r\n\r\n",
    "a bare newline": b"POST /v1/messages HTTP/1.1\nhost: x\n\n",
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
def test_what_is_no_request_is_refused_and_the_connection_closed(tmp_path: Path, nonsense: bytes) -> None:
    async def act(caller: Caller) -> Heard:
        caller.writer.write(nonsense)
        heard = await caller.answer()
        assert await caller.reader.read() == b""
        return heard

    report = acted(tmp_path, "openai_chat", act)
    assert report.heard.status in (0, 400, 421, 431, 505)
    assert report.first.seen == []
