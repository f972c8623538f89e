"""Read the turns of a caller's generateContent request.

Calls may come without ids, and are then answered by name and in order: both get ids here, the same on every turn.
A signature on a part becomes a Reasoning before it, save on a call, which has a place for it.
"""

from __future__ import annotations

import hashlib

import orjson

from mini_llm.dialects import calls
from mini_llm.dialects.gemini.files import read_blob, read_file
from mini_llm.dialects.gemini.words import NAME, Words, opaque
from mini_llm.dialects.turns import split_results
from mini_llm.types import Message, Part, Reasoning, Text, ToolCall, ToolResult

_USERS = ("user", "function", "tool", "")
_SAID = ("output", "result")  # where the words of a result stand


def read_system(fields: Words) -> tuple[Message, ...]:
    """Read `systemInstruction`: a content, or a plain string."""
    value = fields.get("systemInstruction")
    if isinstance(value, str):
        return (Message("system", (Text(value),)),) if value else ()
    content = fields.inner("systemInstruction")
    if content is None:
        return ()
    parts = tuple(Text(part.text("text")) for part in content.each("parts") if part.get("text") is not None)
    return (Message("system", parts),) if parts else ()


def read_contents(fields: Words) -> tuple[Message, ...]:
    """Read `contents`."""
    if not isinstance(fields.get("contents"), (list, dict)):
        raise fields.wrong("contents", "a list")
    contents = fields.each("contents")
    reader = _Reader(contents)
    messages: list[Message] = []
    for at, content in enumerate(contents):
        role = content.text("role")
        if role != "model" and role not in _USERS:
            raise content.wrong("role", "user or model")
        parts = [part for item in content.each("parts") for part in reader.read(item, at)]
        for turn in [Message("assistant", tuple(parts))] if role == "model" else split_results(parts):
            # Chats of Google's own SDK send an answer back as they got it, a turn for each piece of the stream.
            if messages and turn.role == messages[-1].role != "user":
                turn = turn._replace(parts=(*messages.pop().parts, *turn.parts))
            messages.append(turn)
    return tuple(messages)


class _Reader:
    """Reads parts, and knows which calls still lack a result."""

    def __init__(self, contents: list[Words]) -> None:
        self._contents = contents
        self._hash = hashlib.blake2b(digest_size=16)
        self._hashed = 0
        self._made_up = 0
        self._open: list[tuple[str, str]] = []  # ids and names

    def read(self, part: Words, at: int) -> list[Part]:
        """Return what one part of content *at* says."""
        if part.get("functionCall") is not None:
            return [self._call(part, at)]
        if part.get("functionResponse") is not None:
            return [self._result(part, at)]
        signature, thought = part.text("thoughtSignature"), part.flag("thought")
        if part.get("text") is not None and not part.rest():
            text = part.text("text")
            if thought:
                return [Reasoning(text, summary=True, signature=signature, dialect=NAME if signature else "")]
            if not signature:
                return [Text(text)]
            signed = Reasoning(signature=signature, dialect=NAME)
            return [signed, Text(text)] if text else [signed]
        media = None if thought else read_blob(part) or read_file(part)
        if media is None or part.rest():
            return [opaque(part.raw)] if part.raw else []
        return [Reasoning(signature=signature, dialect=NAME), media] if signature else [media]

    def _call(self, part: Words, at: int) -> Part:
        call = part.section("functionCall")
        name, arguments = call.needed("name"), call.json_text("args")
        malformed = calls.malformed(call.json("args") or {})
        identity = call.text("id") or self._made_up_id(at)
        self._open.append((identity, name))
        signature = part.text("thoughtSignature")
        return ToolCall(identity, name, arguments if malformed is None else malformed, signature=signature)

    def _result(self, part: Words, at: int) -> Part:
        result = part.section("functionResponse")
        name, given = result.text("name"), result.text("id")
        said, failed = _said(result)
        media = [inner for item in result.each("parts") if (inner := read_blob(item) or read_file(item))]
        identity = self._answered(given, name) or given or self._made_up_id(at)
        return ToolResult(identity, (*((Text(said),) if said else ()), *media), is_error=failed, name=name)

    def _answered(self, given: str, name: str) -> str:
        """Return the id of the call that a result belongs to, and count it as answered; "" if there is none."""
        meant = [call for call in self._open if call[0] == given] or [call for call in self._open if call[1] == name]
        if not meant:
            return ""
        self._open.remove(meant[0])
        return meant[0][0]

    def _made_up_id(self, at: int) -> str:
        """Return an id that says where in which conversation it stands: none else has it, and the next turn again."""
        while self._hashed <= at:
            self._hash.update(self._contents[self._hashed].whole_text().encode())
            self._hashed += 1
        self._made_up += 1
        return calls.made_up_id(self._hash.hexdigest(), self._made_up)


def _said(result: Words) -> tuple[str, bool]:
    """Return the words of a result, and whether they tell of an error."""
    response, whole = result.json("response") or {}, result.json_text("response")
    if len(response) == 1:
        ((key, value),) = response.items()
        if key in _SAID and isinstance(value, str):
            return value, False
        if key == "error":
            return value if isinstance(value, str) else orjson.dumps(value).decode(), True
    return (whole if response else ""), False
