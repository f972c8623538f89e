"""Whole answers of the messages API, read and written."""

from __future__ import annotations

import secrets

from mini_llm.dialects import calls, failures, loose
from mini_llm.dialects.anthropic_messages.usage import decode_usage, encode_usage
from mini_llm.dialects.anthropic_messages.words import FINISHED, NAME, TOLD
from mini_llm.errors import ProtocolError
from mini_llm.types import (
    ChatResponse,
    Choice,
    FinishReason,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
)

# Fields of the answer that have words of their own.
_KNOWN = frozenset({"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"})


def decode_response(body: Json) -> ChatResponse:
    """Read an answer. Raises UpstreamError for an error inside a 200, ProtocolError for what is no answer."""
    if not isinstance(body, dict):
        raise ProtocolError("the answer is not a JSON object")
    if body.get("type") == "error" or body.get("error"):
        raise failures.inside(body)
    content = body.get("content")
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise ProtocolError("the answer holds no content")
    parts = [part for at, block in enumerate(loose.objects(content)) if (part := part_of(block, at))]
    usage = body.get("usage")
    choice = Choice(
        Message("assistant", tuple(parts)),
        finish_reason(body.get("stop_reason"), calls=any(isinstance(part, ToolCall) for part in parts)),
        stop_sequence=loose.text(body.get("stop_sequence")),
    )
    return ChatResponse(
        id=loose.text(body.get("id")),
        model=loose.text(body.get("model")),
        choices=(choice,),
        usage=decode_usage(usage),
        service_tier=loose.text(loose.object_of(usage).get("service_tier")),
        dialect=NAME,
        extra={name: value for name, value in body.items() if name not in _KNOWN and value is not None},
    )


def finish_reason(value: object, *, calls: bool) -> FinishReason:
    """Return why the answer ended; a word we do not know is a plain end."""
    found = FINISHED.get(loose.text(value), "stop")
    return "tool_calls" if found == "stop" and calls else found


def part_of(block: Json, at: int) -> Part | None:
    """Return one block of an answer; what we have no words for stays as it is."""
    match block.get("type"):
        case "text":
            text, citations = loose.text(block.get("text")), tuple(loose.objects(block.get("citations")))
            return Text(text, citations=citations) if text or citations else None
        case "tool_use":
            identity = loose.text(block.get("id")) or f"call_{at}"
            given = loose.object_of(block.get("input"))
            malformed = calls.malformed(given)  # a gateway like ours wrote it
            arguments = loose.json_text(given) if malformed is None else malformed
            return ToolCall(identity, loose.text(block.get("name")), arguments)
        case "thinking":
            signature = loose.text(block.get("signature"))
            return Reasoning(loose.text(block.get("thinking")), signature=signature, dialect=NAME if signature else "")
        case "redacted_thinking":
            return Reasoning(redacted=loose.text(block.get("data")), dialect=NAME)
    return Opaque(NAME, block) if isinstance(block.get("type"), str) else None


def encode_response(response: ChatResponse) -> Json:
    """Write an answer for a caller. There is one answer here: the first."""
    choice = response.choices[0] if response.choices else Choice(Message("assistant", ()), "stop")
    body: Json = {
        "id": response.id or message_id(),
        "type": "message",
        "role": "assistant",
        "model": response.model,
        "content": [block for part in choice.message.parts if (block := block_of(part))],
        "stop_reason": told_finish(choice.finish_reason, choice.stop_sequence),
        "stop_sequence": choice.stop_sequence or None,
        "usage": encode_usage(response.usage or Usage()),
    }
    return {**body, **response.extra} if response.dialect == NAME else body


def message_id() -> str:
    """Return a new id for an answer that came without one."""
    return f"msg_{secrets.token_hex(12)}"


def told_finish(reason: FinishReason | None, stop_sequence: str) -> str:
    """Return Anthropic's word for why an answer ended."""
    return "stop_sequence" if stop_sequence and reason == "stop" else TOLD[reason or "stop"]


def block_of(part: Part) -> Json | None:
    """Return *part* as a block of an answer; None for what has no place in one."""
    match part:
        case Text(text=text, citations=citations) if text:
            block: Json = {"type": "text", "text": text}
            sources = [citation for citation in citations if is_source(citation)]
            return block | ({"citations": sources} if sources else {})
        case Refusal(text=text) if text:
            return {"type": "text", "text": text}
        case ToolCall():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": calls.object_of(part.arguments)}
        case Reasoning() if part.dialect == NAME and part.redacted:
            return {"type": "redacted_thinking", "data": part.redacted}
        case Reasoning() if part.text or part.dialect == NAME:
            # A thought that Anthropic did not sign has no signature: so it is known when it comes back.
            signature = part.signature if part.dialect == NAME else ""
            return {"type": "thinking", "thinking": part.text, "signature": signature}
        case Opaque(dialect="anthropic_messages", raw=raw) if "type" in raw:
            return raw
    return None


def is_source(citation: Json) -> bool:
    """Whether *citation* is in Anthropic's form. Those of others lack the index that would have to stand in it."""
    return loose.text(citation.get("type")).endswith("_location")
