"""Reasoning in chat completions: OpenAI has no word for it, other providers have three.

`reasoning_content` (DeepSeek, Qwen, Kimi, GLM, vLLM), `reasoning` (Groq, OpenRouter, Ollama) and OpenRouter's
`reasoning_details`, whose signed and encrypted entries must come back as they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from mini_llm.dialects import loose
from mini_llm.types import Json, Part, Reasoning

NAME = "openai_chat"
PLAIN = ("reasoning_content", "reasoning", "thinking")
# The only format whose text is signed. https://openrouter.ai/docs/guides/best-practices/reasoning-tokens (2026-11)
_SIGNED_FORMAT = "anthropic-claude-v1"


def reasoning_parts(message: Json) -> tuple[Reasoning, ...]:
    """Return the reasoning of a message or a delta. Details win over the plain text, which only repeats them."""
    details = tuple(part for detail in loose.objects(message.get("reasoning_details")) for part in _detail(detail))
    text = plain_reasoning(message)
    if text and not any(part.text for part in details):
        return (Reasoning(text), *details)
    return details


def plain_reasoning(message: Json) -> str:
    """Return the reasoning that stands in a field of its own, or (Mistral) in blocks of the content."""
    told = next((value for name in PLAIN if (value := loose.text(message.get(name)))), "")
    return told or "".join(map(block_reasoning, loose.objects(message.get("content"))))


def block_reasoning(block: Json) -> str:
    """Return the reasoning in a block of content."""
    inner = block.get("thinking")
    return inner if isinstance(inner, str) else "".join(loose.text(part.get("text")) for part in loose.objects(inner))


def reasoning_fields(parts: Iterable[Part], *, foreign: bool) -> Json:
    """Return the fields that say *parts*. Text that another dialect has signed is told only where *foreign* says so."""
    thoughts = [part for part in parts if isinstance(part, Reasoning)]
    ours = [part for part in thoughts if part.dialect in ("", NAME)]
    told = "".join(part.text for part in (thoughts if foreign else ours))
    fields: Json = {"reasoning_content": told} if told else {}
    if any(part.dialect == NAME for part in ours):
        fields["reasoning_details"] = [{**_entry(part), "index": at} for at, part in enumerate(ours)]
    return fields


def _detail(detail: Json) -> tuple[Reasoning, ...]:
    identity, signature = loose.text(detail.get("id")), loose.text(detail.get("signature"))
    match detail.get("type"):
        case "reasoning.encrypted" if detail.get("data"):
            # The whole entry is kept: its `format` says which vendor can read it.
            return (Reasoning(id=identity, encrypted=orjson.dumps(detail).decode(), dialect=NAME),)
        case "reasoning.summary" if text := loose.text(detail.get("summary")):
            return (Reasoning(text, summary=True, id=identity),)
        case "reasoning.text" if (text := loose.text(detail.get("text"))) or signature:
            return (Reasoning(text, id=identity, signature=signature, dialect=NAME if signature else ""),)
    return ()


def _entry(part: Reasoning) -> Json:
    if part.encrypted:
        return _kept(part.encrypted)
    entry: dict[str, Any] = {"type": "reasoning.summary", "summary": part.text}
    if not part.summary:
        entry = {"type": "reasoning.text", "text": part.text}
        if part.signature:
            entry |= {"signature": part.signature, "format": _SIGNED_FORMAT}
    return entry | ({"id": part.id} if part.id else {})


def _kept(encrypted: str) -> Json:
    try:
        return loose.object_of(orjson.loads(encrypted))
    except orjson.JSONDecodeError:
        return {"type": "reasoning.encrypted", "data": encrypted}
