"""Streams whose every event is a JSON object."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from typing import NamedTuple

import orjson

from mini_llm import sse
from mini_llm.dialects import surrogates
from mini_llm.errors import ProtocolError
from mini_llm.types import Json

DONE = "[DONE]"
_DONE = DONE.encode()


class Object(NamedTuple):
    """One event: its name on the wire, and what it holds."""

    name: str
    body: Json


async def objects(events: AsyncIterable[sse.Event], *, done: bool = False) -> AsyncGenerator[Object, None]:
    """Yield what each of *events* holds; empty ones are left out, and `[DONE]` unless *done* asks for it, by that name.

    Raises ProtocolError for one that is no JSON object. At the very end it is the cut, not the JSON, that is to
    blame: what stands there is left to whoever misses the ending.
    """
    broken: ProtocolError | None = None
    held: sse.Event | None = None  # ends with half a character: the next may begin with the other
    try:
        async for name, data in events:
            if broken:
                raise broken
            if not data:
                continue
            if held:
                before, data = surrogates.joined(held.data, data)
                yield Object(held.event, surrogates.loads(before))
                held = None
            if data == _DONE:
                if done:
                    yield Object(DONE, {})
                continue
            try:
                body = orjson.loads(data)
            except orjson.JSONDecodeError:
                try:
                    body = surrogates.loads(data)
                except orjson.JSONDecodeError:
                    said = repr(data[:80].decode("utf-8", "replace"))
                    broken = ProtocolError(f"an event of the stream is not JSON: {said}")
                    continue
                if isinstance(body, dict) and surrogates.ends_in_half(data):
                    held = sse.Event(name, data)
                    continue
            if not isinstance(body, dict):
                raise ProtocolError("an event of the stream is not a JSON object")
            yield Object(name, body)
        if held:
            yield Object(held.event, surrogates.loads(held.data))
    finally:
        await sse.close(events)
