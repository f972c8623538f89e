"""Whole answers of generateContent, read and written."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence

from mini_llm.dialects import calls, failures, loose
from mini_llm.dialects.gemini.citations import grounding, read_logprobs, sources, written_logprobs
from mini_llm.dialects.gemini.finish import TOLD, finish_reason, refuse_blocked
from mini_llm.dialects.gemini.signatures import signed
from mini_llm.dialects.gemini.usage import decode_usage, encode_usage
from mini_llm.dialects.gemini.words import CANDIDATE, KEPT, NAME, camel, opaque
from mini_llm.errors import ProtocolError
from mini_llm.types import (
    Audio,
    ChatResponse,
    Choice,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)

# Fields of the answer that have words of their own.
_KNOWN = frozenset({"candidates", "usageMetadata", "modelVersion", "responseId"})


def decode_response(body: Json) -> ChatResponse:
    """Read an answer. Raises UpstreamError for an error inside a 200 and for a prompt that was blocked.

    A blocked prompt is a ContentFilterError, and final: nothing was said, so nothing is lost by raising it.
    """
    answer = opened(body)
    candidates = loose.objects(answer.get("candidates"))
    if not candidates:
        refuse_blocked(answer)
        raise ProtocolError("the answer holds no candidates")
    usage = camel(loose.object_of(answer.get("usageMetadata")))
    identity, random = loose.text(answer.get("responseId")), secrets.token_hex(8)
    return ChatResponse(
        id=identity,
        model=loose.text(answer.get("modelVersion")),
        choices=tuple(_choice(camel(raw), f"{identity or random}{at or ''}") for at, raw in enumerate(candidates)),
        usage=decode_usage(usage),
        service_tier=loose.text(usage.get("serviceTier")),
        dialect=NAME,
        extra={name: value for name, value in answer.items() if name not in _KNOWN and value is not None},
    )


def opened(body: object) -> Json:
    """Return an answer, or one piece of it. Raises UpstreamError if it is an error, also one in a list."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        raise ProtocolError("the answer is not a JSON object")
    if body.get("error"):
        raise failures.inside(body)
    return camel(body)


def _choice(candidate: Json, answer: str) -> Choice:
    content = loose.object_of(candidate.get("content"))
    parts: list[Part] = []
    made = 0
    for raw in loose.objects(content.get("parts")):
        found = parts_of(raw, calls.made_up_id(answer, made))
        made += sum(isinstance(part, ToolCall) for part in found)
        parts += found
    reason = finish_reason(candidate.get("finishReason"), calls=made > 0, said=bool(parts))
    parts = _cited(parts, candidate)
    if kept := kept_of(candidate):
        parts.append(kept)
    return Choice(Message("assistant", tuple(parts)), reason, logprobs=read_logprobs(candidate.get("logprobsResult")))


def parts_of(raw: Json, made_up: str) -> list[Part]:
    """Return what one part of an answer says. A signature stands before what it signs, save on a call.

    *made_up* is the id of a call that has none.
    """
    part = camel(raw)
    signature = loose.text(part.get("thoughtSignature"))
    if isinstance(call := part.get("functionCall"), dict):
        name, identity = loose.text(call.get("name")), loose.text(call.get("id")) or made_up
        given = loose.object_of(call.get("args"))
        malformed = calls.malformed(given)
        arguments = loose.json_text(given) if malformed is None else malformed
        return [ToolCall(identity, name, arguments, signature=signature)] if name else []
    text, thought = part.get("text"), part.get("thought") is True
    if isinstance(text, str) and thought:
        sealed = NAME if signature else ""
        return [Reasoning(text, summary=True, signature=signature, dialect=sealed)] if text or signature else []
    found: Part | None
    if isinstance(text, str) or part.keys() <= {"thoughtSignature"}:
        found = Text(text) if isinstance(text, str) and text else None
    else:
        found = None if thought else _media(part)
        if found is None:
            return [opaque(part)]  # code and its output, Google's own tools
    signed = [Reasoning(signature=signature, dialect=NAME)] if signature else []
    return [*signed, *([found] if found else [])]


