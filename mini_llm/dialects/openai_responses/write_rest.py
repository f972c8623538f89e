"""Write the rest of a streamed answer of which others wrote the first part: with their ids, places and numbers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from typing import NamedTuple

from mini_llm import sse
from mini_llm.dialects import loose, surrogates
from mini_llm.dialects.openai_responses.write_item import Event
from mini_llm.dialects.openai_responses.write_stream import Writer
from mini_llm.errors import MiniLLMError, TruncatedError
from mini_llm.types import ChatResponse, Delta, Json, Part, Text

# What an event about the words of a part is called, and the part.
_PARTS = {
    "response.output_text": "output_text", "response.refusal": "refusal",
    "response.reasoning_text": "reasoning_text", "response.reasoning_summary_text": "summary_text",
}  # fmt: skip
_AROUND = ("response.content_part", "response.reasoning_summary_part")
_THOUGHTS = ("reasoning_text", "summary_text")
_UNSAID = -1


class Place(NamedTuple):
    """Where in its last item a stream stopped: `step` is what came last. `fresh`: none of its words had come."""

    item: str
    at: int
    kind: str
    part: str = ""
    step: str = "said"
    fresh: bool = False


async def encode_rest(
    deltas: AsyncIterable[Delta],
    sent: ChatResponse,
    *,
    recent: Sequence[sse.Event],
    include_usage: bool = True,
    model: str = "",
) -> AsyncGenerator[bytes, None]:
    """Yield the events for *deltas* that come after *recent*. An error that leaves knows the answer it broke off."""
    writer = Writer(Delta(id=sent.id, model=sent.model, created=sent.created), model)
    try:
        if missing := _go_on(writer, sent, recent):
            yield missing
        async for delta in deltas:
            if events := writer.write(delta):
                yield events
        yield writer.end()
    except MiniLLMError as error:
        error.answer_id, error.events = writer.id, writer.count
        raise
    finally:
        await sse.close(deltas)


def _go_on(writer: Writer, sent: ChatResponse, recent: Sequence[sse.Event]) -> bytes:
    """Bring *writer* to where *recent* ends, as if it had written *sent*; return the event that is due there."""
    bodies = [{"type": name, **loose.object_of(surrogates.loads(data))} for name, data in recent if data]
    place = next((found for body in reversed(bodies) if (found := _place(body))), None)
    if place is None or place.kind not in ("message", "reasoning"):
        raise TruncatedError("the stream ended in an item that cannot be gone on with")
    parts = sent.choices[0].message.parts
    begins = len(parts) if place.fresh or place.kind == "reasoning" else _last_words(parts)
    for part in parts[:begins]:
        writer.write(Delta(part=part))
    if begins < len(parts):
        _open(writer, place)
    for block, part in enumerate(parts[begins:]):
        if isinstance(part, Text):
            writer.write(Delta(text=part.text, citations=part.citations, block=block))
    due = _reach(writer, place)
    numbers = [body["sequence_number"] for body in bodies if type(body.get("sequence_number")) is int]
    writer.count = max(numbers, default=-1) + 1
    return writer.numbered(due)


def _place(body: Json) -> Place | None:
    """Return the place that an event is about; None if it is about none. Some servers do not number their items."""
    at, kind, item = body.get("output_index", _UNSAID), loose.text(body.get("type")), loose.object_of(body.get("item"))
    identity = loose.text(item.get("id")) or loose.text(body.get("item_id"))
    what, _, step = kind.rpartition(".")
    if what == "response.output_item":
        return Place(identity, at, loose.text(item.get("type")), "", f"item {step}", step == "added")
    if what in _AROUND:
        part = loose.text(loose.object_of(body.get("part")).get("type"))
        first = not (body.get("content_index") or body.get("summary_index"))
        return Place(identity, at, _item_of(part), part, f"part {step}", step == "added" and first)
    if kind == "response.output_text.annotation.added":
        return Place(identity, at, "message", "output_text")
    part = _PARTS.get(what, "")
    if not part and at == _UNSAID:
        return None
    return Place(identity, at, _item_of(part), part, "said" if step == "delta" else "words done")


def _item_of(part: str) -> str:
    return "reasoning" if part in _THOUGHTS else "message" if part in _PARTS.values() else ""


def _last_words(parts: Sequence[Part]) -> int:
    """Return where the words begin after which nothing else came."""
    others = [at for at, part in enumerate(parts, 1) if not isinstance(part, Text)]
    return others[-1] if others else 0


def _open(writer: Writer, place: Place) -> None:
    """Open the item that is open for the caller, in its place."""
    list(writer.close())
    writer.output += [None] * (place.at - len(writer.output))
    list(writer.open(place.kind, place.item))


def _reach(writer: Writer, place: Place) -> list[Event]:
    """Open and close what came last; return the events that must follow at once."""
    if place.step == "item done" and writer.prose is None and len(writer.output) > place.at:
        return []
    if writer.prose is None or writer.prose.id != place.item:
        _open(writer, place)
    prose = writer.prose
    assert prose is not None
    if place.part and (prose.part != place.part or place.step == "part added"):
        list(prose.open_part(place.part, None))
    if place.step == "item done":
        list(writer.close())
    if place.step in ("words done", "part done"):
        ends = list(prose.close_part())
        return ends[1:] if place.step == "words done" else []
    return []
