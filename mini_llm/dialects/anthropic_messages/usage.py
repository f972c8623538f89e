"""Token counts of the messages API, whose `input_tokens` leave out what the cache read or wrote."""

from __future__ import annotations

from mini_llm.dialects import loose, tiers
from mini_llm.dialects.cost import dollars, told_cost
from mini_llm.types import Json, Usage


def decode_usage(raw: object) -> Usage | None:
    """Return the usage that *raw* says; None where it says nothing."""
    if not isinstance(raw, dict) or not any(type(raw.get(name)) is int for name in ("input_tokens", "output_tokens")):
        return None
    by_age = loose.object_of(raw.get("cache_creation"))
    long = loose.count(by_age.get("ephemeral_1h_input_tokens"))
    written = loose.count(raw.get("cache_creation_input_tokens"))
    short = max(written - long, loose.count(by_age.get("ephemeral_5m_input_tokens")))
    read = loose.count(raw.get("cache_read_input_tokens"))
    return Usage(
        input_tokens=loose.count(raw.get("input_tokens")) + read + short + long,
        output_tokens=loose.count(raw.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_5m_tokens=short,
        cache_write_1h_tokens=long,
        reasoning_tokens=loose.count(loose.object_of(raw.get("output_tokens_details")).get("thinking_tokens")),
        cost_nanos=told_cost(raw),
        raw=raw,
        service_tier=tiers.paid(raw.get("service_tier"), raw.get("speed"), raw.get("inference_geo")),
        web_searches=loose.count(loose.object_of(raw.get("server_tool_use")).get("web_search_requests")),
    )


def encode_usage(usage: Usage) -> Json:
    """Return *usage* as the messages API says it. Sound and pictures count as plain input there."""
    cached = usage.cache_read_tokens + usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    body: Json = {
        "input_tokens": max(usage.input_tokens - cached, 0),
        "cache_creation_input_tokens": usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        body["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if usage.web_searches:
        body["server_tool_use"] = {"web_search_requests": usage.web_searches}
    if usage.cost_nanos is not None:
        body["cost"] = dollars(usage.cost_nanos)
    return body
