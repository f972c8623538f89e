"""Write a messages request for an upstream."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, TypeGuard

from mini_llm.dialects import calls, media
from mini_llm.dialects.anthropic_messages.response import is_source
from mini_llm.dialects.anthropic_messages.schema import closed
from mini_llm.dialects.anthropic_messages.thinking import max_tokens, refuse_beside, thinking_fields, thinks
from mini_llm.dialects.anthropic_messages.words import CANNOT, NAME
from mini_llm.dialects.turns import reminder
from mini_llm.types import (
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
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

# Extra fields of other dialects that are said in words of types.py as well.
_SAID_ELSEWHERE = frozenset({"reasoning", "thinking"})
_IDENTITY = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def encode_request(request: ChatRequest) -> Json:
    """Return the body for *request*. Raises TranslationError for what the messages API cannot say."""
    _refuse(request)
    limit = max_tokens(request)
    leading = next((at for at, message in enumerate(request.messages) if message.role not in _SYSTEM), None)
    head, rest = (request.messages, ()) if leading is None else (request.messages[:leading], request.messages[leading:])
    body: Json = {"model": request.model, "max_tokens": limit}
    if system := _system(head):
        body["system"] = system
    body["messages"] = _messages(rest, len(head), keeps_system=request.dialect == NAME)
    body |= {name: value for name in ("temperature", "top_p", "top_k") if (value := getattr(request, name)) is not None}
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    body |= _tools(request)
    thinking = thinking_fields(request, limit)
    refuse_beside(request, thinking)
    body |= thinking
    if thinks(thinking) and request.dialect != NAME:
        body.pop("top_k", None)  # not beside thinking; Google's clients always send one
    if wanted := request.response_format:
        form = {"type": "json_schema", "schema": _schema(wanted, ours=request.dialect == NAME)}
        body["output_config"] = body.get("output_config", {}) | {"format": form}
    if request.user or request.metadata:
        body["metadata"] = dict(request.metadata) | ({"user_id": request.user} if request.user else {})
    if request.service_tier:
        body["service_tier"] = request.service_tier
    if request.stream:
        body["stream"] = True
    if request.dialect in ("", NAME):
        output = body.get("output_config", {}) | request.extra.get("output_config", {})
        body |= {**request.extra} | ({"output_config": output} if output else {})
    return body


_SYSTEM = ("system", "developer")


def _refuse(request: ChatRequest) -> None:
    """Raise for the first thing in *request* that has no place here."""
    for name in ("presence_penalty", "frequency_penalty", "seed", "logprobs", "top_logprobs"):
        if getattr(request, name) not in (None, 0, 0.0, False):
            raise CANNOT.error(name)
    if (request.n or 1) > 1:
        raise CANNOT.error("n", "one answer a request")
    if (request.temperature or 0) > 1:
        raise CANNOT.error("temperature", "it goes from 0 to 1")
    if request.response_format and request.response_format.kind == "json_object":
        raise CANNOT.error("response_format", "there is no plain JSON mode; give a json_schema")
    if request.dialect in ("", NAME):
        return
    if request.metadata:
        raise CANNOT.error("metadata")
    if request.service_tier not in ("", "auto"):
        raise CANNOT.error("service_tier")
    for name, value in request.extra.items():
        if name not in _SAID_ELSEWHERE and value and (name, value) != ("modalities", ["text"]):
            raise CANNOT.error(name)


def _system(messages: tuple[Message, ...]) -> str | list[Json]:
    """Return what stands before the conversation; as a plain string where that says it all."""
    texts: list[Text] = []
    for at, message in enumerate(messages):
        for part in message.parts:
            if not isinstance(part, Text):
                raise CANNOT.error(f"messages[{at}]", "a system prompt is text")
            texts.append(part)
    if len(texts) == 1 and not texts[0].cache:
        return texts[0].text
    return [_text(part, "") for part in texts if part.text.strip()]


def _messages(messages: tuple[Message, ...], first: int, *, keeps_system: bool) -> list[Json]:
    """Return the turns: one after the other of the same side becomes one, the results of tools first in it."""
    turns: list[Json] = []
    for at, message in enumerate(messages, first):
        path = f"messages[{at}]"
        if message.name:
            raise CANNOT.error(f"{path}.name", "turns have no names")
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message, path)
        fields = {key: value for part in message.parts if _is_fields(part) for key, value in part.raw.items()}
        if message.role in _SYSTEM:
            if keeps_system:
                turns.append({"role": "system", "content": blocks} | fields)
                continue
            blocks = [_reminder(block) for block in blocks]
        if not blocks and not fields:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1] |= fields | {"content": _results_first(turns[-1]["content"] + blocks)}
        else:
            turns.append({"role": role, "content": blocks} | fields)
    _end_without_space(turns)
    return turns


def _is_fields(part: Part) -> TypeGuard[Opaque]:
    """Whether *part* holds fields of the message itself."""
    return isinstance(part, Opaque) and part.dialect == NAME and "type" not in part.raw


def _reminder(block: Json) -> Json:
    return block | {"text": reminder(block.get("text", ""))}


def _results_first(blocks: list[Json]) -> list[Json]:
    results = [block for block in blocks if block["type"] == "tool_result"]
    return [*results, *(block for block in blocks if block["type"] != "tool_result")] if results else blocks


def _end_without_space(turns: list[Json]) -> None:
    """Strip the space after an answer that is to be continued: it would be refused."""
    if turns and turns[-1]["role"] == "assistant" and turns[-1]["content"]:
        last = turns[-1]["content"][-1]
        if last["type"] == "text":
            last["text"] = last["text"].rstrip()


def _blocks(message: Message, path: str) -> list[Json]:
    blocks = []
    for at, part in enumerate(message.parts):
        if isinstance(part, Text) and not part.text.strip():
            continue  # refused as empty
        if isinstance(part, Reasoning) and part.dialect != NAME:
            continue  # only thoughts that Anthropic signed are taken back
        if isinstance(part, Opaque) and (_is_fields(part) or (part.dialect != NAME and message.role == "assistant")):
            continue  # what another provider added to its own answer
        blocks.append(_block(part, f"{path}.content[{at}]"))
    return blocks


def _block(part: Part, path: str) -> Json:
    writer = _WRITERS.get(type(part))
    if writer is None:
        raise CANNOT.error(path, f"{type(part).__name__} has no place here")
    block = writer(part, path)
    if mark := getattr(part, "cache", None):
        block["cache_control"] = _mark(mark)
    return block


def _text(part: Text, path: str) -> Json:
    block: Json = {"type": "text", "text": part.text}
    if part.cache:
        block["cache_control"] = _mark(part.cache)
    citations = [citation for citation in part.citations if is_source(citation)]
    return block | ({"citations": citations} if citations else {})


def _image(part: Image, path: str) -> Json:
    source = {"type": "url", "url": part.url}
    if not part.url:
        source = {"type": "base64", "media_type": part.media_type or media.picture_type(part.data), "data": part.data}
    return {"type": "image", "source": source}


def _document(part: Document, path: str) -> Json:
    title = {"title": part.name} if part.name else {}
    if part.url:
        return {"type": "document", "source": {"type": "url", "url": part.url}} | title
    if part.file_id:
        return {"type": "document", "source": {"type": "file", "file_id": part.file_id}} | title
    if part.media_type.startswith("text/"):
        if (text := media.text_of(part.data)) is None:
            raise CANNOT.error(path, "the document is not UTF-8 text")
        return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}} | title
    source = {"type": "base64", "media_type": part.media_type or "application/pdf", "data": part.data}
    return {"type": "document", "source": source} | title


def _tool_use(part: ToolCall, path: str) -> Json:
    if part.kind == "custom":
        raise CANNOT.error(path, "a call of a free-text tool")
    return {"type": "tool_use", "id": _identity(part.id), "name": part.name, "input": calls.object_of(part.arguments)}


def _tool_result(part: ToolResult, path: str) -> Json:
    block: Json = {"type": "tool_result", "tool_use_id": _identity(part.call_id)}
    parts = [inner for inner in part.parts if not (isinstance(inner, Text) and not inner.text.strip())]
    if len(parts) == 1 and isinstance(only := parts[0], Text) and not only.cache and not only.citations:
        block["content"] = only.text
    elif parts:
        block["content"] = [_block(inner, f"{path}.content[{at}]") for at, inner in enumerate(parts)]
    return block | ({"is_error": True} if part.is_error else {})


def _thought(part: Reasoning, path: str) -> Json:
    if part.redacted:
        return {"type": "redacted_thinking", "data": part.redacted}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _refusal(part: Refusal, path: str) -> Json:
    return {"type": "text", "text": part.text}


def _opaque(part: Opaque, path: str) -> Json:
    if part.dialect != NAME:
        raise CANNOT.error(path, f"only {part.dialect} understands a {part.raw.get('type', 'block')}")
    return dict(part.raw)


_WRITERS: dict[type[Part], Callable[[Any, str], Json]] = {
    Text: _text, Image: _image, Document: _document, ToolCall: _tool_use, ToolResult: _tool_result,
    Reasoning: _thought, Refusal: _refusal, Opaque: _opaque,
}  # fmt: skip


def _identity(call_id: str) -> str:
    """Return an id that is taken: others (Kimi's `functions.add:0`) get one made from them, always the same."""
    if _IDENTITY.fullmatch(call_id):
        return call_id
    return "call_" + hashlib.blake2b(call_id.encode(), digest_size=12).hexdigest()


def _tools(request: ChatRequest) -> Json:
    if not request.tools:
        return {}
    ours = request.dialect == NAME
    fields: Json = {"tools": [_tool(tool, f"tools[{at}]", ours=ours) for at, tool in enumerate(request.tools)]}
    choice: Json | None = None
    if wanted := request.tool_choice:
        choice = {"type": {"auto": "auto", "none": "none", "required": "any", "tool": "tool"}[wanted.mode]}
        if wanted.mode == "tool":
            choice["name"] = wanted.name
    if request.parallel_tool_calls is False and (choice is None or choice["type"] != "none"):
        choice = (choice or {"type": "auto"}) | {"disable_parallel_tool_use": True}
    return fields | ({"tool_choice": choice} if choice else {})


def _tool(tool: Tool, path: str, *, ours: bool) -> Json:
    if tool.raw is not None and tool.parameters is None:
        if tool.dialect != NAME:
            raise CANNOT.error(path, f"only {tool.dialect} has the tool {tool.name or tool.raw.get('type')}")
        return tool.raw
    written: Json = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    schema = {"type": "object", "properties": {}} | (tool.parameters or {})
    written["input_schema"] = closed(schema, f"{path}.parameters") if tool.strict and not ours else schema
    if tool.strict is not None:
        written["strict"] = tool.strict
    if tool.cache:
        written["cache_control"] = _mark(tool.cache)
    return written | (tool.raw or {} if tool.dialect == NAME else {})


def _schema(wanted: ResponseFormat, *, ours: bool) -> Json:
    schema = wanted.schema or {}
    if ours:
        return schema
    told = {"description": wanted.description} if wanted.description else {}
    return closed(told | schema, "response_format.json_schema.schema")


def _mark(mark: CacheMark) -> Json:
    return {"type": "ephemeral", "ttl": mark.ttl} if mark.ttl else {"type": "ephemeral"}
