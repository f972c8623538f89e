"""Words of Cohere's chat that whole answers and streams share."""

from __future__ import annotations

from mini_llm.dialects import loose
from mini_llm.errors import ServerError
from mini_llm.types import FinishReason, Json, Usage

NAME: str = "cohere"
FINISHED: dict[str, FinishReason] = {
    "COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter", "ERROR_LIMIT": "length",
}  # fmt: skip
BROKEN = frozenset({"ERROR", "TIMEOUT"})


def finish_reason(value: object, *, calls: bool, told: str = "") -> FinishReason:
    """Return why the answer ended. Raises ServerError when it broke off; *told* is what was said about it."""
    said = loose.text(value).upper()
    if said in BROKEN:
        raise ServerError(told or f"the provider broke the answer off: {said.lower()}")
    found = FINISHED.get(said, "stop")
    return "tool_calls" if found == "stop" and calls else found


def decode_usage(value: object) -> Usage | None:
    """Return what is paid for: fewer tokens than the model sees, which cached ones are counted among."""
    raw = loose.object_of(value)
    billed, seen = loose.object_of(raw.get("billed_units")), loose.object_of(raw.get("tokens"))
    counted = next((one for one in (billed, seen) if "input_tokens" in one or "output_tokens" in one), None)
    if counted is None:
        return None
    given, written = loose.count(counted.get("input_tokens")), loose.count(counted.get("output_tokens"))
    return Usage(
        input_tokens=given,
        output_tokens=written,
        cache_read_tokens=min(loose.count(raw.get("cached_tokens")), given) if counted is seen else 0,
        reasoning_tokens=min(loose.count(seen.get("reasoning_tokens")), written),
        raw=raw,
    )


def sources(citation: Json) -> list[Json]:
    """Return the places on the web that *citation* names, in OpenAI's words; what a tool said has no place."""
    found = []
    for source in loose.objects(citation.get("sources")):
        told = loose.object_of(loose.first(source, "tool_output", "document"))
        told = loose.object_of(told.get("data")) or told
        if url := loose.text(told.get("url")):
            place = {
                "start_index": loose.count(citation.get("start")),
                "end_index": loose.count(citation.get("end")),
                "url": url,
                "title": loose.text(told.get("title")),
            }
            found.append({"type": "url_citation", "url_citation": place})
    return found
