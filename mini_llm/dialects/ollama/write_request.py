"""Write a request for Ollama's chat."""

from __future__ import annotations

from collections.abc import Iterator

from mini_llm.dialects import calls, results
from mini_llm.dialects.ollama.words import NAME
from mini_llm.dialects.refusing import Refusing
from mini_llm.types import (
    ChatRequest,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)

_refuse = Refusing(NAME, "Ollama's chat")
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_OPTIONS = {
    "temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "seed": "seed", "max_tokens": "num_predict",
    "presence_penalty": "presence_penalty", "frequency_penalty": "frequency_penalty",
}  # fmt: skip
# Fields of other dialects that ask for what happens here anyway.
_NOTHING_NEW = frozenset({"store", "stream_options"})
_LEVELS = {"minimal": "low", "low": "low", "medium": "medium"}


def encode_request(request: ChatRequest) -> Json:
    """Return the body for *request*. Raises TranslationError for what Ollama's chat cannot say."""
    _refuse.fields(request, ())
    _refuse.foreign(request, _NOTHING_NEW)
    body: Json = {"model": request.model, "messages": list(_messages(request)), "stream": request.stream}
    if options := _options(request):
        body["options"] = options
    if tools := _tools(request):
        body["tools"] = tools
    if wanted := request.response_format:
        body["format"] = "json" if wanted.kind == "json_object" else wanted.schema or {"type": "object"}
    if (think := _think(request)) is not None:
        body["think"] = think
    if request.logprobs:
        body["logprobs"] = True
    if request.top_logprobs:
        body["top_logprobs"] = request.top_logprobs
    return body if request.dialect not in ("", NAME) else {**body, **request.extra}


def _options(request: ChatRequest) -> Json:
    options = {name: value for field, name in _OPTIONS.items() if (value := getattr(request, field)) is not None}
    return options | ({"stop": list(request.stop)} if request.stop else {})


def _messages(request: ChatRequest) -> Iterator[Json]:
    names: dict[str, str] = {}
    for at, message in enumerate(request.messages):
        path = f"messages[{at}]"
        if message.name:
            raise _refuse.error(f"{path}.name", "turns have no names")
        names |= {part.id: part.name for part in message.parts if isinstance(part, ToolCall)}
        if message.role != "tool":
            yield _message(message, path)
            continue
        for part in message.parts:
            if not isinstance(part, ToolResult):
                raise _refuse.error(path, "a message of role tool holds only tool results")
            written: Json = {"role": "tool", "content": _result(part, path), "tool_call_id": part.call_id}
            if name := part.name or names.get(part.call_id, ""):
                written["tool_name"] = name
            yield written


def _message(message: Message, path: str) -> Json:
    words: list[str] = []
    thoughts: list[str] = []
    pictures: list[str] = []
    called: list[Json] = []
    for at, part in enumerate(message.parts):
        match part:
            case Text(text=text) | Refusal(text=text):
                words.append(text)
            case Image():
                pictures.append(_picture(part, f"{path}.content[{at}]"))
            case ToolCall():
                called.append(_call(part, f"{path}.tool_calls[{len(called)}]"))
            case Reasoning():
                thoughts.append(part.text)
            case Opaque() if message.role == "assistant":
                continue  # what another provider added to its own answer
            case Document():
                raise _refuse.error(f"{path}.content[{at}]", "there are no documents; send their text")
            case _:
                raise _refuse.part(part, f"{path}.content[{at}]")
    joint = "" if message.role == "assistant" else "\n\n"
    written: Json = {"role": _ROLES[message.role], "content": joint.join(words)}
    if any(thoughts):
        written["thinking"] = "".join(thoughts)
    return written | ({"images": pictures} if pictures else {}) | ({"tool_calls": called} if called else {})


def _picture(part: Image, path: str) -> str:
    if not part.data:
        raise _refuse.error(path, "a picture by URL is not fetched there; send it as base64")
    return part.data


def _call(call: ToolCall, path: str) -> Json:
    if call.kind == "custom":
        raise _refuse.error(path, "a call of a free-text tool")
    return {"id": call.id, "function": {"name": call.name, "arguments": calls.object_of(call.arguments)}}


def _result(result: ToolResult, path: str) -> str:
    if (text := results.text_of(result)) is None:
        raise _refuse.error(path, "a tool result can only be text; send the picture or file in a user message")
    return text


def _tools(request: ChatRequest) -> list[Json]:
    """Return the tools. There is no choice among them: none means that they are left out."""
    choice = request.tool_choice
    if choice and choice.mode == "none":
        return []
    if request.tools and choice and choice.mode != "auto":
        raise _refuse.error("tool_choice", "a call cannot be forced")
    if request.tools and request.parallel_tool_calls is False:
        raise _refuse.error("parallel_tool_calls")
    return [_tool(tool, f"tools[{at}]") for at, tool in enumerate(request.tools)]


def _tool(tool: Tool, path: str) -> Json:
    if tool.raw is not None and tool.parameters is None:
        raise _refuse.error(path, f"only {tool.dialect} has the tool {tool.name or tool.raw.get('type')}")
    function: Json = {"name": tool.name, "parameters": tool.parameters or {"type": "object", "properties": {}}}
    return {"type": "function", "function": function | ({"description": tool.description} if tool.description else {})}


def _think(request: ChatRequest) -> bool | str | None:
    """Return whether to think. Only gpt-oss knows how hard: https://docs.ollama.com/capabilities/thinking (2026-11)."""
    wanted: Thinking | None = request.thinking
    if wanted is None:
        return None
    if wanted.enabled is False or wanted.effort == "none":
        return False
    if "gpt-oss" in request.model and wanted.effort:
        return _LEVELS.get(wanted.effort, "high")
    return True
