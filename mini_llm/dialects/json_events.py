"""Streams whose every event is a JSON object."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import NamedTuple

import orjson

from mini_llm import sse
from mini_llm.errors import ProtocolError
from mini_llm.types import Json


class Object(NamedTuple):
    """One event: its name on the wire, and what it holds."""

    name: str
    body: Json


async def objects(events: AsyncIterable[sse.Event]) -> AsyncGenerator[Object, None]:
    """Yield what each of *events* holds; empty ones and `[DONE]` are left out.

    Raises ProtocolError for one that is no JSON object. At the very end it is the cut, not the JSON, that is to
    blame: what stands there is left to whoever misses the ending.
    """
    broken: ProtocolError | None = None
    try:
        async for name, data in events:
            if broken:
                raise broken
            if not data or data == b"[DONE]":
                continue
            try:
                body = orjson.loads(data)
            except orjson.JSONDecodeError:
                said = repr(data[:80].decode("utf-8", "replace"))
                broken = ProtocolError(f"an event of the stream is not JSON: {said}")
                continue
            if not isinstance(body, dict):
                raise ProtocolError("an event of the stream is not a JSON object")
            yield Object(name, body)
    finally:
        await sse.close(events)
