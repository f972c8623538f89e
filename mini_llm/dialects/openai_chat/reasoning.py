"""Reasoning in chat completions: OpenAI has no word for it, other providers have three.

`reasoning_content` (DeepSeek, Qwen, Kimi, GLM, vLLM), `reasoning` (Groq, OpenRouter, Ollama) and OpenRouter's
`reasoning_details`, whose signed and encrypted entries must come back as they were.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from mini_llm.dialects import loose
from mini_llm.types import Json, Part, Reasoning

NAME = "openai_chat"
PLAIN = ("reasoning_content", "reasoning", "thinking")
# Entries of this format hold what Anthropic itself signed or hid, whoever passes them on.
# https://openrouter.ai/docs/guides/best-practices/reasoning-tokens (2026-11)
ANTHROPIC = "anthropic_messages"
_ANTHROPIC_FORMAT = "anthropic-claude-v1"
GEMINI = "gemini"
_GEMINI_FORMAT = "google-gemini-v1"


def reasoning_parts(message: Json) -> tuple[Reasoning, ...]:
    """Return the reasoning of a message or a delta. Details win over the plain text, which only repeats them."""
    details = tuple(part for detail in loose.objects(message.get("reasoning_details")) for part in _detail(detail))
    text = plain_reasoning(message)
    if not text or any(part.text for part in details):
        return details
    if details and details[0].signature and details[0].dialect == ANTHROPIC:  # a signature that streamed after its text
        return (details[0]._replace(text=text), *details[1:])
    return (Reasoning(text), *details)


def plain_reasoning(message: Json) -> str:
    """Return the reasoning that stands in a field of its own, or (Mistral) in blocks of the content."""
    for name in PLAIN:
        if (value := message.get(name)) and isinstance(value, str):
            return value
    content = message.get("content")
    return "".join(map(block_reasoning, loose.objects(content))) if isinstance(content, list) else ""


def block_reasoning(block: Json) -> str:
    """Return the reasoning in a block of content."""
    inner = block.get("thinking")
    return inner if isinstance(inner, str) else "".join(loose.text(part.get("text")) for part in loose.objects(inner))


def reasoning_fields(parts: Iterable[Part], *, signed: bool = True, first: int = 0) -> Json:
    """Return the fields that say *parts*; without *signed*, only what came this way or needs no one's signature.

    Details are numbered from *first* on: those of a stream with the same number would be taken for one.
    """
    thoughts = [part for part in parts if isinstance(part, Reasoning) and (signed or _is_ours(part))]
    told = "".join(part.text for part in thoughts)
    fields: Json = {"reasoning_content": told} if told else {}
    if any(_is_sealed(part) for part in thoughts):
        entries = [entry for part in thoughts if (entry := _entry(part))]
        fields["reasoning_details"] = [{**entry, "index": at} for at, entry in enumerate(entries, first)]
    return fields


def _is_ours(part: Reasoning) -> bool:
    return not _is_sealed(part) or NAME in (part.dialect, part.via)


def _is_sealed(part: Reasoning) -> bool:
    return bool(part.signature or part.encrypted or part.redacted)


def _detail(detail: Json) -> tuple[Reasoning, ...]:
    identity, data = loose.text(detail.get("id")), loose.text(detail.get("data"))
    text, signature = loose.text(detail.get("text")), loose.text(detail.get("signature"))
    from_anthropic = detail.get("format") == _ANTHROPIC_FORMAT
    match detail.get("type"):
        case "reasoning.encrypted" if data and from_anthropic:
            return (Reasoning(id=identity, redacted=data, dialect=ANTHROPIC, via=NAME),)
        case "reasoning.encrypted" if data and detail.get("format") == _GEMINI_FORMAT:
            return (Reasoning(id=identity, signature=data, dialect=GEMINI, via=NAME),)
        case "reasoning.encrypted" if data:
            # The whole entry is kept: its `format` says which vendor can read it.
            whole = {name: value for name, value in detail.items() if name != "index"}
            return (Reasoning(id=identity, encrypted=loose.json_text(whole), dialect=NAME),)
        case "reasoning.summary" if summary := loose.text(detail.get("summary")):
            return (Reasoning(summary, summary=True, id=identity),)
        case "reasoning.text" if signature:
            return (Reasoning(text, id=identity, signature=signature, dialect=ANTHROPIC, via=NAME),)
        case "reasoning.text" if text:
            return (Reasoning(text, id=identity),)
    return ()


def _entry(part: Reasoning) -> Json:
    """Return *part* as an entry of `reasoning_details`; empty for what only another dialect can read."""
    identity = {"id": part.id} if part.id else {}
    if part.encrypted:
        return _kept(part.encrypted) if part.dialect == NAME else {}
    if part.redacted:
        return {"type": "reasoning.encrypted", "data": part.redacted, "format": _ANTHROPIC_FORMAT, **identity}
    if part.signature and part.dialect == GEMINI:  # its words, if it has any, are told as plain text
        return {"type": "reasoning.encrypted", "data": part.signature, "format": _GEMINI_FORMAT, **identity}
    if part.summary:
        return {"type": "reasoning.summary", "summary": part.text, **identity}
    sealed = {"signature": part.signature, "format": _ANTHROPIC_FORMAT} if part.signature else {}
    return {"type": "reasoning.text", "text": part.text, **sealed, **identity}


def _kept(encrypted: str) -> Json:
    try:
        return loose.object_of(orjson.loads(encrypted))
    except orjson.JSONDecodeError:
        return {"type": "reasoning.encrypted", "data": encrypted}
