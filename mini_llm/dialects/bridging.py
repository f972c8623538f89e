"""What only the Responses API has, said with plain functions for other wires, and turned back in the answer.

Free-text tools become functions with one string, `input`; the tools of a namespace get its name before their own.
Pure: a request becomes another request, and a Bridge that knows the way back.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from typing import Literal, NamedTuple

from mini_llm import sse
from mini_llm.dialects import loose
from mini_llm.errors import TranslationError
from mini_llm.types import (
    ChatRequest,
    ChatResponse,
    Delta,
    Json,
    Message,
    Opaque,
    Part,
    Text,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
)

RESPONSES, CHAT = "openai_responses", "openai_chat"
INPUT = "input"
# Tools that run at OpenAI and that Codex always offers: an answer without them is still an answer.
OFFERED = ("web_search", "tool_search")
# What stands for a conversation that is kept elsewhere.
_STORED = ("previous_response_id", "conversation", "prompt", "background")
_UNFIT = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME = 64


class Original(NamedTuple):
    """The tool that a plain function stands for."""

    name: str
    namespace: str = ""
    kind: Literal["function", "custom"] = "function"


class Bridge:
    """Which plain functions stand for other tools, by their names."""

    def __init__(self) -> None:
        self.originals: dict[str, Original] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to turn back."""
        return any(name != original.name or original.kind == "custom" for name, original in self.originals.items())

    def plain(self, original: Original) -> str:
        """Return the name under which *original* is offered: always the same, never that of another."""
        name = original.name
        if original.namespace not in ("", name):  # one that a search found has its own name as namespace
            name = original.namespace.rstrip("_") + "__" + name
        fit = _UNFIT.sub("_", name)
        other = self.originals.get(fit)
        if len(fit) > _LONGEST_NAME or (other and other[:2] != original[:2]):
            mark = hashlib.blake2b("\0".join(original[:2]).encode(), digest_size=6).hexdigest()
            fit = f"{fit[: _LONGEST_NAME - 13]}_{mark}"
        self.originals.setdefault(fit, original)
        return fit

    def response(self, response: ChatResponse) -> ChatResponse:
        """Return *response* with the calls of the tools that were asked for."""
        choices = []
        for choice in response.choices:
            parts = (self._call(part) if isinstance(part, ToolCall) else part for part in choice.message.parts)
            choices.append(choice._replace(message=choice.message._replace(parts=tuple(parts))))
        return response._replace(choices=tuple(choices))

    async def stream(self, deltas: AsyncIterable[Delta]) -> AsyncGenerator[Delta, None]:
        """Yield *deltas* with the calls of the tools that were asked for; free text as it comes."""
        unwrapping: dict[tuple[int, int], _Unwrapping] = {}
        try:
            async for delta in deltas:
                if (piece := delta.tool_call) is not None:
                    key = (delta.choice, piece.index)
                    original = self.originals.get(piece.name)
                    if original and original.kind == "custom":
                        unwrapping.setdefault(key, _Unwrapping())
                    if original:
                        piece = piece._replace(name=original.name, namespace=original.namespace)
                    if key in unwrapping:
                        piece = piece._replace(kind="custom", arguments=unwrapping[key].feed(piece.arguments))
                    delta = delta._replace(tool_call=piece)
                elif isinstance(delta.part, ToolCall):
                    delta = delta._replace(part=self._call(delta.part))
                elif delta.finish_reason:
                    for (choice, index), rest in unwrapping.items():
                        if text := rest.end():
                            yield Delta(tool_call=ToolCallDelta(index, arguments=text, kind="custom"), choice=choice)
                    unwrapping.clear()
                yield delta
        finally:
            await sse.close(deltas)

    def _call(self, call: ToolCall) -> ToolCall:
        original = self.originals.get(call.name)
        if original is None:
            return call
        call = call._replace(name=original.name, namespace=original.namespace)
        if original.kind == "function":
            return call
        text = _Unwrapping()
        return call._replace(kind="custom", arguments=text.feed(call.arguments) + text.end())


class Bridged(NamedTuple):
    """A request with plain functions only; `dropped` names the tools it had to leave out."""

    request: ChatRequest
    bridge: Bridge
    dropped: tuple[str, ...] = ()


