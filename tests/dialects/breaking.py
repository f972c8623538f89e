"""Streams broken off after any event, the rest that is written after that, and whether both make one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from typing import Any

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


def meant(item: dict[str, Any]) -> dict[str, Any]:
    """Return what of an item matters to who reads it."""
    parts = [(part["type"], part["text"], part.get("annotations")) for part in item.get("content") or ()]
    thoughts = [part["text"] for part in item.get("summary") or ()]
    return {
        "content": parts, "summary": thoughts, **{name: item.get(name) for name in ("id", "type", "encrypted_content")},
    }  # fmt: skip


def check_chunks(events: Sequence[sse.Event], rest: Sequence[sse.Event]) -> None:
    """Chat completions: the same names in each chunk, no second opening, one finish reason, one `[DONE]`."""
    head = next(body for event in events if (body := json.loads(event.data)).get("id") or body.get("choices"))
    assert rest[-1].data == b"[DONE]"
    chunks = [json.loads(event.data) for event in rest[:-1]]
    for name in ("id", "model", "created"):
        assert {chunk[name] for chunk in chunks} == {head[name]} or not head.get(name)
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert not any("role" in choice["delta"] for choice in choices)
    assert [choice["finish_reason"] for choice in choices] == [*[None] * (len(choices) - 1), "stop"]


def check_candidates(events: Sequence[sse.Event], rest: Sequence[sse.Event]) -> None:
    """Gemini: the same names in each event, the end in the last."""
    head = json.loads(events[0].data)
    chunks = [json.loads(event.data) for event in rest]
    for name in ("responseId", "modelVersion"):
        assert {chunk[name] for chunk in chunks} == {head[name]} or not head.get(name)
    assert ["finishReason" in chunk["candidates"][0] for chunk in chunks] == [*[False] * (len(chunks) - 1), True]


def check_blocks(events: Sequence[sse.Event], rest: Sequence[sse.Event]) -> None:
    """Messages: no second start, each block opened and closed once, one after the other."""
    names = [event.event for event in rest]
    assert names[-2:] == ["message_delta", "message_stop"] and "message_start" not in names
    bodies = [json.loads(event.data) for event in (*events, *rest)]
    turns = [(body["type"], body["index"]) for body in bodies if body["type"].startswith("content_block_st")]
    count = len(turns) // 2
    assert turns == [turn for at in range(count) for turn in (("content_block_start", at), ("content_block_stop", at))]


def check_items(events: Sequence[sse.Event], rest: Sequence[sse.Event]) -> None:
    """Responses: numbers go on, each item opened and closed once under one id, the whole answer at the end."""
    bodies = [json.loads(event.data) for event in (*events, *rest)]
    numbers = [body["sequence_number"] for body in bodies if "sequence_number" in body]
    first = numbers[0] if len(numbers) == len(bodies) else numbers[len(numbers) - len(rest)]
    assert numbers[-len(rest) :] == list(range(numbers[-len(rest)], numbers[-1] + 1)) and first >= 0
    added = [(body["output_index"], body["item"]["id"]) for body in bodies if body["type"].endswith("item.added")]
    done = [(body["output_index"], body["item"]["id"]) for body in bodies if body["type"].endswith("item.done")]
    assert added == done and [at for at, _ in added] == list(range(len(added)))
    last = bodies[-1]
    assert last["type"] == "response.completed" and [body["type"] for body in bodies].count("response.created") == 1
    assert last["response"]["id"] == next(body["response"]["id"] for body in bodies if "response" in body)
    items = [body["item"] for body in bodies if body["type"].endswith("item.done")]
    assert list(map(meant, last["response"]["output"])) == list(map(meant, items))


CHECKS = {
    "openai_chat": check_chunks, "gemini": check_candidates, "anthropic_messages": check_blocks,
    "openai_responses": check_items,
}  # fmt: skip
