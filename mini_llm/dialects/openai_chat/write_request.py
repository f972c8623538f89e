"""Write a chat-completions request for an upstream."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from mini_llm.dialects import media
from mini_llm.dialects.openai_chat.reasoning import NAME, reasoning_fields
from mini_llm.errors import TranslationError
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
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

# Fields that are written as they stand.
_PLAIN = ("max_tokens", "temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "seed", "n",
          "logprobs", "top_logprobs")  # fmt: skip
# Extra fields of other dialects that are said in words of types.py as well.
_SAID_ELSEWHERE = frozenset({"thinking", "output_config", "reasoning"})
# Providers refuse a longer `user`; Claude Code's is long. https://github.com/looplj/axonhub/issues/1669 (2026-05)
LONGEST_USER = 64
# A budget of thinking tokens, as the effort that comes nearest to it.
_EFFORT_BUDGETS = ((4_096, "low"), (16_384, "medium"))


def encode_request(request: ChatRequest) -> Json:
    """Return the body for *request*. Raises TranslationError for what chat completions cannot say."""
    ours = request.dialect in ("", NAME)
    if not ours:
        for name in request.extra:
            if name not in _SAID_ELSEWHERE:
                raise _inexpressible(name)
    body: Json = {"model": request.model, "messages": list(_messages(request, marks=ours))}
    body |= {name: value for name in _PLAIN if (value := getattr(request, name)) is not None}
    if request.stop:
        body["stop"] = list(request.stop)
    body |= _tools(request, marks=ours) | _response_format(request) | _effort(request.thinking)
    if request.user:
        body["user"] = request.user if ours else _short(request.user)
    if request.metadata:
        body["metadata"] = dict(request.metadata)
    if request.service_tier:
        body["service_tier"] = request.service_tier
    if request.stream:
        body |= {"stream": True} | ({"stream_options": {"include_usage": True}} if request.include_usage else {})
    if ours:
        body |= request.extra
        if "reasoning" in request.extra:
            body.pop("reasoning_effort", None)
    return body


def _messages(request: ChatRequest, *, marks: bool) -> Iterator[Json]:
    for at, message in enumerate(request.messages):
        path = f"messages[{at}]"
        if message.role == "tool":
            for part in message.parts:
                if not isinstance(part, ToolResult):
                    raise _inexpressible(path, "a message of role tool holds only tool results")
                yield _tool_result(part, path, marks=marks)
        elif message.role == "assistant":
            yield _assistant(message, path, marks=marks)
        else:
            yield _plain(message, path, marks=marks)


def _plain(message: Message, path: str, *, marks: bool) -> Json:
    # Few but OpenAI know the role of a developer, and OpenAI takes this one for it.
    role = "system" if message.role == "developer" and not marks else message.role
    written: Json = {"role": role, "content": _content(message.parts, path, marks=marks)}
    if message.name:
        written["name"] = message.name
    for part in message.parts:
        if isinstance(part, Opaque) and "type" not in part.raw and part.dialect == NAME:
            written |= part.raw
    return written


def _assistant(message: Message, path: str, *, marks: bool) -> Json:
    said = tuple(part for part in message.parts if isinstance(part, (Text, Image)) or _is_block(part))
    written: Json = {"role": "assistant"}
    calls = [_tool_call(part, marks=marks) for part in message.parts if isinstance(part, ToolCall)]
    if said or not calls:
        written["content"] = _content(said, path, marks=marks, joint="")
    else:
        written["content"] = None
    if calls:
        written["tool_calls"] = calls
    if message.name:
        written["name"] = message.name
    written |= reasoning_fields(message.parts, signed=marks)
    for part in message.parts:
        if isinstance(part, Refusal):
            written["refusal"] = part.text
        elif isinstance(part, Audio):
            written["audio"] = {"id": part.id}
        elif isinstance(part, Opaque) and part.dialect == NAME and "type" not in part.raw:
            written |= part.raw
        elif isinstance(part, (Document, ToolResult)):
            raise _inexpressible(path, "an assistant's message holds no documents and no tool results")
    return written


def _is_block(part: Part) -> bool:
    """Whether *part* is a block of content that only this dialect knows. Those of others are left out of answers."""
    return isinstance(part, Opaque) and part.dialect == NAME and "type" in part.raw


def _tool_result(result: ToolResult, path: str, *, marks: bool) -> Json:
    if not all(isinstance(part, Text) for part in result.parts):
        raise _inexpressible(path, "a tool result can only be text here; send the picture or file in a user message")
    content = _content(result.parts, path, marks=marks)
    if result.is_error and not (isinstance(content, str) and content.lower().startswith("error")):
        # There is no flag for it, and the model should know.
        said = content if isinstance(content, str) else "\n".join(str(part["text"]) for part in content)
        content = f"Error: {said}"
    written: Json = {"role": "tool", "tool_call_id": result.call_id, "content": content}
    if result.name:
        written["name"] = result.name
    if marks and result.cache:
        written["cache_control"] = _mark(result.cache)
    return written


def _content(parts: tuple[Part, ...], path: str, *, marks: bool, joint: str = "\n\n") -> str | list[Json]:
    """Return a plain string where one says it all: more providers take that. Of ours the division is kept."""
    parts = tuple(part for part in parts if not isinstance(part, Opaque) or "type" in part.raw)
    if not parts:
        return ""
    if all(isinstance(part, Text) for part in parts) and (len(parts) == 1 or not marks):
        texts = [part for part in parts if isinstance(part, Text)]
        if not (marks and texts[0].cache):
            return joint.join(text.text for text in texts)
    written = []
    for at, part in enumerate(parts):
        writer = _WRITERS.get(type(part))
        if writer is None:
            raise _inexpressible(f"{path}.content[{at}]", f"{type(part).__name__} has no place here")
        item = writer(part, f"{path}.content[{at}]")
        if marks and (mark := getattr(part, "cache", None)):
            item["cache_control"] = _mark(mark)
        written.append(item)
    return written


def _text(part: Text, path: str) -> Json:
    return {"type": "text", "text": part.text}


def _image(part: Image, path: str) -> Json:
    url = part.url or media.data_url(part.media_type or media.picture_type(part.data), part.data)
    return {"type": "image_url", "image_url": {"url": url} | ({"detail": part.detail} if part.detail else {})}


def _document(part: Document, path: str) -> Json:
    if part.url:
        raise _inexpressible(path, "a document by URL is not understood here; send its content as base64")
    file: Json = {"file_id": part.file_id} if part.file_id else {}
    if part.data:
        file["file_data"] = media.data_url(part.media_type or "application/pdf", part.data)
    if part.name or part.data:
        file["filename"] = part.name or "document.pdf"  # required beside file_data
    return {"type": "file", "file": file}


def _audio(part: Audio, path: str) -> Json:
    return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format or "wav"}}


def _refusal(part: Refusal, path: str) -> Json:
    return {"type": "refusal", "refusal": part.text}


def _opaque(part: Opaque, path: str) -> Json:
    if part.dialect != NAME:
        raise _inexpressible(path, f"only {part.dialect} understands a {part.raw.get('type', 'block')}")
    return part.raw


_WRITERS: dict[type[Part], Callable[[Any, str], Json]] = {
    Text: _text, Image: _image, Document: _document, Audio: _audio, Refusal: _refusal, Opaque: _opaque,
}  # fmt: skip


def _tool_call(call: ToolCall, *, marks: bool) -> Json:
    if call.kind == "custom":
        written: Json = {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    else:
        function = {"name": call.name, "arguments": call.arguments or "{}"}
        written = {"id": call.id, "type": "function", "function": function}
    if call.signature:
        written["extra_content"] = {"google": {"thought_signature": call.signature}}
    if marks and call.cache:
        written["cache_control"] = _mark(call.cache)
    return written


def _tools(request: ChatRequest, *, marks: bool) -> Json:
    """Return the fields about tools. Without any, the choice and the switch for parallel calls would be refused."""
    if not request.tools:
        return {}
    fields: Json = {"tools": [_tool(tool, f"tools[{at}]", marks=marks) for at, tool in enumerate(request.tools)]}
    if request.tool_choice:
        fields["tool_choice"] = _tool_choice(request, request.tool_choice)
    if request.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = request.parallel_tool_calls
    return fields


def _tool(tool: Tool, path: str, *, marks: bool) -> Json:
    if tool.raw is not None and tool.parameters is None:
        if tool.dialect != NAME:
            raise _inexpressible(path, f"only {tool.dialect} has the tool {tool.name or tool.raw.get('type')}")
        return tool.raw
    function: Json = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    written: Json = {"type": "function", "function": function}
    if marks and tool.cache:
        written["cache_control"] = _mark(tool.cache)
    return written


def _tool_choice(request: ChatRequest, choice: ToolChoice) -> str | Json:
    if choice.mode != "tool":
        return choice.mode
    custom = any(tool.name == choice.name and (tool.raw or {}).get("type") == "custom" for tool in request.tools)
    kind = "custom" if custom else "function"
    return {"type": kind, kind: {"name": choice.name}}


def _response_format(request: ChatRequest) -> Json:
    wanted = request.response_format
    if wanted is None:
        return {}
    if wanted.kind == "json_object":
        return {"response_format": {"type": "json_object"}}
    form: Json = {"name": wanted.name or "answer", "schema": wanted.schema or {}}
    if wanted.description:
        form["description"] = wanted.description
    if wanted.strict is not None:
        form["strict"] = wanted.strict
    return {"response_format": {"type": "json_schema", "json_schema": form}}


def _effort(thinking: Thinking | None) -> Json:
    """Return the effort asked for. On or off alone is left to the model: there is no word that all of them take."""
    if thinking is None:
        return {}
    if thinking.effort:
        return {"reasoning_effort": "xhigh" if thinking.effort == "max" else thinking.effort}
    if thinking.budget is not None and thinking.enabled is not False:
        near = (effort for limit, effort in _EFFORT_BUDGETS if thinking.budget <= limit)
        return {"reasoning_effort": next(near, "high")}
    return {}


def _short(user: str) -> str:
    return user if len(user) <= LONGEST_USER else hashlib.blake2b(user.encode(), digest_size=32).hexdigest()


def _mark(mark: CacheMark) -> Json:
    return {"type": "ephemeral", "ttl": mark.ttl} if mark.ttl else {"type": "ephemeral"}


def _inexpressible(field: str, why: str = "") -> TranslationError:
    return TranslationError(
        f"{field} cannot be said in OpenAI chat completions" + (f": {why}" if why else ""),
        field=field,
        hint="leave it out, or choose a model of another provider",
    )
