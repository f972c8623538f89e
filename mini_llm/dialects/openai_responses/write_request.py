"""Write a Responses request for an upstream."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from mini_llm.dialects import media
from mini_llm.dialects.openai_responses.words import ENCRYPTED, LOGPROBS, NAME
from mini_llm.dialects.openai_responses.write_items import is_content, is_fields, items_of, picture_data
from mini_llm.dialects.refusing import Refusing
from mini_llm.types import (
    NOTHING,
    Audio,
    ChatRequest,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)

CHAT = "openai_chat"
# Extra fields of chat completions that are called the same here.
_SHARED = ("store", "prompt_cache_key", "prompt_cache_retention", "safety_identifier")
_PLAIN = ("temperature", "top_p", "top_logprobs", "parallel_tool_calls")
# Models that think, and refuse neither to tell it encrypted nor to be asked for it.
_THINKS = re.compile(r"(?:^|/|\.)(?:o\d|gpt-[5-9](?!.*-chat)|codex|grok-[4-9](?!.*non-reasoning))")
LONGEST_USER = 64
_EFFORT_BUDGETS = ((4_096, "low"), (16_384, "medium"))
# Words for a summary, the last of them Anthropic's.
_SUMMARIES = {"auto": "auto", "concise": "concise", "detailed": "detailed", "summarized": "auto"}
_REFUSING = Refusing(NAME, "OpenAI responses")


def encode_request(request: ChatRequest) -> Json:
    """Return the body for *request*. Raises TranslationError for what the Responses API cannot say."""
    ours = request.dialect == NAME
    _refuse(request)
    leading = _leading(request.messages, ours=ours)
    body: Json = {"model": request.model}
    if leading:
        body["instructions"] = "\n\n".join(part.text for message in leading for part in message.parts)  # type: ignore[union-attr]  # all are Text
    body["input"] = list(_items(request.messages, len(leading), marks=ours))
    if request.max_tokens is not None:
        body["max_output_tokens"] = request.max_tokens
    body |= {name: value for name in _PLAIN if (value := getattr(request, name)) is not None}
    body |= _tools(request) | _text_field(request) | _reasoning(request)
    if request.user:
        body["user"] = request.user if request.dialect in ("", NAME, CHAT) else _short(request.user)
    if request.metadata:
        body["metadata"] = dict(request.metadata)
    if request.service_tier:
        body["service_tier"] = request.service_tier
    if request.stream:
        body["stream"] = True
    return body | _kept(request)


def _refuse(request: ChatRequest) -> None:
    """Raise for the first thing in *request* that has no place here."""
    _REFUSING.fields(request, ("top_k", "presence_penalty", "frequency_penalty", "seed", "stop"))
    if request.dialect == CHAT:
        request = request._replace(metadata=NOTHING, service_tier="")  # the same there
    _REFUSING.foreign(request, (*_SHARED, "verbosity"))


def _kept(request: ChatRequest) -> Json:
    """Return the fields without words, and what makes the answers of others' callers stateless, as they expect."""
    if request.dialect == NAME:
        extra = {name: value for name, value in request.extra.items() if name not in ("text", "verbosity", "reasoning")}
        if request.logprobs and LOGPROBS not in (include := extra.get("include") or []):
            extra["include"] = [*include, LOGPROBS]
        return extra
    body: Json = {"store": False}
    include = [LOGPROBS] if request.logprobs else []
    thinking = request.thinking
    if _THINKS.search(request.model) or (thinking and thinking.effort not in (None, "none")):
        include.append(ENCRYPTED)
    if include:
        body["include"] = include
    if request.dialect in ("", CHAT):
        body |= {name: value for name in _SHARED if (value := request.extra.get(name)) is not None}
    return body


def _leading(messages: tuple[Message, ...], *, ours: bool) -> tuple[Message, ...]:
    """Return the system messages before the conversation that plain instructions can say."""
    most = 1 if ours else len(messages)
    count = 0
    for message in messages[:most]:
        if message.role != "system" or not message.parts or not all(isinstance(part, Text) for part in message.parts):
            break
        if ours and (len(message.parts) > 1 or getattr(message.parts[0], "cache", None)):
            break
        count += 1
    return messages[:count] if count < len(messages) or ours else ()


