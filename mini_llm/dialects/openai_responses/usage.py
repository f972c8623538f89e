"""Token counts of the Responses API. `input_tokens` includes what the cache read and wrote."""

from __future__ import annotations

from mini_llm.dialects import loose, tiers
from mini_llm.dialects.cost import dollars, told_cost
from mini_llm.types import Json, Usage


def decode_usage(raw: object, body: Json = loose.NOTHING) -> Usage | None:
    """Return the usage that *raw* says; None where it says nothing. *body* is the answer around it."""
    if not isinstance(raw, dict) or not any(type(raw.get(name)) is int for name in ("input_tokens", "output_tokens")):
        return None
    inside = loose.object_of(raw.get("input_tokens_details"))
    outside = loose.object_of(raw.get("output_tokens_details"))
    return Usage(
        input_tokens=loose.count(raw.get("input_tokens")),
        output_tokens=loose.count(raw.get("output_tokens")),
        cache_read_tokens=loose.count(inside.get("cached_tokens")),
        # OpenAI keeps for 30 minutes or longer, at one price; the short-lived count is where that belongs.
        cache_write_5m_tokens=loose.count(inside.get("cache_write_tokens")),
        input_audio_tokens=loose.count(inside.get("audio_tokens")),
        input_image_tokens=loose.count(inside.get("image_tokens")),
        reasoning_tokens=loose.count(outside.get("reasoning_tokens")),
        output_audio_tokens=loose.count(outside.get("audio_tokens")),
        cost_nanos=told_cost(raw),
        raw=raw,
        service_tier=tiers.paid(body.get("service_tier")),
    )


def encode_usage(usage: Usage) -> Json:
    """Return *usage* as the Responses API says it."""
    inside: Json = {
        "cached_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
    }
    outside: Json = {"reasoning_tokens": usage.reasoning_tokens}
    for name, count in (("audio_tokens", usage.input_audio_tokens), ("image_tokens", usage.input_image_tokens)):
        if count:
            inside[name] = count
    if usage.output_audio_tokens:
        outside["audio_tokens"] = usage.output_audio_tokens
    body: Json = {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": inside,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": outside,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    return body | ({} if usage.cost_nanos is None else {"cost": dollars(usage.cost_nanos)})
