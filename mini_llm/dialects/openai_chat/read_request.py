"""Read a caller's chat-completions request."""

from __future__ import annotations

from collections.abc import Callable

from mini_llm.dialects.fields import Fields
from mini_llm.dialects.media import split_data_url
from mini_llm.dialects.openai_chat.reasoning import reasoning_parts
from mini_llm.types import (
    Audio,
    CacheMark,
    ChatRequest,
    Document,
    Effort,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Refusal,
    ResponseFormat,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

NAME = "openai_chat"
EFFORTS: dict[str, Effort] = {
    "none": "none", "minimal": "minimal", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh",
    "max": "max",
}  # fmt: skip
ROLES: dict[str, Role] = {"system": "system", "developer": "developer", "user": "user", "assistant": "assistant"}
# What answers carry and callers send back with them, which says nothing to any model.
_ECHOES = ("annotations", "parsed", "index", "provider_metadata", "channel")


def decode_request(body: Json) -> ChatRequest:
    """Read *body*. Raises UsageError that names the field which is wrong."""
    fields = Fields(body)
    options = fields.inner("stream_options")
    limit = fields.whole("max_completion_tokens")
    older_limit = fields.whole("max_tokens")
    seed, mistral_seed = fields.whole("seed"), fields.whole("random_seed")
    return ChatRequest(
        model=fields.text("model"),
        messages=_messages(fields),
        stream=bool(fields.flag("stream")),
        include_usage=bool(options and options.flag("include_usage")),
        max_tokens=older_limit if limit is None else limit,
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        top_k=fields.whole("top_k"),
        stop=fields.texts("stop"),
        presence_penalty=fields.number("presence_penalty"),
        frequency_penalty=fields.number("frequency_penalty"),
        seed=mistral_seed if seed is None else seed,
        n=fields.whole("n"),
        logprobs=fields.flag("logprobs"),
        top_logprobs=fields.whole("top_logprobs"),
        tools=(*map(_tool, fields.each("tools")), *map(_legacy_tool, fields.each("functions"))),
        tool_choice=_tool_choice(fields),
        parallel_tool_calls=fields.flag("parallel_tool_calls"),
        response_format=_response_format(fields),
        thinking=_thinking(fields),
        user=fields.text("user"),
        metadata=fields.json("metadata") or {},
        service_tier=fields.text("service_tier"),
        dialect=NAME,
        extra=fields.rest(),
    )


def _messages(fields: Fields) -> tuple[Message, ...]:
    if not isinstance(fields.get("messages"), list):
        raise fields.wrong("messages", "a list")
    messages: list[Message] = []
    called: dict[str, str] = {}  # the made-up ids of calls from before calls had ids, by function name
    for at, item in enumerate(fields.each("messages")):
        role = item.text("role")
        if role in ("tool", "function"):
            result = _tool_result(item, called if role == "function" else {})
            if messages and messages[-1].role == "tool":
                messages[-1] = Message("tool", (*messages[-1].parts, result))
            else:
                messages.append(Message("tool", (result,)))
        elif role == "assistant":
            messages.append(_assistant(item, f"call_{at}", called))
        elif role in ROLES:
            messages.append(_plain(item, ROLES[role]))
        else:
            raise item.wrong("role", "system, developer, user, assistant or tool")
    return tuple(messages)


def _plain(item: Fields, role: Role) -> Message:
    parts = _marked(_parts(item), item)
    name = item.text("name")
    rest = item.rest()
    return Message(role, (*parts, Opaque(NAME, rest)) if rest else parts, name)


def _assistant(item: Fields, made_up: str, called: dict[str, str]) -> Message:
    parts: list[Part] = [*reasoning_parts(item.raw), *_parts(item)]
    for name in ("reasoning", "reasoning_content", "reasoning_details", "thinking", *_ECHOES):
        item.get(name)
    if refusal := item.text("refusal"):
        parts.append(Refusal(refusal))
    if audio := item.inner("audio"):
        parts.append(Audio(id=audio.text("id"), transcript=audio.text("transcript")))
    parts += map(_tool_call, item.each("tool_calls"))
    function = item.inner("function_call")
    if function and (name := function.text("name")):
        called[name] = made_up
        parts.append(ToolCall(made_up, name, _arguments(function)))
    marked = _marked(tuple(parts), item)
    message_name = item.text("name")
    rest = {key: value for key, value in item.rest().items() if value not in ("", [], {})}
    return Message("assistant", (*marked, Opaque(NAME, rest)) if rest else marked, message_name)


def _tool_result(item: Fields, called: dict[str, str]) -> ToolResult:
    name = item.text("name")
    call_id = item.text("tool_call_id") or called.get(name, "")
    if not call_id:
        raise item.wrong("tool_call_id", "the id of the call this is the result of")
    mark = item.inner("cache_control")
    return ToolResult(call_id, _parts(item), name=name, cache=_cache_mark(mark))


def _tool_call(item: Fields) -> ToolCall:
    extra = item.inner("extra_content")
    google = extra.inner("google") if extra else None
    signature = google.text("thought_signature") if google else ""
    mark = _cache_mark(item.inner("cache_control"))
    if (custom := item.inner("custom")) and item.text("type") == "custom":
        return ToolCall(item.text("id"), custom.needed("name"), custom.text("input"), kind="custom", cache=mark)
    function = item.inner("function")
    if function is None:
        raise item.wrong("function", "an object")
    return ToolCall(item.text("id"), function.needed("name"), _arguments(function), signature=signature, cache=mark)


def _arguments(function: Fields) -> str:
    given = function.get("arguments")
    return function.json_text("arguments") if isinstance(given, dict) else function.text("arguments")


def _parts(item: Fields) -> tuple[Part, ...]:
    content = item.get("content")
    if content is None:
        return ()
    if isinstance(content, str):
        return (Text(content),) if content else ()
    if not isinstance(content, list):
        raise item.wrong("content", "a string or a list of parts")
    return tuple(map(_part, item.each("content")))


def _part(part: Fields) -> Part:
    kind = part.needed("type")
    return _PARTS[kind](part) if kind in _PARTS else Opaque(NAME, part.raw)


def _text(part: Fields) -> Part:
    return Text(part.text("text"), cache=_cache_mark(part.inner("cache_control")))


def _image(part: Fields) -> Part:
    source = part.get("image_url")
    image = Fields({"url": source} if isinstance(source, str) else source, part.path("image_url"))
    url, detail = image.needed("url"), image.text("detail")
    mark = _cache_mark(part.inner("cache_control"))
    if found := split_data_url(url):
        return Image(data=found[1], media_type=found[0], detail=detail, cache=mark)
    return Image(url=url, detail=detail, cache=mark)


def _file(part: Fields) -> Part:
    file = part.inner("file")
    if file is None:
        raise part.wrong("file", "an object")
    data, name, mark = file.text("file_data"), file.text("filename"), _cache_mark(part.inner("cache_control"))
    if found := split_data_url(data):
        return Document(data=found[1], media_type=found[0], name=name, cache=mark)
    if data[:8].lower().startswith(("http://", "https://")):  # OpenRouter takes links here
        return Document(url=data, name=name, cache=mark)
    return Document(data=data, file_id=file.text("file_id"), name=name, cache=mark)


def _linked_document(part: Fields) -> Part:
    """Read Mistral's way to name a document."""
    url, name = part.needed("document_url"), part.text("document_name")
    if found := split_data_url(url):
        return Document(data=found[1], media_type=found[0], name=name)
    return Document(url=url, name=name)


def _audio(part: Fields) -> Part:
    if isinstance(data := part.get("input_audio"), str):  # Mistral
        return Audio(data=data)
    audio = part.inner("input_audio")
    if audio is None:
        raise part.wrong("input_audio", "an object")
    return Audio(data=audio.needed("data"), format=audio.text("format"))


def _refusal(part: Fields) -> Part:
    return Refusal(part.text("refusal"))


_PARTS: dict[str, Callable[[Fields], Part]] = {
    "text": _text, "image_url": _image, "file": _file, "document_url": _linked_document, "input_audio": _audio,
    "refusal": _refusal,
}  # fmt: skip


def _marked(parts: tuple[Part, ...], item: Fields) -> tuple[Part, ...]:
    """Return *parts* with the cache mark that stood on the message itself on the last one that can hold it."""
    mark = _cache_mark(item.inner("cache_control"))
    if mark and parts and isinstance(last := parts[-1], (Text, Image, Document, ToolCall)) and last.cache is None:
        return (*parts[:-1], last._replace(cache=mark))
    return parts


def _cache_mark(mark: Fields | None) -> CacheMark | None:
    return CacheMark(mark.text("ttl")) if mark else None


def _tool(item: Fields) -> Tool:
    function = item.inner("function")
    if function is None or item.text("type") not in ("function", ""):
        custom = item.inner("custom")
        return Tool(custom.text("name") if custom else item.text("type"), dialect=NAME, raw=item.raw)
    return Tool(
        name=function.needed("name"),
        description=function.text("description"),
        parameters=function.json("parameters"),
        strict=function.flag("strict"),
        cache=_cache_mark(item.inner("cache_control")),
    )


def _legacy_tool(item: Fields) -> Tool:
    return Tool(item.needed("name"), item.text("description"), item.json("parameters"))


def _tool_choice(fields: Fields) -> ToolChoice | None:
    legacy = fields.get("function_call")
    choice = fields.raw.get("tool_choice")
    if choice is None:
        choice = {"type": "function", "function": legacy} if isinstance(legacy, dict) else legacy
    if choice is None:
        return None
    if isinstance(choice, str):
        fields.get("tool_choice")
        choice = "required" if choice == "any" else choice  # Mistral's word
        if choice in ("auto", "none", "required"):
            return ToolChoice(choice)  # type: ignore[arg-type]  # one of the literals, just checked
        raise fields.wrong("tool_choice", '"auto", "none", "required" or an object')
    forced = Fields(choice, "tool_choice")
    kind = forced.text("type")
    if kind not in ("function", "custom"):
        return None  # another form (allowed_tools) stays in `extra`
    fields.get("tool_choice")
    if not (named := forced.inner(kind)):
        raise forced.wrong(kind, "an object")
    return ToolChoice("tool", named.needed("name"))


def _response_format(fields: Fields) -> ResponseFormat | None:
    wanted = fields.inner("response_format")
    kind = wanted.text("type") if wanted else "text"
    if wanted is None or kind == "text":
        return None
    if kind == "json_object":
        return ResponseFormat("json_object")
    form = wanted.inner("json_schema") if kind == "json_schema" else None
    if form is None:
        raise fields.wrong("response_format", '{"type": "text", "json_object" or "json_schema"}')
    return ResponseFormat(
        "json_schema", form.json("schema"), form.text("name"), form.text("description"), form.flag("strict")
    )  # fmt: skip


def _thinking(fields: Fields) -> Thinking | None:
    """Read OpenAI's word, and OpenRouter's `reasoning` and DeepSeek's `thinking` (which stay in `extra` as well)."""
    effort = fields.text("reasoning_effort")
    reasoning, thinking = fields.raw.get("reasoning"), fields.raw.get("thinking")
    other = Fields(reasoning, "reasoning") if isinstance(reasoning, dict) else None
    budget = other.whole("max_tokens") if other else None
    enabled = other.flag("enabled") if other else None
    if isinstance(thinking, dict):
        enabled = {"enabled": True, "disabled": False}.get(str(thinking.get("type")), enabled)
    effort = effort or (other.text("effort") if other else "")
    if effort and effort not in EFFORTS:
        raise fields.wrong("reasoning_effort", f"one of {', '.join(EFFORTS)}")
    if not effort and budget is None and enabled is None:
        return None
    return Thinking(enabled=enabled, effort=EFFORTS.get(effort), budget=budget)