def bridged(request: ChatRequest, dialect: str) -> Bridged:
    """Return *request* for a target of *dialect*. Raises TranslationError where the conversation is kept elsewhere."""
    bridge = Bridge()
    if (request.dialect, dialect) == (CHAT, RESPONSES):
        return Bridged(_chosen(request, bridge), bridge)
    if dialect in (request.dialect, RESPONSES) or request.dialect not in (RESPONSES, CHAT):
        return Bridged(request, bridge)
    _refuse_stored(request)
    tools: list[Tool] = []
    dropped: list[str] = []
    for tool in (*request.tools, *_brought(request.messages)):
        if str((tool.raw or {}).get("type", "")).startswith(OFFERED) and tool.parameters is None:
            dropped.append(f"tools.{(tool.raw or {})['type']}")
        else:
            tools += _flattened(tool, bridge)
    changed = request._replace(tools=tuple(tools), messages=tuple(_turns(request.messages, bridge)))
    return Bridged(_chosen(changed, bridge), bridge, tuple(dict.fromkeys(dropped)))


def _refuse_stored(request: ChatRequest) -> None:
    for name in _STORED if request.dialect == RESPONSES else ():
        if request.extra.get(name):
            raise TranslationError(
                f"{name} cannot be said to this model: only OpenAI keeps what it points to",
                field=name,
                hint="send the whole conversation in `input`, or choose a model of OpenAI",
            )


def _brought(messages: tuple[Message, ...]) -> Iterator[Tool]:
    """Yield the tools that items in the middle of the conversation bring."""
    for part in (part for message in messages for part in message.parts):
        if isinstance(part, Opaque) and part.dialect == RESPONSES and part.raw.get("type") == "additional_tools":
            yield from map(_tool, loose.objects(part.raw.get("tools")))


def _tool(raw: Json) -> Tool:
    """Return a tool of the Responses API that another one, or an item, holds."""
    name, description = loose.text(raw.get("name")), loose.text(raw.get("description"))
    if raw.get("type") != "function":
        return Tool(name or loose.text(raw.get("type")), description, dialect=RESPONSES, raw=raw)
    strict = raw.get("strict")
    parameters = loose.object_of(raw.get("parameters")) or {"type": "object", "properties": {}}
    return Tool(name, description, parameters, strict if isinstance(strict, bool) else None)


def _flattened(tool: Tool, bridge: Bridge) -> Iterator[Tool]:
    raw = tool.raw or {}
    if tool.parameters is not None or tool.raw is None:
        yield tool._replace(name=bridge.plain(Original(tool.name)))
    elif raw.get("type") == "custom":
        yield _wrapped(tool, Original(tool.name, kind="custom"), bridge)
    elif raw.get("type") == "namespace" and tool.dialect == RESPONSES:
        about = f"{tool.name}: {tool.description}" if tool.description else ""
        for inner in map(_tool, loose.objects(raw.get("tools"))):
            told = inner._replace(description="\n\n".join(filter(None, (inner.description, about))))
            about = ""  # told once
            kind: Literal["function", "custom"] = "custom" if inner.raw else "function"
            original = Original(inner.name, tool.name, kind)
            yield _wrapped(told, original, bridge) if kind == "custom" else told._replace(name=bridge.plain(original))
    else:
        yield tool


def _wrapped(tool: Tool, original: Original, bridge: Bridge) -> Tool:
    """Return a function that takes the free text of *tool* as its one argument."""
    raw: Json = tool.raw or {}
    raw = loose.object_of(raw.get("custom")) or raw  # the form of chat completions
    form = loose.object_of(raw.get("format"))
    form = loose.object_of(form.get("grammar")) or form
    lines = [tool.description or loose.text(raw.get("description")), f"Put the whole text into `{INPUT}`, unescaped."]
    if definition := loose.text(form.get("definition")):
        lines.append(f"It must follow this {loose.text(form.get('syntax'))} grammar:\n{definition}")
    parameters = {
        "type": "object",
        "properties": {INPUT: {"type": "string"}},
        "required": [INPUT],
        "additionalProperties": False,
    }
    return Tool(bridge.plain(original), "\n\n".join(filter(None, lines)), parameters, cache=tool.cache)


def _turns(messages: tuple[Message, ...], bridge: Bridge) -> Iterator[Message]:
    for message in messages:
        parts = tuple(found for part in message.parts if (found := _part(part, bridge)) is not None)
        if parts or not message.parts:
            yield message._replace(parts=parts)


