"""Streams whose every event is a JSON object."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable

import orjson

from mini_llm import sse
from mini_llm.dialects import surrogates
from mini_llm.errors import ProtocolError
from mini_llm.types import Json

DONE = "[DONE]"
_DONE = DONE.encode()


async def objects(events: AsyncIterable[sse.Event], *, done: bool = False) -> AsyncGenerator[tuple[str, Json], None]:
    """Yield the name and the content of each of *events*; empty ones are left out, and `[DONE]` unless *done*.

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
                yield held.event, surrogates.loads(before)
                held = None
            if data == _DONE:
                if done:
                    yield DONE, {}
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
            yield name, body
        if held:
            yield held.event, surrogates.loads(held.data)
    finally:
        await sse.close(events)
