"""Streams broken off after any event, and the rest that is written after that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence

from mini_llm import dialects, sse
from mini_llm.errors import TruncatedError
from mini_llm.meter import Gatherer
from mini_llm.recovery import continuable
from mini_llm.types import ChatResponse, Delta, Usage
from tests.dialects.reading import Recording

REST = (Delta(" and"), Delta(" the rest."), Delta(finish_reason="stop", usage=Usage(7, 9)))


def events_of(dialect: str, raw: bytes) -> list[sse.Event]:
    async def run() -> list[sse.Event]:
        async def chunks() -> AsyncGenerator[bytes, None]:
            yield raw

        return [event async for event in dialects.get(dialect).events(chunks())]

    return asyncio.run(run())


def sent_in(dialect: str, events: Sequence[sse.Event]) -> ChatResponse | None:
    """Return what *events* say; None if the answer has ended in them."""
    gatherer = Gatherer()

    async def run() -> bool:
        async def given() -> AsyncGenerator[sse.Event, None]:
            for event in events:
                yield event

        try:
            async for delta in dialects.get(dialect).decode_stream(given()):
                gatherer.add(delta)
        except TruncatedError:
            return True
        return False

    return gatherer.response() if asyncio.run(run()) else None


def rest_of(dialect: str, sent: ChatResponse, recent: Sequence[sse.Event], rest: Iterable[Delta] = REST) -> bytes:
    async def run() -> bytes:
        async def given() -> AsyncGenerator[Delta, None]:
            for delta in rest:
                yield delta

        written = dialects.get(dialect).encode_rest(given(), sent, recent=recent, model="m")
        return b"".join([piece async for piece in written])

    return asyncio.run(run())


def breaks(recording: Recording, events: list[sse.Event]) -> Iterator[tuple[list[sse.Event], ChatResponse]]:
    """Yield the events up to each place where an answer of words can break off, and what was said till then."""
    request = dialects.get(recording.dialect).decode_request(recording.request)
    for end in range(1, len(events)):
        sent = sent_in(recording.dialect, events[:end])
        if sent is not None and continuable(request, sent):
            yield events[:end], sent


def written_as(dialect: str, events: Iterable[sse.Event]) -> bytes:
    return b"".join(sse.encode(event.data, event.event) for event in events)