def _part(part: Part, bridge: Bridge) -> Part | None:
    """Return *part* as others understand it; None for what has been said otherwise."""
    if isinstance(part, ToolCall) and (part.kind == "custom" or part.namespace):
        name = bridge.plain(Original(part.name, part.namespace, part.kind))
        arguments = json.dumps({INPUT: part.arguments}) if part.kind == "custom" else part.arguments
        return part._replace(name=name, arguments=arguments, kind="function", namespace="")
    if isinstance(part, Opaque) and part.dialect == RESPONSES:
        if part.raw.get("type") == "additional_tools":
            return None
        if part.raw.get("type") == "agent_message":
            return _mail(part)
    return part


def _mail(part: Opaque) -> Part:
    """Return what another of Codex's agents wrote, if it can be read."""
    content = loose.objects(part.raw.get("content"))
    if not content or any(block.get("type") != "input_text" for block in content):
        return part
    text = "\n".join(loose.text(block.get("text")) for block in content)
    return Text(f"Message from {part.raw.get('author')} to {part.raw.get('recipient')}:\n{text}")


def _chosen(request: ChatRequest, bridge: Bridge) -> ChatRequest:
    """Return *request* with its choice of tools in plain words: a list of allowed ones becomes all there are."""
    if (choice := request.tool_choice) and choice.mode == "tool":
        found = (name for name, original in bridge.originals.items() if original.name == choice.name)
        return request._replace(tool_choice=choice._replace(name=next(found, choice.name)))
    given = loose.object_of(request.extra.get("tool_choice"))
    if given.get("type") != "allowed_tools":
        return request
    given = loose.object_of(given.get("allowed_tools")) or given  # chat completions nest it
    allowed = {_name(tool) for tool in loose.objects(given.get("tools"))}
    kept = tuple(tool for tool in request.tools if _asked_for(tool, bridge) in allowed)
    mode = ToolChoice("required" if given.get("mode") == "required" else "auto") if kept else None
    extra = {name: value for name, value in request.extra.items() if name != "tool_choice"}
    return request._replace(tools=kept, tool_choice=mode, extra=extra)


def _name(tool: Json) -> str:
    kind = loose.text(tool.get("type"))
    return loose.text(tool.get("name")) or loose.text(loose.object_of(tool.get(kind)).get("name")) or kind


def _asked_for(tool: Tool, bridge: Bridge) -> str:
    original = bridge.originals.get(tool.name)
    return original.name if original else tool.name


class _Unwrapping:
    """The text inside `{"input": "…"}`, while that comes in pieces."""

    _BEGINNING = re.compile(r'\s*\{\s*"' + INPUT + r'"\s*:\s*"')
    _LATEST_BEGINNING = 1_000  # characters; what has not begun by then is something else
    # What can be read by itself: plain characters and whole escapes, both halves of a pair together.
    _READY = re.compile(
        r'(?:[^"\\]+|\\[^u]|\\u(?=[\da-fA-F]{0,3}[^\da-fA-F])|\\u(?![dD][89abAB])[\da-fA-F]{4}'
        r"|\\u[dD][89abAB][\da-fA-F]{2}(?:\\u[\da-fA-F]{4}|(?=[^\\]|\\[^u])))+",
        re.DOTALL,
    )

    def __init__(self) -> None:
        self._held = ""
        self._inside = False
        self._closed = False

    def feed(self, piece: str) -> str:
        """Return the text that *piece* completes."""
        if self._closed:
            return ""
        late = len(self._held) > self._LATEST_BEGINNING
        self._held += piece
        if not self._inside:
            begun = None if late else self._BEGINNING.match(self._held)
            if begun is None:
                return ""
            self._inside = True
            self._held = self._held[begun.end() :]
        ready = self._READY.match(self._held)
        text = ready[0] if ready else ""
        self._held = self._held[len(text) :]
        self._closed = self._held.startswith('"')
        return _unescaped(text)

    def end(self) -> str:
        """Return what is left: the words of a model that wrote something else than was asked for."""
        held, self._held = self._held, ""
        if self._closed or self._inside:
            return "" if self._closed else _unescaped(held)
        try:
            value = json.loads(held, strict=False)
        except ValueError:
            return held
        if isinstance(value, dict) and (INPUT in value or len(value) == 1):
            value = value.get(INPUT, next(iter(value.values())))
        return value if isinstance(value, str) else held


_ESCAPE = re.compile(r"\\(u[\da-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _unescaped(text: str) -> str:
    """Return the inside of a JSON string, read leniently: models put line breaks and loose backslashes into them."""
    if "\\" not in text:
        return text
    text = _ESCAPE.sub(
        lambda found: chr(int(found[1][1:], 16)) if found[1][1:] else _ESCAPED.get(found[1], found[1]), text
    )
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
