"""Read a whole answer of Converse."""

from __future__ import annotations

from mini_llm.dialects import calls, failures, loose
from mini_llm.dialects.bedrock_converse.words import (
    NAME,
    SERVER_TOOL,
    SIGNER,
    decode_usage,
    finish_reason,
    hidden_thought,
    source,
)
from mini_llm.errors import ProtocolError
from mini_llm.types import ChatResponse, Choice, Image, Json, Message, Opaque, Part, Reasoning, Text, ToolCall

_KNOWN = frozenset({"output", "stopReason", "usage", "metrics"})


def decode_response(body: Json) -> ChatResponse:
    """Read an answer. Raises UpstreamError for an error inside a 200, ProtocolError for what is no answer."""
    if not isinstance(body, dict):
        raise ProtocolError("the answer is not a JSON object")
    message = loose.object_of(body.get("output")).get("message")
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        if body.get("error") or isinstance(body.get("message"), str):
            raise failures.inside(body)
        raise ProtocolError("the answer holds no message")
    found = (part_of(block, at) for at, block in enumerate(loose.objects(message["content"])))
    parts = tuple(part for part in found if part is not None)
    called = any(isinstance(part, ToolCall) for part in parts)
    return ChatResponse(
        id="",
        model="",
        choices=(Choice(Message("assistant", parts), finish_reason(body.get("stopReason"), calls=called)),),
        usage=decode_usage(body.get("usage"), body.get("serviceTier")),
        service_tier=loose.text(loose.object_of(body.get("serviceTier")).get("type")),
        dialect=NAME,
        extra={name: value for name, value in body.items() if name not in _KNOWN and value is not None},
    )


def part_of(block: Json, at: int) -> Part | None:
    """Return one block of an answer; what we have no words for stays as it is."""
    if isinstance(text := block.get("text"), str):
        return Text(text) if text else None
    if isinstance(used := block.get("toolUse"), dict) and used.get("type") != SERVER_TOOL:
        identity = loose.text(used.get("toolUseId")) or calls.made_up_id("", at)
        return ToolCall(identity, loose.text(used.get("name")), loose.json_text(loose.object_of(used.get("input"))))
    if isinstance(thought := block.get("reasoningContent"), dict):
        return thought_of(thought)
    if isinstance(cited := block.get("citationsContent"), dict):
        said = "".join(loose.text(part.get("text")) for part in loose.objects(cited.get("content")))
        sources = [found for citation in loose.objects(cited.get("citations")) if (found := source(citation))]
        return Text(said, citations=tuple(sources))
    if isinstance(picture := block.get("image"), dict):
        return picture_of(picture)
    return Opaque(NAME, block) if block else None


def thought_of(thought: Json) -> Reasoning | None:
    """Return a thought; what signs it belongs to the model's maker."""
    if "redactedContent" in thought:
        return hidden_thought(thought["redactedContent"])
    told = loose.object_of(thought.get("reasoningText"))
    text, signature = loose.text(told.get("text")), loose.text(told.get("signature"))
    return Reasoning(text, signature=signature, dialect=SIGNER if signature else "") if text or signature else None


def picture_of(picture: Json) -> Image | None:
    """Return a picture that a model made."""
    data = loose.text(loose.object_of(picture.get("source")).get("bytes"))
    return Image(data=data, media_type=f"image/{loose.text(picture.get('format')) or 'png'}") if data else None
