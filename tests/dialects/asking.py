"""What a request asks for, whatever the dialect: two that ask the same are equal here."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

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
    Text,
    ToolCall,
    ToolResult,
)


class Asked(NamedTuple):
    """All that a model is told, and how it is to answer."""

    turns: list[tuple[str, ...]]
    tools: list[tuple[str, str, Json | None]]
    settings: dict[str, Any]


def asked(request: ChatRequest) -> Asked:
    """Return what *request* asks; where one block ends and the next begins does not matter."""
    plain = (tool for tool in request.tools if tool.raw is None or tool.parameters is not None)
    tools = [(tool.name, tool.description, tool.parameters) for tool in plain]
    return Asked(_turns(request), tools, _settings(request))


def _turns(request: ChatRequest) -> list[tuple[str, ...]]:
    told: list[tuple[str, ...]] = []
    ids: dict[str, str] = {}  # some wires take only short ones, or certain letters: which is which must stay
    for message in request.messages:
        for part in sorted(message.parts, key=lambda part: isinstance(part, ToolCall)):
            if isinstance(part, Reasoning) or (isinstance(part, Opaque) and message.role == "assistant"):
                continue  # other models are not told
            entry = _entry(part, _side(message), ids)
            if told and isinstance(part, Text) and told[-1][:2] == entry[:2]:
                told[-1] = (*entry[:2], told[-1][2] + entry[2])
            elif not isinstance(part, Text) or entry[2]:
                told.append(entry)
    return told


def _entry(part: Part, side: str, ids: dict[str, str]) -> tuple[str, ...]:
    match part:
        case Text(text=text):
            return side, "text", _folded(text)
        case ToolCall():
            return "assistant", "call", ids.setdefault(part.id, str(len(ids))), part.name, _canonical(part.arguments)
        case ToolResult():
            said = _folded("".join(inner.text for inner in part.parts if isinstance(inner, Text)))
            files = [word for inner in part.parts if not isinstance(inner, Text) for word in _entry(inner, "tool", ids)]
            identity = ids.setdefault(part.call_id, str(len(ids)))
            return "tool", "result", identity, said.removeprefix("Error:"), *files
        case Image(url=url, data=data):
            return side, "picture", url, data
        case Document(url=url, data=data):
            return side, "document", url, data
        case Audio(data=data):
            return side, "sound", data
    return side, type(part).__name__


def _settings(request: ChatRequest) -> dict[str, Any]:
    form, choice = request.response_format, request.tool_choice
    names = ("max_tokens", "temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty")
    return {
        **{name: getattr(request, name) for name in names},
        "stop": request.stop,
        "answers": request.n or 1,
        "choice": choice if choice and choice.mode != "auto" else None,
        "parallel": request.parallel_tool_calls is not False,
        "form": form and (form.kind, _loosened(form.schema)),
    }


def _loosened(schema: Any) -> Any:
    """Return *schema* without the word that objects hold nothing more: some targets demand it of each."""
    if isinstance(schema, list):
        return [_loosened(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: value for name, value in schema.items() if (name, value) != ("additionalProperties", False)}
    return {name: _loosened(value) for name, value in kept.items()}


def _canonical(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments or "{}"), sort_keys=True)
    except ValueError:
        return arguments


def _folded(text: str) -> str:
    return "".join(text.split())


def _side(message: Message) -> str:
    return "system" if message.role == "developer" else message.role
