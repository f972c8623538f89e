"""Answers that are too large to be held: they flow from the provider to the caller, as fast as the caller reads."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

import orjson

from mini_llm.errors import MiniLLMError
from mini_llm.gateway.responder import Fields, Responder
from mini_llm.meter import Meter
from mini_llm.types import Json
from mini_llm.upstream import Reply

HELD = 512 * 1024  # bytes up to which an answer is read whole before any of it is passed on
TAIL = 64 * 1024  # in which what an answer used has to stand
_USAGE = (b'"usage"', b'"usageMetadata"')


class Flow(NamedTuple):
    """The beginning of a large answer, and the rest. `tail` holds its last bytes once the rest has been read."""

    first: bytes
    rest: AsyncGenerator[bytes, None]
    tail: bytearray


async def read(reply: Reply) -> bytes | Flow:
    """Return an answer's body if it is small; its beginning and the rest if it is not."""
    parts: list[bytes] = []
    size = 0
    while chunk := await reply.response.next():
        parts.append(chunk)
        size += len(chunk)
        if size > HELD:
            tail = bytearray(b"".join(parts)[-TAIL:])
            return Flow(b"".join(parts), _watched(reply.chunks(), tail), tail)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def send(
    responder: Responder,
    fields: Fields,
    first: bytes,
    rest: AsyncGenerator[bytes, None],
    meter: Meter,
    *,
    events: bool = False,
) -> None:
    """Pass an answer on. One that breaks is cut off visibly, before its end: only *events* have words for an error."""
    responder.start(200, fields)
    responder.pings = events
    responder.write(first)
    meter.characters += len(first)
    try:
        async with aclosing(rest) as chunks:
            async for chunk in chunks:
                responder.write(chunk)
                meter.characters += len(chunk)
                if responder.paused:
                    await responder.drain()
    except MiniLLMError:
        if not events:
            responder.abort()
        raise
    meter.ended = True
    responder.finish()


def usage_in(tail: bytes | bytearray) -> Json:
    """Return the object that says, near the end of an answer, what it used; an empty one if there is none."""
    text = bytes(tail)
    at, key = max((text.rfind(key), key) for key in _USAGE)
    if at < 0:
        return {}
    words = text[at + len(key) :].lstrip(b" \t\r\n:").decode("utf-8", "replace")
    try:
        told, _ = json.JSONDecoder().raw_decode(words)
    except ValueError:
        return {}
    return {orjson.loads(key): told} if isinstance(told, dict) else {}


async def _watched(chunks: AsyncGenerator[bytes, None], tail: bytearray) -> AsyncGenerator[bytes, None]:
    async with aclosing(chunks):
        async for chunk in chunks:
            tail += chunk
            del tail[:-TAIL]
            yield chunk
