"""`GET /metrics`, and the numbers behind it."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import httpx
import pytest

from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.exposition import Family, Sample, gauge, histogram, labelled, written
from mini_llm.gateway.metrics import MOST_MODELS, MOST_ROWS, Metrics
from mini_llm.gateway.vitals import Heartbeat
from mini_llm.types import Usage
from tests.gateway.running import InThread, running
from tests.upstream import Provider, Say, Status

LINE = re.compile(r'([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def test_what_was_asked_is_counted_by_who_answered_and_how_it_ended(tmp_path: Path) -> None:
    lab = Provider(Say("Hi", usage=(10, 5)), Status(400), Say("Hi", usage=(7, 2)))
    with lab, running(tmp_path, {"lab": lab}) as gateway:
        assert [_ask(gateway), _ask(gateway), _ask(gateway)] == [200, 400, 200]
        told = _scrape(gateway)
    target = {"provider": "lab", "model": "m"}
    ok = {**target, "dialect": "openai_chat", "status": "2xx", "outcome": "ok"}
    assert _value(told, "mini_llm_requests_total", ok) == 2
    assert _value(told, "mini_llm_requests_total", {"status": "4xx", "outcome": "invalid_request"}) == 1
    assert _value(told, "mini_llm_tokens_total", {**target, "kind": "input"}) == 17
    assert _value(told, "mini_llm_tokens_total", {**target, "kind": "output"}) == 7
    assert _value(told, "mini_llm_attempts_total", target) == 2
    assert _value(told, "mini_llm_request_seconds_count", target) == 2
    assert _value(told, "mini_llm_request_seconds_bucket", {**target, "le": "+Inf"}) == 2
    assert _value(told, "mini_llm_overhead_seconds_count", {}) == 2
    assert 0 < _value(told, "mini_llm_overhead_seconds_sum", {}) < 20
    assert _value(told, "mini_llm_live_requests", {}) == 1  # the scrape itself
    assert _value(told, "process_cpu_seconds_total", {}) > 0


def test_every_metric_is_described_and_what_is_described_is_there(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "observing.md").read_text()
    with Provider(Say("Hi")) as lab, running(tmp_path, {"lab": lab}) as gateway:
        _ask(gateway)
        text = httpx.get(f"{gateway.url}/metrics", headers=gateway.headers).text
    told = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert told == set(re.findall(r"`((?:mini_llm|process)_\w+)`", page))


def test_the_scrape_needs_the_token_and_is_plain_text_of_the_known_version(tmp_path: Path) -> None:
    with running(tmp_path, {}) as gateway:
        assert httpx.get(f"{gateway.url}/metrics").status_code == 401
        answer = httpx.get(f"{gateway.url}/metrics", headers=gateway.headers)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


def test_a_target_that_fails_shows_its_breaker(tmp_path: Path) -> None:
    with Provider(Status(500)) as lab, running(tmp_path, {"lab": lab}) as gateway:
        for _ in range(5):
            _ask(gateway)
        told = _scrape(gateway)
    states = {labels["state"]: value for name, labels, value in told if name == "mini_llm_breaker_state"}
    assert states == {"closed": 0, "half-open": 0, "open": 1}


def test_names_that_callers_make_up_do_not_grow_the_series_for_ever() -> None:
    metrics = Metrics()
    for number in range(MOST_MODELS * 3):
        metrics(_answered(f"made-up-{number}"))
    told = _parsed(written(metrics.families(str)))
    models = {labels["model"] for name, labels, _ in told if name == "mini_llm_attempts_total"}
    assert len(models) == MOST_MODELS + 1
    assert _value(told, "mini_llm_attempts_total", {"model": "other"}) == MOST_MODELS * 2
    for number in range(MOST_ROWS * 2):
        metrics(_answered("m", outcome=f"made-up-{number}"))
    assert sum(line.startswith("mini_llm_requests_total{") for line in written(metrics.families(str)).split("\n")) <= (
        MOST_ROWS + 1
    )


def test_labels_and_help_are_escaped() -> None:
    family = Family("x", "gauge", "a\\b\nc", [Sample("", labelled(label='a"b\\c\nd'), 1.5)])
    text = written([family], labelled(worker="1"))
    assert text == '# HELP x a\\\\b\\nc\n# TYPE x gauge\nx{worker="1",label="a\\"b\\\\c\\nd"} 1.5\n'


def test_a_histogram_adds_up() -> None:
    samples = list(histogram((0.1, 1.0), [2, 1, 3], 12.5))
    assert [(sample.suffix, sample.labels, sample.value) for sample in samples] == [
        ("_bucket", 'le="0.1"', 2),
        ("_bucket", 'le="1"', 3),
        ("_bucket", 'le="+Inf"', 6),
        ("_sum", "", 12.5),
        ("_count", "", 6),
    ]


def test_a_family_without_samples_is_left_out_and_odd_numbers_are_written_as_prometheus_reads_them() -> None:
    text = written([Family("none", "gauge", "", []), gauge("inf", "", float("inf")), gauge("nan", "", float("nan"))])
    assert "none" not in text
    assert "inf +Inf\n" in text
    assert "nan NaN\n" in text


def test_a_blocked_loop_is_noticed_from_outside(caplog: pytest.LogCaptureFixture) -> None:
    async def life() -> tuple[float, float]:
        heartbeat = Heartbeat()
        heartbeat.start()
        await asyncio.sleep(0.15)
        time.sleep(0.6)  # noqa: ASYNC251  (this is the fault)
        await asyncio.sleep(0.15)
        heartbeat.stop()
        return heartbeat.worst, heartbeat.lag

    worst, last = asyncio.run(life())
    assert worst > 0.3
    assert last < worst
    assert "the event loop is blocked" in caplog.text
    assert "time.sleep(0.6)" in caplog.text


def _ask(gateway: InThread) -> int:
    body = {"model": "lab/m", "messages": [{"role": "user", "content": "Hello"}]}
    return httpx.post(f"{gateway.url}/v1/chat/completions", headers=gateway.headers, json=body).status_code


def _scrape(gateway: InThread) -> list[tuple[str, dict[str, str], float]]:
    return _parsed(httpx.get(f"{gateway.url}/metrics", headers=gateway.headers).text)


def _parsed(text: str) -> list[tuple[str, dict[str, str], float]]:
    found = []
    for line in text.removesuffix("\n").split("\n"):
        if not line.startswith("#"):
            match = LINE.fullmatch(line)
            assert match, line
            found.append((match[1], dict(LABEL.findall(match[2] or "")), float(match[3])))
    assert len({(name, *sorted(labels.items())) for name, labels, _ in found}) == len(found), "a series came twice"
    return found


def _value(told: list[tuple[str, dict[str, str], float]], name: str, labels: dict[str, str]) -> float:
    values = [value for known, has, value in told if known == name and labels.items() <= has.items()]
    assert len(values) == 1, f"{name} {labels}: {values}"
    return values[0]


def _answered(model: str, outcome: str = "ok") -> Exchange:
    exchange = Exchange("ml-1", "POST", "/v1/chat/completions", started=0.0)
    exchange.provider, exchange.target, exchange.status, exchange.outcome = "lab", model, 200, outcome
    exchange.attempts, exchange.usage, exchange.seconds = 1, Usage(1, 1), 0.1
    return exchange
