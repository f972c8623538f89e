"""Read the items of a caller's conversation: a flat list here, turns in our words."""

from __future__ import annotations

from collections.abc import Callable

from mini_llm.dialects.fields import Fields
from mini_llm.dialects.media import split_data_url
from mini_llm.dialects.openai_responses.words import NAME
from mini_llm.types import (
    Audio,
    CacheMark,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)

ROLES: dict[str, Role] = {"system": "system", "developer": "developer", "user": "user", "assistant": "assistant"}
# Items without words that the model made; others are the caller's, and another model must not miss them.
_MADE = ("_call", "program", "program_output", "tool_search_output", "mcp_list_tools", "mcp_approval_request")
# What every stored item carries, and no model is told.
_ECHOES = ("id", "status")


def messages_of(items: list[Fields]) -> tuple[Message, ...]:
    """Return the turns that *items* make: whatever the model made in a row is one."""
    walk = _Walk()
    for item in items:
        walk.take(item)
    return tuple(walk.messages)


class _Walk:
    """The turns so far, and which calls had free text: their results look the same otherwise."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._custom: set[str] = set()

    def take(self, item: Fields) -> None:
        kind = item.text("type") or ("item_reference" if "id" in item.raw and "role" not in item.raw else "message")
        if kind == "message":
            self._message(item)
        elif kind in ("function_call", "custom_tool_call"):
            self._add("assistant", *self._call(item, kind))
        elif kind == "reasoning":
            self._add("assistant", *_reasoning(item))
        elif kind == "function_call_output" or (
            kind == "custom_tool_call_output" and item.text("call_id") in self._custom
        ):
            self._add("tool", _result(item))
        elif kind.endswith(_MADE):
            self._add("assistant", Opaque(NAME, item.raw))
        else:
            self.messages.append(Message("user", (Opaque(NAME, item.raw),)))

    def _message(self, item: Fields) -> None:
        role = ROLES.get(item.text("role"))
        if role is None:
            raise item.wrong("role", "system, developer, user or assistant")
        parts = _content(item, "content")
        rest = item.rest()
        if role == "assistant":
            # The fields of an item stand before it; without any, words after words begin a turn of their own.
            last = self.messages[-1].parts[-1:] if self.messages and self.messages[-1].role == role else ()
            if rest or not (last and isinstance(last[0], (Text, Refusal))):
                self._add(role, *_fields_of(rest), *parts)
                return
        else:
            parts = (*_fields_of({name: value for name, value in rest.items() if name not in _ECHOES}), *parts)
        self.messages.append(Message(role, parts))

    def _call(self, item: Fields, kind: str) -> tuple[Part, ...]:
        call_id = item.text("call_id") or item.needed("id")
        name, namespace = item.needed("name"), item.text("namespace")
        if kind == "custom_tool_call":
            self._custom.add(call_id)
            call = ToolCall(call_id, name, item.text("input"), kind="custom", namespace=namespace)
        else:
            given = item.get("arguments")
            arguments = item.json_text("arguments") if isinstance(given, dict) else item.text("arguments")
            call = ToolCall(call_id, name, arguments, namespace=namespace)
        return (*_fields_of(item.rest()), call)

    def _add(self, role: Role, *parts: Part) -> None:
        if self.messages and self.messages[-1].role == role:
            self.messages[-1] = Message(role, (*self.messages[-1].parts, *parts))
        else:
            self.messages.append(Message(role, parts))


def _fields_of(rest: Json) -> tuple[Opaque, ...]:
    return (Opaque(NAME, rest),) if rest else ()


def _reasoning(item: Fields) -> list[Part]:
    identity, encrypted = item.text("id"), item.text("encrypted_content")
    told = [(part.text("text"), True) for part in item.each("summary")]
    told += [(part.text("text"), False) for part in item.each("content")]
    item.get("status")
    dialect = NAME if identity or encrypted else ""
    parts = [Reasoning(text, summary, identity, dialect=dialect) for text, summary in told]
    if encrypted or not parts:
        parts.append(Reasoning(id=identity, encrypted=encrypted, dialect=dialect))
    return [*_fields_of(item.rest()), *parts]


def _result(item: Fields) -> ToolResult:
    call_id = item.needed("call_id")
    if not isinstance(item.get("output"), dict):
        return ToolResult(call_id, _content(item, "output"))
    output = Fields(item.raw["output"], item.path("output"))  # as Codex once sent failures
    return ToolResult(call_id, _content(output, "content"), is_error=output.flag("success") is False)


def _content(item: Fields, name: str) -> tuple[Part, ...]:
    content = item.get(name)
    if content is None or isinstance(content, str):
        return (Text(content),) if content else ()
    if not isinstance(content, list):
        raise item.wrong(name, "a string or a list of parts")
    return tuple(map(_part, item.each(name)))


def _part(part: Fields) -> Part:
    kind = part.needed("type")
    return _PARTS[kind](part) if kind in _PARTS else Opaque(NAME, part.raw)


def _text(part: Fields) -> Part:
    return Text(part.text("text"), _mark(part), tuple(source.raw for source in part.each("annotations")))


def _refusal(part: Fields) -> Part:
    return Refusal(part.text("refusal"))


def _image(part: Fields) -> Part:
    url, detail = part.text("image_url"), part.text("detail")
    if not url:
        return Opaque(NAME, part.raw)  # a picture that OpenAI has stored
    if found := split_data_url(url):
        return Image(data=found[1], media_type=found[0], detail=detail, cache=_mark(part))
    return Image(url=url, detail=detail, cache=_mark(part))


def _file(part: Fields) -> Part:
    data, name, mark = part.text("file_data"), part.text("filename"), _mark(part)
    if url := part.text("file_url"):
        return Document(url=url, name=name, cache=mark)
    if found := split_data_url(data):
        return Document(data=found[1], media_type=found[0], name=name, cache=mark)
    return Document(data=data, file_id=part.text("file_id"), name=name, cache=mark)


def _audio(part: Fields) -> Part:
    audio = part.inner("input_audio")
    if audio is None:
        raise part.wrong("input_audio", "an object")
    return Audio(data=audio.needed("data"), format=audio.text("format"))


_PARTS: dict[str, Callable[[Fields], Part]] = {
    "input_text": _text, "output_text": _text, "text": _text, "refusal": _refusal, "input_image": _image,
    "input_file": _file, "input_audio": _audio,
}  # fmt: skip


def _mark(part: Fields) -> CacheMark | None:
    return CacheMark() if part.inner("prompt_cache_breakpoint") else None
