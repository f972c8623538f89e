"""Each request as a trace, in the words of OpenTelemetry's conventions for generative AI; never what was said.

The names are those of https://github.com/open-telemetry/semantic-conventions-genai (2026-11, in development there).
Needs the extra `otel`. This module is loaded only when traces are wanted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from mini_llm._version import __version__
from mini_llm.gateway.calls import Exchange

Attributes: TypeAlias = dict[str, str | int | float | bool]

EXPORT_SECONDS = 5.0
LONGEST = 200
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
# What we call providers where the conventions have another word.
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure-deployments": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex": "gcp.vertex_ai",
    "vertex-anthropic": "gcp.vertex_ai",
    "xai": "x_ai",
}
_OPERATIONS = (
    (re.compile(r".*/embeddings|.*:(batchE|e)mbedContents?"), "embeddings"),
    (re.compile(r".*:(streamG|g)enerateContent"), "generate_content"),
    (re.compile(r".*/(chat/completions|responses|messages)"), "chat"),
    (re.compile(r".*/completions"), "text_completion"),
)


class Traces:
    """An observer of exchanges: spans go to the collector at *endpoint* (".../v1/traces").

    *redact* hides secrets; *address* gives a provider's base URL, "" for one that is not known.
    """

    def __init__(self, redact: Callable[[str], str], address: Callable[[str], str], *, endpoint: str) -> None:
        resource = Resource.create({SERVICE_NAME: "mini-llm", SERVICE_VERSION: __version__})
        if resource.attributes[SERVICE_NAME] == "unknown_service":
            resource = resource.merge(Resource({SERVICE_NAME: "mini-llm"}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("mini_llm.gateway", __version__)
        self._redact = redact
        self._address = address

    def __call__(self, exchange: Exchange) -> None:
        """Make the spans of an exchange that has ended: the request, and in it the call to a model."""
        begun, ended = int(exchange.started * 1e9), int((exchange.started + exchange.seconds) * 1e9)
        request = self._tracer.start_span(
            f"{self._text(exchange.method)} {_route(exchange.path)}",
            _parent(exchange.traceparent),
            SpanKind.SERVER,
            self._asked(exchange),
            start_time=begun,
        )
        if exchange.model:
            operation = _operation(exchange.path)
            call = self._tracer.start_span(
                f"{operation} {self._text(exchange.target or exchange.model)}",
                trace.set_span_in_context(request),
                SpanKind.CLIENT,
                self._answered(exchange, operation),
                start_time=begun,
            )
            if exchange.outcome != "ok":
                call.set_status(Status(StatusCode.ERROR))
            call.end(ended)
        if exchange.status >= 500 or exchange.outcome == "partial":
            request.set_status(Status(StatusCode.ERROR))
        request.end(ended)

    def close(self) -> None:
        """Send what waits; takes seconds where the collector does not answer."""
        self._provider.shutdown()

    def _asked(self, exchange: Exchange) -> Attributes:
        told: Attributes = {
            "http.request.method": self._text(exchange.method),
            "http.route": _route(exchange.path),
            "http.response.status_code": exchange.status,
            "client.address": exchange.peer,
            "mini_llm.request.id": exchange.id,
            "mini_llm.caller": self._text(exchange.caller),
            "mini_llm.tool": self._text(exchange.tool),
        }
        if exchange.client_id:
            told["mini_llm.request.client_id"] = self._text(exchange.client_id)
        if exchange.outcome != "ok":
            told["error.type"] = self._text(exchange.outcome)
        return told

    def _answered(self, exchange: Exchange, operation: str) -> Attributes:
        told: Attributes = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": _PROVIDERS.get(exchange.provider, exchange.provider) or "mini_llm",
            "gen_ai.request.model": self._text(exchange.model),
            "gen_ai.request.stream": exchange.stream,
            "mini_llm.attempts": exchange.attempts,
        }
        if exchange.target:
            told["gen_ai.response.model"] = self._text(exchange.target)
            told |= _server(self._address(exchange.provider))
        if exchange.outcome != "ok":
            told["error.type"] = self._text(exchange.outcome)
        if exchange.stream and exchange.first_content is not None:
            told["gen_ai.response.time_to_first_chunk"] = exchange.first_content
        if exchange.cost_nanos is not None:
            told["mini_llm.cost"] = exchange.cost_nanos / 1e9
        if exchange.usage is not None:
            usage = exchange.usage
            told["gen_ai.usage.input_tokens"] = usage.input_tokens
            told["gen_ai.usage.output_tokens"] = usage.output_tokens
            told["gen_ai.usage.cache_read.input_tokens"] = usage.cache_read_tokens
            told["gen_ai.usage.cache_creation.input_tokens"] = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
            told["gen_ai.usage.reasoning.output_tokens"] = usage.reasoning_tokens
        return told

    def _text(self, text: str) -> str:
        return self._redact(text)[:LONGEST].encode("utf-8", "replace").decode()


def _parent(traceparent: str) -> Context | None:
    """Return the span that a caller says its request belongs to; None for a header that makes no sense."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return None
    context = SpanContext(
        int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(int(found[3], 16))
    )
    return trace.set_span_in_context(NonRecordingSpan(context)) if context.is_valid else None


def _operation(path: str) -> str:
    return next((name for pattern, name in _OPERATIONS if pattern.fullmatch(path)), "chat")


def _route(path: str) -> str:
    """Return *path* without what callers choose in it."""
    if path.startswith(("/v1/models/", "/v1beta/models/")):
        head, _, rest = path.partition("/models/")
        _, colon, action = rest.rpartition(":")
        return f"{head}/models/{{model}}{colon}{action[:40] if colon else ''}"
    return path if path in _PATHS else "other"


_PATHS = frozenset(
    ("/", "/livez", "/readyz", "/metrics", "/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/completions")
) | {"/v1/messages/count_tokens", "/v1/embeddings", "/v1/models", "/v1/moderations", "/v1/rerank"}


@lru_cache(256)
def _server(url: str) -> Attributes:
    parts = urlsplit(url)
    if not parts.hostname:
        return {}
    return {"server.address": parts.hostname, "server.port": parts.port or (80 if parts.scheme == "http" else 443)}
