"""Traces, as a real collector receives them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from mini_llm.gateway.calls import Exchange
from tests.gateway.collector import Collector, Span
from tests.gateway.running import InThread, running
from tests.upstream import Provider, Say, Status, Step

pytest.importorskip("opentelemetry.sdk", reason="the extra `otel` is not installed")
from mini_llm.gateway.otel import Traces

SERVER, CLIENT = 2, 3
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_request_is_a_span_with_the_call_to_the_model_in_it(tmp_path: Path) -> None:
    with _traced(tmp_path, Say("Hi", usage=(10, 5))) as (gateway, collector):
        answer = _ask(gateway, {"traceparent": f"00-{TRACE}-{PARENT}-01"})
    request, call = _pair(collector)
    assert collector.paths == ["/v1/traces"]
    assert (request.name, request.kind, request.trace, request.parent) == (
        "POST /v1/chat/completions",
        SERVER,
        TRACE,
        PARENT,
    )
    assert (call.name, call.kind, call.trace, call.parent) == ("chat m", CLIENT, TRACE, request.id)
    assert request.resource["service.name"] == "mini-llm"
    assert not request.failed
    assert not call.failed
    assert request.attributes["mini_llm.request.id"] == answer.headers["x-mini-llm-request-id"]
    assert request.attributes["http.response.status_code"] == 200
    told = call.attributes
    assert {name: told[name] for name in told if name.startswith("gen_ai")} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "lab",
        "gen_ai.request.model": "lab/m",
        "gen_ai.request.stream": False,
        "gen_ai.response.model": "m",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 0,
    }
    assert told["server.address"] == "127.0.0.1"
    assert told["server.port"] > 0
    assert 0 < call.seconds < 20


def test_a_failed_request_says_what_failed(tmp_path: Path) -> None:
    with _traced(tmp_path, Status(503), by_config=True) as (gateway, collector):
        _ask(gateway, {"traceparent": "00-not-a-trace"})
    request, call = _pair(collector)
    assert (request.parent, request.failed, call.failed) == ("", True, True)
    assert call.attributes["error.type"] == request.attributes["error.type"] == "upstream_server_error"


def test_no_word_of_what_was_said_and_no_key_is_sent(tmp_path: Path) -> None:
    key = "sk-canary0123456789canary"
    with _traced(tmp_path, Say("an ANSWER")) as (gateway, collector):
        _ask(gateway, {"x-request-id": key}, model=f"lab/{key}", prompt="a PROMPT")
    assert len(collector.spans) == 2
    for word in (key, "PROMPT", "ANSWER", gateway.token):
        assert word.encode() not in collector.raw


def test_a_stream_tells_when_its_first_chunk_came(tmp_path: Path) -> None:
    with _traced(tmp_path, Say("Hi there")) as (gateway, collector):
        _ask(gateway, stream=True)
    _, call = _pair(collector)
    assert call.attributes["gen_ai.request.stream"] is True
    assert 0 < call.attributes["gen_ai.response.time_to_first_chunk"] <= call.seconds


def test_nothing_is_sent_unless_it_is_wanted(tmp_path: Path) -> None:
    with Provider() as lab, running(tmp_path, {"lab": lab}) as gateway:
        assert not [observer for observer in gateway.gateway.observers if isinstance(observer, Traces)]


def test_a_collector_that_is_not_there_costs_nobody_an_answer_and_no_long_goodbye(tmp_path: Path) -> None:
    began = time.monotonic()
    with Provider() as lab, running(tmp_path, {"lab": lab}, {"gateway": {"otel": "http://127.0.0.1:9"}}) as gateway:
        assert _ask(gateway).status_code == 200
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("path", "operation", "route"),
    [
        ("/v1/messages", "chat", "/v1/messages"),
        ("/v1/responses", "chat", "/v1/responses"),
        ("/v1beta/models/a:b:generateContent", "generate_content", "/v1beta/models/{model}:generateContent"),
        ("/v1beta/models/x:embedContent", "embeddings", "/v1beta/models/{model}:embedContent"),
        ("/v1/embeddings", "embeddings", "/v1/embeddings"),
        ("/v1/completions", "text_completion", "/v1/completions"),
        ("/v1/models/whatever", "chat", "/v1/models/{model}"),
        ("/made/up", "chat", "other"),
    ],
)
def test_paths_become_operations_and_routes_without_names_in_them(path: str, operation: str, route: str) -> None:
    with Collector() as collector:
        traces = Traces(str, lambda provider: "https://api.x.ai/v1", endpoint=f"{collector.url}/v1/traces")
        exchange = Exchange("ml-1", "POST", path, started=1.0)
        exchange.model, exchange.provider, exchange.target, exchange.outcome = "m", "xai", "grok", "ok"
        traces(exchange)
        traces.close()
    request, call = _pair(collector)
    assert (call.name, request.name) == (f"{operation} grok", f"POST {route}")
    assert call.attributes["gen_ai.provider.name"] == "x_ai"
    assert (call.attributes["server.address"], call.attributes["server.port"]) == ("api.x.ai", 443)


@contextmanager
def _traced(home: Path, step: Step, *, by_config: bool = False) -> Iterator[tuple[InThread, Collector]]:
    with Collector() as collector, Provider(step) as lab:
        settings = {"gateway": {"otel": collector.url}} if by_config else {}
        environ = {} if by_config else {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        with running(home, {"lab": lab}, settings, environ=environ) as gateway:
            yield gateway, collector


def _pair(collector: Collector) -> tuple[Span, Span]:
    request, call = sorted(collector.spans, key=lambda span: span.kind)
    return request, call


def _ask(
    gateway: InThread,
    headers: dict[str, str] | None = None,
    *,
    model: str = "lab/m",
    prompt: str = "Hello",
    stream: bool = False,
) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": stream}
    return httpx.post(
        f"{gateway.url}/v1/chat/completions",
        headers={**gateway.headers, "content-type": "application/json", **(headers or {})},
        content=json.dumps(body),
        timeout=30,
    )
