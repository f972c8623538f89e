"""By what an answer is known again when it comes back: the ids of its calls, and what it said and to what.

Clients parse and respell, split and merge: neither white space, nor the division into parts, nor the spelling of JSON
makes a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

import orjson

from mini_llm.types import Message, Part, Refusal, Text, ToolCall, ToolResult

# Shorter ids (`call_1`) are everybody's.
SHORTEST_ID = 9
_SYSTEM = ("system", "developer")


def keys_of(answer: Message, before: str, scope: str) -> list[bytes]:
    """Return what *answer* may be known by, the surest first; *before* is what it answered."""
    calls = [part for part in answer.parts if isinstance(part, ToolCall)]
    keys = [
        _digest(scope, "call", call.id, call.name, canonical(call.arguments))
        for call in calls
        if len(call.id) >= SHORTEST_ID
    ]
    said = said_in(answer.parts)
    return [*keys, _digest(scope, "said", said, before)] if said else keys


def said_since(messages: Sequence[Message]) -> str:
    """Return what was said since the last answer in *messages*."""
    start = next((at for at in reversed(range(len(messages))) if messages[at].role == "assistant"), -1)
    return "\0".join(said_in(message.parts) for message in messages[start + 1 :] if message.role not in _SYSTEM)


def squeezed(text: str) -> str:
    """Return *text* without its white space."""
    return "".join(text.split())


def canonical(arguments: str) -> str:
    """Return JSON text in one spelling: clients parse arguments and write them anew, 1.0 as 1."""
    try:
        return orjson.dumps(_whole(orjson.loads(arguments)), option=orjson.OPT_SORT_KEYS).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):
        return squeezed(arguments)


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value) if abs(value) < 1e15 else value
    if isinstance(value, dict):
        return {name: _whole(inner) for name, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value


def said_in(parts: Iterable[Part]) -> str:
    """Return what *parts* say: the words first, then the calls, as some wires have them in that order."""
    words: list[str] = []
    calls: list[str] = []
    for part in parts:
        if isinstance(part, Text | Refusal):
            words.append(squeezed(part.text))
        elif isinstance(part, ToolResult):
            words.append(said_in(part.parts))
        elif isinstance(part, ToolCall):
            calls.append(f"{part.name} {canonical(part.arguments)}")
    return "\0".join(filter(None, ("".join(words), *calls)))


def _digest(*words: str) -> bytes:
    return sha256("\0".join(words).encode("utf-8", "surrogatepass")).digest()
