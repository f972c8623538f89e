"""What models give and clients lose: thinking signatures, encrypted reasoning, the kind of a tool call.

Kept under the ids of an answer's tool calls and under what it said, in this process and on a shelf on disk; put back
into the conversation's next turn where the client left it out. Bounded, and gone after a day.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

import orjson

from mini_llm.types import ChatRequest, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult

LIFETIME = 86_400.0
MOST_KEPT = 2_000
LARGEST = 256 * 1024
SHORTEST_ID = 9


class Memo(NamedTuple):
    """One thing remembered: `expires` is Unix seconds, `value` JSON."""

    key: bytes
    value: bytes
    expires: float


class Shelf(Protocol):
    """Where memories outlive the process."""

    def remember(self, memos: Sequence[Memo]) -> None:
        """Write without waiting."""

    def recall(self, keys: Sequence[bytes], now: float) -> Mapping[bytes, bytes]:
        """Return what is kept under *keys* and has not expired. May wait for the disk."""


class Memory:
    """Keep what an answer's next turn will need; `scope` parts one caller's memories from another's."""

    def __init__(self, shelf: Shelf | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._shelf = shelf
        self._clock = clock
        self._kept: OrderedDict[bytes, Memo] = OrderedDict()

    def keep(self, answer: Message, request: ChatRequest, *, scope: str = "") -> None:
        """Remember the opaque state of *answer* to *request*, if it has any."""
        state = _state(answer.parts)
        if not state:
            return
        value = orjson.dumps(state)
        if len(value) > LARGEST:
            return
        expires = self._clock() + LIFETIME
        memos = [Memo(key, value, expires) for key in _keys(answer, request.messages[-1:], scope)]
        for memo in memos:
            self._keep(memo)
        if self._shelf is not None and memos:
            self._shelf.remember(memos)

    async def restore(self, request: ChatRequest, *, scope: str = "") -> ChatRequest:
        """Return *request* with what its earlier answers lost on their way through the client."""
        wanted = {
            position: _keys(message, request.messages[max(0, position - 1) : position], scope)
            for position, message in enumerate(request.messages)
            if message.role == "assistant" and _lacks(message)
        }
        if not wanted:
            return request
        found = await self._recall({key for keys in wanted.values() for key in keys})
        messages = list(request.messages)
        for position, keys in wanted.items():
            value = next((found[key] for key in keys if key in found), None)
            if value is not None:
                messages[position] = _woven(messages[position], orjson.loads(value))
        return request._replace(messages=tuple(messages))

    async def _recall(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        now = self._clock()
        found: dict[bytes, bytes] = {}
        missing: list[bytes] = []
        for key in keys:
            memo = self._kept.get(key)
            if memo is not None and memo.expires > now:
                self._kept.move_to_end(key)
                found[key] = memo.value
            else:
                missing.append(key)
        if missing and self._shelf is not None:
            shelved = await asyncio.to_thread(self._shelf.recall, missing, now)
            for key, value in shelved.items():
                self._keep(Memo(key, value, now + LIFETIME))
            found |= shelved
        return found

    def _keep(self, memo: Memo) -> None:
        self._kept[memo.key] = memo
        self._kept.move_to_end(memo.key)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)


def _state(parts: Sequence[Part]) -> dict[str, Any]:
    """Return what of *parts* clients lose: reasoning with its place among the rest, and the marks of tool calls."""
    reasoning: list[list[Any]] = []
    calls: list[dict[str, str]] = []
    place = 0
    for part in parts:
        if isinstance(part, Reasoning):
            reasoning.append([place, part._asdict()])
            continue
        place += 1
        if isinstance(part, ToolCall):
            calls.append({"kind": part.kind, "namespace": part.namespace, "signature": part.signature})
    marked = any(call["signature"] or call["namespace"] or call["kind"] != "function" for call in calls)
    return {"reasoning": reasoning, "calls": calls if marked else []} if reasoning or marked else {}


def _lacks(message: Message) -> bool:
    """Tell whether *message* came back without any thinking, or with a tool call that has lost its marks."""
    thought = any(isinstance(part, Reasoning) for part in message.parts)
    bare = any(isinstance(part, ToolCall) and not part.signature for part in message.parts)
    return bool(message.parts) and (bare or not thought)


def _woven(message: Message, state: Mapping[str, Any]) -> Message:
    """Return *message* with *state* put back where it stood, and nothing said twice."""
    calls = iter(state["calls"])
    parts = [_marked(part, next(calls, None)) if isinstance(part, ToolCall) else part for part in message.parts]
    if not any(isinstance(part, Reasoning) for part in parts):
        for shift, (place, fields) in enumerate(state["reasoning"]):
            parts.insert(min(place + shift, len(parts)), Reasoning(**fields))
    return message._replace(parts=tuple(parts))


def _marked(call: ToolCall, marks: Mapping[str, Any] | None) -> ToolCall:
    if marks is None:
        return call
    return call._replace(
        kind=marks["kind"],
        namespace=call.namespace or marks["namespace"],
        signature=call.signature or marks["signature"],
    )


def _keys(message: Message, before: Sequence[Message], scope: str) -> list[bytes]:
    """Return what a message may be known by, the surest first: its calls' ids, then what it said and to what."""
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    keys = [_digest(scope, "call", call.id, call.name) for call in calls if len(call.id) >= SHORTEST_ID]
    said = _words(message.parts)
    return [*keys, _digest(scope, "said", said, *(_words(turn.parts) for turn in before))] if said else keys


def _words(parts: Sequence[Part]) -> str:
    """Return what *parts* say, in one spelling whatever a client did to their form."""
    words: list[str] = []
    for part in parts:
        if isinstance(part, Text | Refusal):
            words.append(part.text.strip())
        elif isinstance(part, ToolCall):
            words.append(f"{part.name} {_canonical(part.arguments)}")
        elif isinstance(part, ToolResult):
            words.append(_words(part.parts))
    return "\0".join(filter(None, words))


def _canonical(arguments: str) -> str:
    """Return JSON text in one spelling: clients parse arguments and write them anew."""
    try:
        return orjson.dumps(orjson.loads(arguments), option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONDecodeError:
        return arguments.strip()


def _digest(*words: str) -> bytes:
    return sha256("\0".join(words).encode("utf-8", "surrogatepass")).digest()