def _media(part: Json) -> Part | None:
    blob = camel(loose.object_of(part.get("inlineData")))
    kind, data = loose.text(blob.get("mimeType")), loose.text(blob.get("data"))
    if not part.keys() <= {"inlineData", "thoughtSignature"} or not data:
        return None
    family, _, form = kind.partition("/")
    if family == "image":
        return Image(data=data, media_type=kind)
    return Audio(data=data, format=form) if family == "audio" else None


def _cited(parts: list[Part], candidate: Json) -> list[Part]:
    """Return *parts* with the sources on the last text among them."""
    texts = [part.text for part in parts if isinstance(part, Text)]
    found = sources(candidate, texts)
    if not found or not texts:
        return parts
    at = max(at for at, part in enumerate(parts) if isinstance(part, Text))
    last = parts[at]
    assert isinstance(last, Text)
    return [*parts[:at], last._replace(citations=found), *parts[at + 1 :]]


def kept_of(candidate: Json) -> Opaque | None:
    """Return what stands beside the words of *candidate*, if anything does."""
    kept = {name: value for name, value in candidate.items() if name in KEPT and value not in (None, "", [], {})}
    return Opaque(NAME, {CANDIDATE: kept}) if kept else None


def encode_response(response: ChatResponse) -> Json:
    """Write an answer for a caller."""
    body: Json = {"candidates": [_candidate(choice, at) for at, choice in enumerate(response.choices)]}
    if response.usage is not None:
        body["usageMetadata"] = encode_usage(response.usage)
        if response.service_tier and response.dialect == NAME:
            body["usageMetadata"]["serviceTier"] = response.service_tier
    body |= {"modelVersion": response.model, "responseId": response.id or answer_id()}
    return {**body, **response.extra} if response.dialect == NAME else body


def answer_id() -> str:
    """Return a new id for an answer that came without one."""
    return secrets.token_urlsafe(16)


def _candidate(choice: Choice, at: int) -> Json:
    parts = choice.message.parts
    written = list(written_parts(parts))
    candidate: Json = {"content": {"parts": written or [{"text": ""}], "role": "model"}}
    if not written and choice.finish_reason in ("content_filter", "refusal"):
        candidate = {}
    candidate |= {"finishReason": TOLD[choice.finish_reason or "stop"], "index": at}
    if choice.logprobs:
        candidate["logprobsResult"] = written_logprobs(choice.logprobs)
    return candidate | beside(parts)


def beside(parts: Sequence[Part]) -> Json:
    """Return what stands beside the words of a candidate: its own, or the sources of another dialect."""
    for part in parts:
        if isinstance(part, Opaque) and part.dialect == NAME and CANDIDATE in part.raw:
            return dict(loose.object_of(part.raw[CANDIDATE]))
    texts = [part for part in parts if isinstance(part, Text)]
    found = grounding([citation for part in texts for citation in part.citations], "".join(t.text for t in texts))
    return {"groundingMetadata": found} if found else {}


def written_parts(parts: Sequence[Part]) -> Iterator[Json]:
    """Return *parts* as parts of an answer; what only another dialect understands has none."""
    return signed(parts, lambda _, part: written_part(part))


def written_part(part: Part) -> Json | None:
    """Return *part* as a part of an answer; None for what has no place in one."""
    match part:
        case Text(text=text) | Refusal(text=text) if text:
            return {"text": text}
        case Reasoning(text=text) if text:
            signed = {"thoughtSignature": part.signature} if part.signature and part.dialect == NAME else {}
            return {"text": text, "thought": True} | signed
        case ToolCall():
            call = {"id": part.id, "name": part.name, "args": calls.object_of(part.arguments)}
            return {"functionCall": call} | ({"thoughtSignature": part.signature} if part.signature else {})
        case Image() if part.data:
            return {"inlineData": {"mimeType": part.media_type or "image/png", "data": part.data}}
        case Image() if part.url:
            kind = {"mimeType": part.media_type} if part.media_type else {}
            return {"fileData": {"fileUri": part.url} | kind}
        case Audio() if part.data:
            return {"inlineData": {"mimeType": f"audio/{part.format or 'wav'}", "data": part.data}}
        case Document() if part.data:
            return {"inlineData": {"mimeType": part.media_type or "application/pdf", "data": part.data}}
        case Opaque(dialect="gemini", raw={"part": raw}):
            return dict(raw)
    return None
