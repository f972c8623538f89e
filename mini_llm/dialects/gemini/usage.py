"""Token counts of generateContent. The prompt's count includes what the cache read; thoughts are counted apart."""

from __future__ import annotations

from mini_llm.dialects import loose, tiers
from mini_llm.dialects.gemini.words import camel
from mini_llm.types import Json, Usage


def decode_usage(raw: object) -> Usage | None:
    """Return the usage that *raw* says; None where it says nothing."""
    told = camel(loose.object_of(raw))
    if not any(type(told.get(name)) is int for name in ("promptTokenCount", "totalTokenCount")):
        return None
    # What a provider's own tools (search, code) brought in is billed as input, and not part of the prompt's count.
    prompt = loose.count(told.get("promptTokenCount")) + loose.count(told.get("toolUsePromptTokenCount"))
    read = min(loose.count(told.get("cachedContentTokenCount")), prompt)
    return Usage(
        input_tokens=prompt,
        output_tokens=_output(told, prompt),
        cache_read_tokens=read,
        input_audio_tokens=_fresh(told, "AUDIO"),
        input_image_tokens=_fresh(told, "IMAGE"),
        reasoning_tokens=loose.count(told.get("thoughtsTokenCount")),
        output_audio_tokens=_of(told.get("candidatesTokensDetails"), "AUDIO"),
        raw=told,
        service_tier=tiers.paid(told.get("serviceTier"), told.get("trafficType")),
        cache_read_audio_tokens=min(_of(told.get("cacheTokensDetails"), "AUDIO"), read),
    )


def _output(told: Json, prompt: int) -> int:
    said, thoughts = loose.count(told.get("candidatesTokenCount")), loose.count(told.get("thoughtsTokenCount"))
    total = loose.count(told.get("totalTokenCount"))
    return said if said >= thoughts and total == prompt + said else said + thoughts  # some count them in already


def _fresh(told: Json, modality: str) -> int:
    """Return the input of one kind that did not come from the cache."""
    whole = _of(told.get("promptTokensDetails"), modality) + _of(told.get("toolUsePromptTokensDetails"), modality)
    return max(whole - _of(told.get("cacheTokensDetails"), modality), 0)


def _of(details: object, modality: str) -> int:
    rows = map(camel, loose.objects(details))
    return sum(loose.count(row.get("tokenCount")) for row in rows if row.get("modality") == modality)


def encode_usage(usage: Usage) -> Json:
    """Return *usage* as generateContent says it. What was written to a cache counts as plain input there."""
    thoughts = min(usage.reasoning_tokens, usage.output_tokens)
    body: Json = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - thoughts,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
    }
    if thoughts:
        body["thoughtsTokenCount"] = thoughts
    if usage.cache_read_tokens:
        body["cachedContentTokenCount"] = usage.cache_read_tokens
    kinds = {"AUDIO": usage.input_audio_tokens, "IMAGE": usage.input_image_tokens}
    if any(kinds.values()):
        text = {"TEXT": max(usage.input_tokens - sum(kinds.values()), 0)}
        body["promptTokensDetails"] = _details({**text, **kinds})
    if usage.output_audio_tokens:
        body["candidatesTokensDetails"] = _details({"AUDIO": usage.output_audio_tokens})
    return body


def _details(counts: dict[str, int]) -> list[Json]:
    return [{"modality": kind, "tokenCount": count} for kind, count in counts.items() if count]
