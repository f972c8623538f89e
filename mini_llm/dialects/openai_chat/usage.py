"""Token counts of chat completions, and the many places where providers put them."""

from __future__ import annotations

from mini_llm.dialects import loose, tiers
from mini_llm.dialects.cost import dollars, told_cost
from mini_llm.types import Json, Usage


def decode_usage(raw: object, body: Json = loose.NOTHING) -> Usage | None:
    """Return the usage that *raw* says; None where it says nothing. *body* is the answer around it."""
    if not isinstance(raw, dict):
        return None
    said, summed = raw.get("prompt_tokens"), raw.get("total_tokens")
    if type(said) is not int and type(summed) is not int:
        return None
    inside = loose.object_of(raw.get("prompt_tokens_details"))
    outside = loose.object_of(raw.get("completion_tokens_details"))
    prompt, completion, total = loose.count(said), loose.count(raw.get("completion_tokens")), loose.count(summed)
    sound = loose.count(inside.get("audio_tokens"))
    if sound > prompt and total == prompt + completion + sound:
        prompt += sound  # Mistral leaves the sound out of `prompt_tokens`
    # Azure's Grok counts more cached tokens than the prompt has: a part is never more than the whole.
    read = min(loose.count(inside.get("cached_tokens")), prompt)
    written = long = 0
    reasoning = loose.count(outside.get("reasoning_tokens"))
    if not raw.keys() <= _USUAL or not inside.keys() <= _USUAL_INSIDE:
        read = min(read or _some(*map(raw.get, _CACHE_READ)), prompt)
        written = _some(inside.get("cache_write_tokens"), raw.get("cache_creation_input_tokens"))
        written = min(written, prompt - read)
        long = loose.count(loose.object_of(raw.get("cache_creation")).get("ephemeral_1h_input_tokens"))
        long = min(long, written)
        reasoning = reasoning or loose.count(raw.get("reasoning_tokens"))
    # Some leave the reasoning out of `completion_tokens` (xAI, Gemini): then only the total shows it.
    hidden = max(total - prompt - completion, 0) if completion else 0
    if reasoning > completion + hidden:  # Vercel's gateway leaves it out of the total as well, and charges it
        hidden = reasoning
    pictures, spoken = loose.count(inside.get("image_tokens")), loose.count(outside.get("audio_tokens"))
    thought = reasoning if reasoning > hidden else hidden
    cost, tier = told_cost(raw, body), tiers.paid(body.get("service_tier"))
    # By place, for every answer has one: by name it would take twice the time.
    return Usage(
        prompt,
        completion + hidden,
        read,
        written - long,
        long,
        sound,
        pictures,
        thought,
        spoken,
        cost,
        False,
        raw,
        tier,
    )


# What nearly every provider sends; where there is more, the other names are looked for.
_USUAL = frozenset({
    "prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details",
})  # fmt: skip
_USUAL_INSIDE = frozenset({"cached_tokens", "audio_tokens", "text_tokens", "image_tokens"})
_CACHE_READ = ("prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens")


def encode_usage(usage: Usage) -> Json:
    """Return *usage* as chat completions say it, in OpenRouter's words where OpenAI has none."""
    inside: Json = {"cached_tokens": usage.cache_read_tokens, "audio_tokens": usage.input_audio_tokens}
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    if written:
        inside["cache_write_tokens"] = written
    if usage.input_image_tokens:
        inside["image_tokens"] = usage.input_image_tokens
    body: Json = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": inside,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.output_audio_tokens,
        },
    }
    if usage.cache_write_1h_tokens:
        body["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write_5m_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        }
    if usage.cost_nanos is not None:
        body["cost"] = dollars(usage.cost_nanos)
    return body


def _some(*values: object) -> int:
    """Return the first of *values* that is a count above zero."""
    return next((found for value in values if (found := loose.count(value))), 0)
