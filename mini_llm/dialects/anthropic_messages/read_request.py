"""Read a caller's messages request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mini_llm.dialects import calls
from mini_llm.dialects.anthropic_messages.words import EFFORTS, NAME
from mini_llm.dialects.fields import Fields
from mini_llm.dialects.media import base64_of
from mini_llm.dialects.turns import split_results
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
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)


def decode_request(body: Json) -> ChatRequest:
    """Read *body*. Raises UsageError that names the field which is wrong."""
    fields = Fields(body)
    output = fields.inner("output_config")
    metadata = fields.inner("metadata")
    choice = fields.inner("tool_choice")
    alone = choice.flag("disable_parallel_tool_use") if choice else None
    return ChatRequest(
        model=fields.text("model"),
        messages=(*_system(fields), *_messages(fields)),
        stream=bool(fields.flag("stream")),
        include_usage=True,  # this dialect always tells it
        max_tokens=fields.whole("max_tokens"),
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        top_k=fields.whole("top_k"),
        stop=fields.texts("stop_sequences"),
        tools=tuple(map(_tool, fields.each("tools"))),
        tool_choice=_tool_choice(choice),
        parallel_tool_calls=False if alone else None,
        response_format=_response_format(output, fields),
        thinking=_thinking(fields.inner("thinking"), output),
        user=metadata.text("user_id") if metadata else "",
        metadata=metadata.rest() if metadata else {},
        service_tier=fields.text("service_tier"),
        dialect=NAME,
        extra=fields.rest() | ({"output_config": rest} if output and (rest := output.rest()) else {}),
    )


def _system(fields: Fields) -> tuple[Message, ...]:
    system = fields.get("system")
    if isinstance(system, str):
        return (Message("system", (Text(system),)),) if system else ()
    parts = tuple(map(_part, fields.each("system")))
    return (Message("system", parts),) if parts else ()


def _messages(fields: Fields) -> list[Message]:
    if not isinstance(fields.get("messages"), list):
        raise fields.wrong("messages", "a list")
    messages: list[Message] = []
    for item in fields.each("messages"):
        role = item.text("role")
        parts = _content(item, "content")
        if rest := item.rest():
            parts = (*parts, Opaque(NAME, rest))
        if role == "user":
            messages += split_results(parts)
        elif role == "assistant":
            before = messages.pop().parts if messages and messages[-1].role == role else ()  # they are one turn here
            messages.append(Message("assistant", (*before, *parts)))
        elif role == "system":  # Claude Code sends such in the middle of a conversation
            messages.append(Message("system", parts))
        else:
            raise item.wrong("role", "user or assistant")
    return messages


def _content(item: Fields, name: str, *, inside_result: bool = False) -> tuple[Part, ...]:
    content = item.get(name)
    if isinstance(content, str):
        return (Text(content),) if content else ()
    blocks = item.each(name)
    if inside_result and any(block.raw.get("type") == "tool_result" for block in blocks):
        raise item.wrong(name, "blocks other than tool results")
    return tuple(map(_part, blocks))


def _part(block: Fields) -> Part:
    kind = block.needed("type")
    return _PARTS[kind](block) if kind in _PARTS else Opaque(NAME, block.raw)


def _text(block: Fields) -> Part:
    citations = tuple(citation.raw for citation in block.each("citations"))
    return Text(block.text("text"), cache=_mark(block), citations=citations)


def _image(block: Fields) -> Part:
    source = block.inner("source")
    kind = source.text("type") if source else ""
    if source and kind == "base64":
        return Image(data=source.needed("data"), media_type=source.text("media_type"), cache=_mark(block))
    if source and kind == "url":
        return Image(url=source.needed("url"), cache=_mark(block))
    return Opaque(NAME, block.raw)


def _document(block: Fields) -> Part:
    source = block.inner("source")
    name, mark = block.text("title"), _mark(block)
    kind = source.text("type") if source and not block.rest() else ""  # with citations or context: kept as it is
    if source and kind == "base64":
        return Document(data=source.needed("data"), media_type=source.text("media_type"), name=name, cache=mark)
    if source and kind == "text":
        data = base64_of(source.text("data"))
        return Document(data=data, media_type=source.text("media_type") or "text/plain", name=name, cache=mark)
    if source and kind == "url":
        return Document(url=source.needed("url"), name=name, cache=mark)
    if source and kind == "file":
        return Document(file_id=source.needed("file_id"), name=name, cache=mark)
    return Opaque(NAME, block.raw)


def _tool_use(block: Fields) -> Part:
    given = block.json("input") or {}
    malformed = calls.malformed(given)
    arguments = block.json_text("input") if malformed is None else malformed
    return ToolCall(block.needed("id"), block.needed("name"), arguments, cache=_mark(block))


def _tool_result(block: Fields) -> Part:
    parts = _content(block, "content", inside_result=True)
    failed = bool(block.flag("is_error"))
    return ToolResult(block.needed("tool_use_id"), parts, is_error=failed, cache=_mark(block))


def _thought(block: Fields) -> Part:
    signature = block.text("signature")
    return Reasoning(block.text("thinking"), signature=signature, dialect=NAME if signature else "")


def _hidden_thought(block: Fields) -> Part:
    return Reasoning(redacted=block.text("data"), dialect=NAME)


_PARTS: dict[str, Callable[[Fields], Part]] = {
    "text": _text, "image": _image, "document": _document, "tool_use": _tool_use, "tool_result": _tool_result,
    "thinking": _thought, "redacted_thinking": _hidden_thought,
}  # fmt: skip


def _mark(block: Fields) -> CacheMark | None:
    mark = block.inner("cache_control")
    return CacheMark(mark.text("ttl")) if mark else None


def _tool(item: Fields) -> Tool:
    if item.text("type") not in ("", "custom") or item.raw.get("input_schema") is None:
        return Tool(item.text("name"), dialect=NAME, raw=item.raw)  # one that runs at the provider
    tool = Tool(
        name=item.needed("name"),
        description=item.text("description"),
        parameters=item.json("input_schema"),
        strict=item.flag("strict"),
        cache=_mark(item),
    )
    rest: dict[str, Any] = item.rest()  # `defer_loading` and its like only tune how the tool is offered
    if not rest:
        return tool
    return Tool(tool.name, tool.description, tool.parameters, tool.strict, tool.cache, dialect=NAME, raw=rest)


def _tool_choice(choice: Fields | None) -> ToolChoice | None:
    match choice.text("type") if choice else None:
        case None:
            return None
        case "auto":
            return ToolChoice("auto")
        case "any":
            return ToolChoice("required")
        case "none":
            return ToolChoice("none")
        case "tool" if choice:
            return ToolChoice("tool", choice.needed("name"))
    assert choice is not None
    raise choice.wrong("type", "auto, any, none or tool")


def _response_format(output: Fields | None, fields: Fields) -> ResponseFormat | None:
    """Read `output_config.format`, or the `output_format` it was called while it was in beta."""
    form = output.inner("format") if output else None
    form = form or fields.inner("output_format")
    if form is None:
        return None
    if form.text("type") != "json_schema":
        raise form.wrong("type", "json_schema")
    return ResponseFormat("json_schema", form.json("schema"))


def _thinking(thinking: Fields | None, output: Fields | None) -> Thinking | None:
    effort = output.text("effort") if output else ""
    if output and effort and effort not in EFFORTS:
        raise output.wrong("effort", f"one of {', '.join(EFFORTS)}")
    if thinking is None:
        return Thinking(effort=EFFORTS[effort]) if effort else None
    kind = thinking.text("type")
    if kind not in ("enabled", "adaptive", "disabled"):
        raise thinking.wrong("type", "enabled, adaptive or disabled")
    budget = thinking.whole("budget_tokens") if kind == "enabled" else None
    return Thinking(kind != "disabled", EFFORTS.get(effort), budget, summary=thinking.text("display"))