def _items(messages: tuple[Message, ...], first: int, *, marks: bool) -> Iterator[Json]:
    custom = {
        part.id for turn in messages for part in turn.parts if isinstance(part, ToolCall) and part.kind == "custom"
    }  # fmt: skip
    for at, message in enumerate(messages[first:], first):
        path = f"messages[{at}]"
        if message.name:
            raise _REFUSING.error(f"{path}.name", "turns have no names")
        if message.role == "tool":
            for part in message.parts:
                if not isinstance(part, ToolResult):
                    raise _REFUSING.error(path, "a message of role tool holds only tool results")
                yield _result(part, path, marks=marks, custom=part.call_id in custom)
        elif message.role == "assistant":
            yield from _assistant(message, path)
        else:
            yield from _plain(message, path, marks=marks)


def _assistant(message: Message, path: str) -> Iterator[Json]:
    for part in message.parts:
        if isinstance(part, (Document, ToolResult)) or (isinstance(part, Audio) and not part.transcript):
            raise _REFUSING.error(path, f"an assistant's message holds no {type(part).__name__}")
        if isinstance(part, Image) and not part.data:
            raise _REFUSING.error(path, "a picture the model made must come with its data")
    for item in items_of((part for part in message.parts if part != Text("")), answer=False):
        if item["type"] == "function_call" and not item["arguments"]:
            item["arguments"] = "{}"
        yield item


def _plain(message: Message, path: str, *, marks: bool) -> Iterator[Json]:
    """Yield a turn of the caller, and the items in it that only this dialect knows."""
    content: list[Json] = []
    fields: Json = {}
    for at, part in enumerate(message.parts):
        if is_fields(part):
            fields |= part.raw
        elif isinstance(part, Opaque) and part.dialect == NAME and not is_content(part):
            yield part.raw
        else:
            content.append(_part(part, f"{path}.content[{at}]", marks=marks))
    if content or fields or not message.parts:
        yield {"type": "message", "role": message.role, "content": content} | fields


def _part(part: Part, path: str, *, marks: bool) -> Json:
    writer = _WRITERS.get(type(part))
    if writer is None:
        raise _REFUSING.error(path, f"{type(part).__name__} has no place here")
    item = writer(part, path)
    if marks and getattr(part, "cache", None):
        item["prompt_cache_breakpoint"] = {"mode": "explicit"}
    return item


def _text(part: Text, path: str) -> Json:
    return {"type": "input_text", "text": part.text}


def _image(part: Image, path: str) -> Json:
    return {"type": "input_image", "image_url": picture_data(part)} | ({"detail": part.detail} if part.detail else {})


def _document(part: Document, path: str) -> Json:
    name = {"filename": part.name} if part.name else {}
    if part.url:
        return {"type": "input_file", "file_url": part.url} | name
    if part.file_id:
        return {"type": "input_file", "file_id": part.file_id} | name
    kind = part.media_type or "application/pdf"
    made_up = "document.txt" if kind.startswith("text/") else "document.pdf"  # required beside file_data
    return {"type": "input_file", "filename": part.name or made_up, "file_data": media.data_url(kind, part.data)}


def _audio(part: Audio, path: str) -> Json:
    return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format or "wav"}}


def _refusal(part: Refusal, path: str) -> Json:
    return {"type": "input_text", "text": part.text}


def _opaque(part: Opaque, path: str) -> Json:
    if part.dialect != NAME:
        raise _REFUSING.error(path, f"only {part.dialect} understands a {part.raw.get('type', 'block')}")
    return dict(part.raw)


_WRITERS: dict[type[Part], Callable[[Any, str], Json]] = {
    Text: _text, Image: _image, Document: _document, Audio: _audio, Refusal: _refusal, Opaque: _opaque,
}  # fmt: skip


