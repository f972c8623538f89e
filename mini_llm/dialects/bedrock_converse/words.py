"""Words of Converse that whole answers and streams share."""

from __future__ import annotations

import base64
import binascii

from mini_llm.dialects import loose, tiers
from mini_llm.errors import ServerError
from mini_llm.types import FinishReason, Json, Reasoning, Usage

NAME: str = "bedrock_converse"
# Whose signatures and hidden thoughts travel through Converse: a Claude's, valid wherever it runs.
# https://platform.claude.com/docs/en/build-with-claude/extended-thinking (2026-11)
SIGNER = "anthropic_messages"
FINISHED: dict[str, FinishReason] = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter", "content_filtered": "content_filter",
    "model_context_window_exceeded": "length",
}  # fmt: skip
BROKEN = {
    "malformed_model_output": "the model wrote what the provider can't read",
    "malformed_tool_use": "the model wrote a tool call that the provider can't read",
}
SERVER_TOOL = "server_tool_use"


def finish_reason(value: object, *, calls: bool) -> FinishReason:
    """Return why the answer ended. Raises ServerError when it broke."""
    said = loose.text(value)
    if said in BROKEN:
        raise ServerError(BROKEN[said])
    found = FINISHED.get(said, "stop")
    return "tool_calls" if found == "stop" and calls else found


def decode_usage(value: object, service: object = None) -> Usage | None:
    """Return the counts; `inputTokens` leaves out what the cache read or wrote. *service* stands beside them."""
    raw = loose.object_of(value)
    if not any(type(raw.get(name)) is int for name in ("inputTokens", "outputTokens")):
        return None
    read, written = loose.count(raw.get("cacheReadInputTokens")), loose.count(raw.get("cacheWriteInputTokens"))
    by_age = loose.objects(raw.get("cacheDetails"))
    long = min(sum(loose.count(one.get("inputTokens")) for one in by_age if one.get("ttl") == "1h"), written)
    return Usage(
        input_tokens=loose.count(raw.get("inputTokens")) + read + written,
        output_tokens=loose.count(raw.get("outputTokens")),
        cache_read_tokens=read,
        cache_write_5m_tokens=written - long,
        cache_write_1h_tokens=long,
        raw=raw,
        service_tier=tiers.paid(loose.object_of(service).get("type")),
    )


def hidden_thought(value: object) -> Reasoning | None:
    """Return a thought that nobody may read; its bytes are the text that Anthropic calls `data`."""
    encoded = loose.text(value)
    try:
        return (
            Reasoning(redacted=base64.b64decode(encoded, validate=True).decode(), dialect=SIGNER) if encoded else None
        )
    except (binascii.Error, ValueError):
        return Reasoning(redacted=encoded, dialect=NAME)


def source(citation: Json) -> Json | None:
    """Return where a passage comes from: a document in Anthropic's words, a place on the web in OpenAI's."""
    location = loose.object_of(citation.get("location"))
    title = loose.text(citation.get("title"))
    if url := loose.text(loose.object_of(location.get("web")).get("url")):
        return {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 0, "url": url, "title": title}}
    cited = "".join(loose.text(part.get("text")) for part in loose.objects(citation.get("sourceContent")))
    for name, (kind, start, end) in _LOCATIONS.items():
        if place := loose.object_of(location.get(name)):
            return {
                "type": kind,
                "cited_text": cited,
                "document_index": loose.count(place.get("documentIndex")),
                "document_title": title or None,
                start: loose.count(place.get("start")),
                end: loose.count(place.get("end")),
            }
    return None


_LOCATIONS = {
    "documentChar": ("char_location", "start_char_index", "end_char_index"),
    "documentPage": ("page_location", "start_page_number", "end_page_number"),
    "documentChunk": ("content_block_location", "start_block_index", "end_block_index"),
}
