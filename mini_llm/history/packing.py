"""Messages ⇄ JSON to keep. What a file weighs is not kept: its hash and its name are. Pure.

Parts that are no words of ours, and fields that are not known here, are left out when read: a newer version may have
written them.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import orjson

from mini_llm.memory.keys import said_in
from mini_llm.types import (
    Audio,
    ChatRequest,
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
    ToolResult,
)

LONGEST_TEXT = 1 << 20  # characters of one piece of text
EXCERPT = 150  # characters shown of a place that was found
LONGEST_BLOCK = 1 << 16  # bytes of a block that only its dialect understands
SYSTEM = ("system", "developer")
KINDS: Mapping[str, type[Any]] = {
    kind.__name__.lower(): kind
    for kind in (Text, Image, Document, Audio, ToolCall, ToolResult, Reasoning, Refusal, Opaque)
}
# Not words, but what machines must find again letter by letter.
EXACT = frozenset({"type", "kind", "id", "call_id", "signature", "encrypted", "redacted", "dialect", "via", "sha256"})
SETTINGS = (
    *("max_tokens", "temperature", "top_p", "top_k", "stop", "presence_penalty", "frequency_penalty", "seed"),
    *("tools", "tool_choice", "parallel_tool_calls", "response_format", "thinking"),
)
Redact = Callable[[str], str]


def packed(message: Message, redact: Redact) -> Json:
    """Return *message* as JSON, without secrets and without what files weigh."""
    told: Json = {"role": message.role, "parts": [_packed(part) for part in message.parts]}
    if message.name:
        told["name"] = message.name
    found: Json = _sound(told, redact)
    return found


def unpacked(told: Mapping[str, Any]) -> Message:
    """Return the message that *told* was packed from; a note stands where a file was."""
    parts = tuple(part for one in told.get("parts", ()) if (part := _unpacked(one)) is not None)
    return Message(told.get("role", "user"), parts, told.get("name", ""))


def settings(request: ChatRequest, redact: Redact) -> Json:
    """Return what *request* says beside its messages, only what is said."""
    found = {name: value for name in SETTINGS if (value := getattr(request, name)) not in (None, ())}
    told: Json = _sound(_plain(found), redact)
    return told


def spoken(told: Mapping[str, Any]) -> str:
    """Return what is to be read and searched in a packed message."""
    return "\n".join(filter(None, (_read(part) for part in told["parts"])))


def title(messages: Iterable[Message], redact: Redact) -> str:
    """Return the beginning of what was asked first; what a program puts in front in angle brackets is not it."""
    asked = [
        part.text
        for message in messages
        if message.role == "user"
        for part in message.parts
        if isinstance(part, Text) and part.text.strip()
    ]
    first = next((text for text in asked if not text.lstrip().startswith("<")), asked[0] if asked else "")
    words = " ".join(_sound(first, redact)[:400].split())
    return words if len(words) <= 80 else f"{words[:79]}…"


def excerpt(text: str, words: Sequence[str]) -> str:
    """Return what stands around the first of *words* in *text*; each of them between U+0002 and U+0003."""
    text = " ".join(text.replace("\x02", "").replace("\x03", "").split())
    wanted = re.compile("|".join(re.escape(word.rstrip("*")) for word in words), re.IGNORECASE)
    found = wanted.search(text)
    start = max(0, found.start() - EXCERPT // 3) if found else 0
    piece = wanted.sub(lambda match: f"\x02{match[0]}\x03" if match[0] else "", text[start : start + EXCERPT])
    return f"{'…' if start else ''}{piece}{'…' if start + EXCERPT < len(text) else ''}"


def marks(messages: Sequence[Message]) -> list[bytes]:
    """Return a name for all that was said up to each answer in *messages*, the first first.

    It is the same however a client parts, joins and spaces the words; system prompts do not count.
    """
    digest = sha256()
    found = []
    for message in messages:
        if message.role not in SYSTEM:
            digest.update(f"{message.role}\0{said_in(message.parts)}\1".encode("utf-8", "surrogatepass"))
            if message.role == "assistant":
                found.append(digest.digest())
    return found


def _packed(part: Part) -> Json:
    told = {name: _plain(value) for name, value in part._asdict().items() if value not in ("", None, (), False)}
    told.pop("cache", None)
    match part:
        case Image(data=data) | Document(data=data) | Audio(data=data) if data:
            told |= _weighed(data)
            del told["data"]
        case Image(url=url) | Document(url=url) if url.startswith("data:"):
            told |= _weighed(url.partition(",")[2])
            del told["url"]
        case ToolResult(parts=parts):
            told["parts"] = [_packed(below) for below in parts]
        case Opaque(raw=raw) if len(block := orjson.dumps(raw)) > LONGEST_BLOCK:
            told |= {"sha256": sha256(block).hexdigest(), "bytes": len(block)}
            del told["raw"]
    return {"type": type(part).__name__.lower(), **told}


def _weighed(data: str) -> Json:
    try:
        content = b64decode(data)
    except (Base64Error, ValueError):  # not base64 after all
        content = data.encode("utf-8", "surrogatepass")
    return {"sha256": sha256(content).hexdigest(), "bytes": len(content)}


def _unpacked(told: Mapping[str, Any]) -> Part | None:
    kind = KINDS.get(told.get("type", ""))
    if kind is None:
        return None
    if "sha256" in told:
        return None if kind is Opaque else Text(_placeholder(told))
    fields = {name: value for name, value in told.items() if name in kind._fields}
    if kind is ToolResult:
        fields["parts"] = tuple(part for one in told.get("parts", ()) if (part := _unpacked(one)) is not None)
    if "citations" in fields:
        fields["citations"] = tuple(fields["citations"])
    found: Part = kind(**fields)
    return found


def _placeholder(told: Mapping[str, Any]) -> str:
    name = told.get("name") or told.get("media_type") or told.get("format") or "unnamed"
    return f"[{told['type']} {name}, {told.get('bytes', 0):,} bytes: not kept]"


def _read(part: Mapping[str, Any]) -> str:
    if "sha256" in part:
        return _placeholder(part)
    match part["type"]:
        case "toolcall":
            return f"{part.get('name', '')} {part.get('arguments', '')}"
        case "toolresult":
            return "\n".join(filter(None, (_read(below) for below in part["parts"])))
        case "image" | "document":
            return str(part.get("url", ""))
        case _:
            return str(part.get("text") or part.get("transcript") or "")


def _plain(value: Any) -> Any:
    """Return named tuples as objects, and other tuples as lists; what is not said is left out."""
    if hasattr(value, "_asdict"):
        return {name: _plain(inner) for name, inner in value._asdict().items() if inner not in ("", None, ())}
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _sound(value: Any, redact: Redact, name: str = "") -> Any:
    """Return JSON without secrets, without half characters, and without text that has no end."""
    if isinstance(value, str):
        text = value.encode("utf-8", "replace").decode() if not value.isascii() else value
        if name in EXACT:
            return text
        if len(text) > LONGEST_TEXT:
            text = f"{text[:LONGEST_TEXT]}\n… ({len(text) - LONGEST_TEXT:,} more characters were not kept)"
        return redact(text)
    if isinstance(value, dict):
        return {_sound(key, redact): _sound(inner, redact, key) for key, inner in value.items()}
    return [_sound(inner, redact, name) for inner in value] if isinstance(value, list) else value
