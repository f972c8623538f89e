"""Write a request for Cohere's chat."""

from __future__ import annotations

from collections.abc import Iterator

from mini_llm.dialects import media, results
from mini_llm.dialects.cohere.words import NAME
from mini_llm.dialects.refusing import Refusing
from mini_llm.types import (
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
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)

_refuse = Refusing(NAME, "Cohere's chat")
_PLAIN = {
    "max_tokens": "max_tokens", "temperature": "temperature", "top_p": "p", "top_k": "k", "seed": "seed",
    "presence_penalty": "presence_penalty", "frequency_penalty": "frequency_penalty",
}  # fmt: skip
# `p` goes up to this; callers say 1 for no limit.
LARGEST_P = 0.99
_NOTHING_NEW = frozenset({"store", "stream_options"})


def encode_request(request: ChatRequest) -> Json:
    """Return the body for *request*. Raises TranslationError for what Cohere's chat cannot say."""
    _refuse.fields(request, ("top_logprobs",))
    _refuse.foreign(request, _NOTHING_NEW)
    body: Json = {"model": request.model, "messages": list(_messages(request)), "stream": request.stream}
    body |= {name: value for field, name in _PLAIN.items() if (value := getattr(request, field)) is not None}
    if "p" in body:
        body["p"] = min(body["p"], LARGEST_P)
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if documents := list(_documents(request)):
        body["documents"] = documents
    if request.logprobs:
        body["logprobs"] = True
    if wanted := request.response_format:
        schema = {"json_schema": wanted.schema} if wanted.schema else {}
        body["response_format"] = {"type": "json_object"} | schema
    body |= _tools(request) | _thinking(request.thinking)
    return body if request.dialect not in ("", NAME) else {**body, **request.extra}


def _messages(request: ChatRequest) -> Iterator[Json]:
    thinks = bool(request.thinking) and bool(_thinking(request.thinking).get("thinking", {}).get("type") == "enabled")
    for at, message in enumerate(request.messages):
        path = f"messages[{at}]"
        if message.name:
            raise _refuse.error(f"{path}.name", "turns have no names")
        if message.role == "tool":
            yield from _results(message, path)
        elif message.role == "assistant":
            yield _assistant(message, path, thinks=thinks)
        else:
            role = "user" if message.role == "user" else "system"
            if content := _content(message, path):
                yield {"role": role, "content": content}


def _content(message: Message, path: str) -> str | list[Json]:
    """Return a plain string where one says it all."""
    parts = [part for part in message.parts if not isinstance(part, Document)]  # those stand beside the messages
    if len(parts) == 1 and isinstance(parts[0], Text):
        return parts[0].text
    return [_block(part, f"{path}.content[{at}]") for at, part in enumerate(parts)]


def _block(part: Part, path: str) -> Json:
    match part:
        case Text(text=text) | Refusal(text=text):
            return {"type": "text", "text": text}
        case Image():
            url = part.url or media.data_url(part.media_type or media.picture_type(part.data), part.data)
            detail = {"detail": part.detail} if part.detail else {}
            return {"type": "image_url", "image_url": {"url": url} | detail}
    raise _refuse.part(part, path)


def _documents(request: ChatRequest) -> Iterator[Json]:
    """Yield the documents of the whole conversation: they stand beside it, and are cited."""
    for at, message in enumerate(request.messages):
        for place, part in enumerate(message.parts):
            if isinstance(part, Document):
                path = f"messages[{at}].content[{place}]"
                text = media.text_of(part.data) if part.media_type.startswith("text/") and part.data else None
                if text is None:
                    raise _refuse.error(path, "a document is text here; send what stands in it")
                title = {"title": part.name} if part.name else {}
                yield {"id": f"document_{at}_{place}", "data": {"text": text} | title}


def _assistant(message: Message, path: str, *, thinks: bool) -> Json:
    content: list[Json] = []
    called: list[Json] = []
    for at, part in enumerate(message.parts):
        match part:
            case ToolCall():
                called.append(_call(part, f"{path}.tool_calls[{len(called)}]"))
            case Reasoning(text=text):
                if thinks and text and not (part.signature or part.dialect):
                    content.append({"type": "thinking", "thinking": text})
            case Opaque():
                continue  # what another provider added to its own answer
            case Text(text="") | Refusal(text=""):
                continue  # refused as empty
            case _:
                content.append(_block(part, f"{path}.content[{at}]"))
    written: Json = {"role": "assistant"}
    if called:
        # What was said before a call is the plan for it.
        plan = "".join(block["text"] for block in content if block["type"] == "text")
        content = [block for block in content if block["type"] != "text"]
        written |= {"tool_calls": called} | ({"tool_plan": plan} if plan else {})
    if content or not called:
        plain = len(content) == 1 and content[0]["type"] == "text"
        written["content"] = content[0]["text"] if plain else content or ""
    return written


def _call(call: ToolCall, path: str) -> Json:
    if call.kind == "custom":
        raise _refuse.error(path, "a call of a free-text tool")
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}


def _results(message: Message, path: str) -> Iterator[Json]:
    for part in message.parts:
        if not isinstance(part, ToolResult):
            raise _refuse.error(path, "a message of role tool holds only tool results")
        if (text := results.text_of(part)) is None:
            raise _refuse.error(path, "a tool result can only be text; send the picture or file in a user message")
        yield {"role": "tool", "tool_call_id": part.call_id, "content": text}


def _tools(request: ChatRequest) -> Json:
    if not request.tools:
        return {}
    if request.parallel_tool_calls is False:
        raise _refuse.error("parallel_tool_calls")
    tools = request.tools
    fields: Json = {}
    if choice := request.tool_choice:
        if choice.mode == "tool":  # one that must be called is the only one there is
            tools = tuple(tool for tool in tools if tool.name == choice.name)
            if not tools:
                raise _refuse.error("tool_choice", f"there is no tool {choice.name}")
        if choice.mode != "auto":
            fields["tool_choice"] = "NONE" if choice.mode == "none" else "REQUIRED"
    return {"tools": [_tool(tool, f"tools[{at}]") for at, tool in enumerate(tools)]} | fields


def _tool(tool: Tool, path: str) -> Json:
    if tool.raw is not None and tool.parameters is None:
        raise _refuse.error(path, f"only {tool.dialect} has the tool {tool.name or tool.raw.get('type')}")
    function: Json = {"name": tool.name, "parameters": tool.parameters or {"type": "object", "properties": {}}}
    return {"type": "function", "function": function | ({"description": tool.description} if tool.description else {})}


def _thinking(wanted: Thinking | None) -> Json:
    """Return whether to think, and for how many tokens. Effort alone is left to the model."""
    if wanted is None:
        return {}
    if wanted.enabled is False or wanted.effort == "none":
        return {"thinking": {"type": "disabled"}}
    return {"thinking": {"type": "enabled"} | ({"token_budget": wanted.budget} if wanted.budget else {})}
