"""Write what a turn holds: words, pictures, files, calls and their results."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from mini_llm.dialects import calls, media, turns
from mini_llm.dialects.bedrock_converse.words import NAME, SIGNER
from mini_llm.dialects.refusing import Refusing
from mini_llm.types import (
    Audio,
    CacheMark,
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

refuse = Refusing(NAME, "Bedrock's Converse")
SYSTEM = ("system", "developer")
_IDENTITY = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_PICTURES = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_FILES = {
    "application/pdf": "pdf", "text/csv": "csv", "text/html": "html", "text/markdown": "md",
    "application/msword": "doc", "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}  # fmt: skip
# A file's name may hold nothing else.
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html (2026-11)
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9\-()\[\] ]+|\s{2,}")
_TOOL_PARTS = (Text, Image, Document)


def messages(request: ChatRequest, first: int) -> list[Json]:
    """Return the turns from the message *first* on: one after the other of the same side becomes one."""
    written: list[Json] = []
    names: set[str] = set()
    for at, message in enumerate(request.messages[first:], first):
        path = f"messages[{at}]"
        if message.name:
            raise refuse.error(f"{path}.name", "turns have no names")
        role = "assistant" if message.role == "assistant" else "user"
        blocks = list(_blocks(message, path, names))
        if not blocks:
            continue
        if written and written[-1]["role"] == role:
            written[-1]["content"] = _results_first(written[-1]["content"] + blocks)
        else:
            written.append({"role": role, "content": blocks})
    _end_without_space(written)
    return written


def cache_point(mark: CacheMark) -> Json:
    """Return the block up to which the prompt is kept."""
    return {"cachePoint": {"type": "default"} | ({"ttl": mark.ttl} if mark.ttl else {})}


def _results_first(blocks: list[Json]) -> list[Json]:
    results = [block for block in blocks if "toolResult" in block]
    return [*results, *(block for block in blocks if "toolResult" not in block)] if results else blocks


def _end_without_space(written: list[Json]) -> None:
    """Strip the space after an answer that is to be continued: it would be refused."""
    if written and written[-1]["role"] == "assistant" and "text" in (last := written[-1]["content"][-1]):
        last["text"] = last["text"].rstrip()


def _blocks(message: Message, path: str, names: set[str]) -> Iterator[Json]:
    for at, part in enumerate(message.parts):
        if isinstance(part, Text) and message.role in SYSTEM and part.text.strip():
            yield {"text": turns.reminder(part.text)}
            continue
        if isinstance(part, (Text, Refusal)) and not part.text.strip():
            continue  # refused as empty
        if isinstance(part, Reasoning) and part.dialect not in (NAME, SIGNER):
            continue  # only signed thoughts are taken back
        if isinstance(part, Opaque) and part.dialect != NAME and message.role == "assistant":
            continue  # what another provider added to its own answer
        yield _block(part, f"{path}.content[{at}]", names)
        if mark := getattr(part, "cache", None):
            yield cache_point(mark)


def _block(part: Part, path: str, names: set[str]) -> Json:
    match part:
        case Text(text=text) | Refusal(text=text):
            return {"text": text}
        case Image():
            return {"image": _picture(part, path)}
        case Document():
            return {"document": _file(part, path, names)}
        case Audio(data=data, format=form) if data:
            return {"audio": {"format": form or "wav", "source": {"bytes": data}}}
        case ToolCall():
            return {"toolUse": _call(part, path)}
        case ToolResult():
            return {"toolResult": _result(part, path, names)}
        case Reasoning():
            return {"reasoningContent": _thought(part)}
        case Opaque(dialect="bedrock_converse", raw=raw):
            return dict(raw)
    raise refuse.part(part, path)


def _picture(part: Image, path: str) -> Json:
    if not part.data:
        raise refuse.error(path, "a picture by URL is not fetched there; send it as base64")
    kind = part.media_type or media.picture_type(part.data)
    if kind not in _PICTURES:
        raise refuse.error(path, f"{kind} is no form of picture that is taken")
    return {"format": _PICTURES[kind], "source": {"bytes": part.data}}


def _file(part: Document, path: str, names: set[str]) -> Json:
    if not part.data:
        raise refuse.error(path, "a file by URL or id is not fetched there; send it as base64")
    kind = part.media_type or "application/pdf"
    if kind not in _FILES and not kind.startswith("text/"):
        raise refuse.error(path, f"{kind} is no form of file that is taken")
    stem = part.name.rpartition(".")[0] or part.name
    base = name = _NOT_IN_NAMES.sub("-", stem).strip()[:190] or "document"
    while name in names:  # two of the same name are refused
        name = f"{base}-{len(names)}"
        names.add(base)
    names.add(name)
    return {"format": _FILES.get(kind, "txt"), "name": name, "source": {"bytes": part.data}}


def _call(call: ToolCall, path: str) -> Json:
    if call.kind == "custom":
        raise refuse.error(path, "a call of a free-text tool")
    return {"toolUseId": _identity(call.id), "name": call.name, "input": calls.object_of(call.arguments)}


def _result(result: ToolResult, path: str, names: set[str]) -> Json:
    content = []
    for at, part in enumerate(result.parts):
        if not isinstance(part, _TOOL_PARTS):
            raise refuse.part(part, f"{path}.content[{at}]")
        if not (isinstance(part, Text) and not part.text.strip()):
            content.append(_block(part, f"{path}.content[{at}]", names))
    written: Json = {"toolUseId": _identity(result.call_id), "content": content}
    return written | ({"status": "error"} if result.is_error else {})


def _identity(call_id: str) -> str:
    """Return an id that is taken: others get one made from them, always the same."""
    if _IDENTITY.fullmatch(call_id):
        return call_id
    return "call_" + hashlib.blake2b(call_id.encode("utf-8", "replace"), digest_size=12).hexdigest()


def _thought(part: Reasoning) -> Json:
    if part.redacted and part.dialect == NAME:
        return {"redactedContent": part.redacted}
    if part.redacted:
        return {"redactedContent": media.base64_of(part.redacted)}
    return {"reasoningText": {"text": part.text} | ({"signature": part.signature} if part.signature else {})}