def _result(result: ToolResult, path: str, *, marks: bool, custom: bool) -> Json:
    parts = result.parts
    if result.is_error and not (parts and isinstance(parts[0], Text) and parts[0].text.lower().startswith("error")):
        # There is no flag for it, and the model should know.
        only_text = len(parts) == 1 and isinstance(parts[0], Text)
        parts = (Text(f"Error: {parts[0].text}"),) if only_text else (Text("Error:"), *parts)  # type: ignore[union-attr]  # it is Text
    output: str | list[Json]
    if not parts:
        output = ""
    elif len(parts) == 1 and isinstance(only := parts[0], Text) and not (marks and only.cache):
        output = only.text
    else:
        output = [_part(part, f"{path}.content[{at}]", marks=marks) for at, part in enumerate(parts)]
    kind = "custom_tool_call_output" if custom else "function_call_output"
    return {"type": kind, "call_id": result.call_id, "output": output}


def _tools(request: ChatRequest) -> Json:
    """Return the fields about tools. Without any, the choice and the switch for parallel calls would be refused."""
    fields: Json = {}
    if request.tools:
        ours = request.dialect == NAME
        fields["tools"] = [_tool(tool, f"tools[{at}]", ours=ours) for at, tool in enumerate(request.tools)]
    if choice := request.tool_choice:
        fields["tool_choice"] = choice.mode
        if choice.mode == "tool":
            custom = any(tool.name == choice.name and _is_custom(tool) for tool in request.tools)
            fields["tool_choice"] = {"type": "custom" if custom else "function", "name": choice.name}
    return fields if request.tools or request.dialect == NAME else {}


def _is_custom(tool: Tool) -> bool:
    return tool.parameters is None and (tool.raw or {}).get("type") == "custom"


def _tool(tool: Tool, path: str, *, ours: bool) -> Json:
    if tool.raw is not None and tool.parameters is None:
        if tool.dialect == CHAT and _is_custom(tool):
            return _custom(tool.raw.get("custom") or {})
        if tool.dialect != NAME:
            raise _REFUSING.error(path, f"only {tool.dialect} has the tool {tool.name or tool.raw.get('type')}")
        return tool.raw
    written: Json = {"type": "function", "name": tool.name}
    if tool.description:
        written["description"] = tool.description
    written["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    # Left out it means true here, and the schema would be changed; everywhere else it means false.
    if tool.strict is not None or not ours:
        written["strict"] = bool(tool.strict)
    return written | (tool.raw or {} if tool.dialect == NAME else {})


def _custom(custom: Json) -> Json:
    """Return a free-text tool of chat completions in its flat form."""
    form = custom.get("format")
    if isinstance(form, dict) and isinstance(form.get("grammar"), dict):
        form = {"type": "grammar", **form["grammar"]}
    return {"type": "custom", **custom} | ({"format": form} if form else {})


def _text_field(request: ChatRequest) -> Json:
    text: Json = dict(request.extra.get("text") or {}) if request.dialect == NAME else {}
    if wanted := request.response_format:
        form: Json = {"type": wanted.kind}
        if wanted.kind == "json_schema":
            form |= {"name": wanted.name or "answer", "schema": wanted.schema or {}}
            form |= {"description": wanted.description} if wanted.description else {}
            form |= {"strict": wanted.strict} if wanted.strict is not None else {}
        text["format"] = form
    if request.dialect in ("", NAME, CHAT) and (verbosity := request.extra.get("verbosity")):
        text["verbosity"] = verbosity
    return {"text": text} if text else {}


def _reasoning(request: ChatRequest) -> Json:
    ours = request.dialect == NAME
    fields: Json = dict(request.extra.get("reasoning") or {}) if ours else {}
    if wanted := request.thinking:
        if effort := _effort(wanted):
            fields["effort"] = "xhigh" if effort == "max" and not ours else effort
        if summary := wanted.summary if ours else _SUMMARIES.get(wanted.summary):
            fields["summary"] = summary
    return {"reasoning": fields} if fields else {}


def _effort(thinking: Thinking) -> str:
    """Return the effort asked for. On or off alone is left to the model: there is no word that all of them take."""
    if thinking.effort or thinking.budget is None or thinking.enabled is False:
        return thinking.effort or ""
    return next((effort for limit, effort in _EFFORT_BUDGETS if thinking.budget <= limit), "high")


def _short(user: str) -> str:
    return (
        user
        if len(user) <= LONGEST_USER
        else hashlib.blake2b(user.encode("utf-8", "replace"), digest_size=32).hexdigest()
    )
