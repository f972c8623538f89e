"""Read a streamed answer of the Responses API.

What an event says in pieces is told at once; `done` events hold the whole, and whatever of it was not told before
is told then. Servers that leave out indexes, ids or whole kinds of events are understood.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterator

from mini_llm import sse
from mini_llm.dialects import failures, json_events, loose
from mini_llm.dialects.openai_responses.read_item import Item
from mini_llm.dialects.openai_responses.response import finish_reason, refuse_failure
from mini_llm.dialects.openai_responses.usage import decode_usage
from mini_llm.errors import TruncatedError
from mini_llm.types import Delta, Json, ToolCallDelta

_KINDS = {
    "response.output_text": "message", "response.refusal": "message", "response.content_part": "message",
    "response.reasoning_text": "reasoning", "response.reasoning_summary_text": "reasoning",
    "response.reasoning_summary_part": "reasoning", "response.function_call_arguments": "function_call",
    "response.custom_tool_call_input": "custom_tool_call",
}  # fmt: skip


async def decode_stream(events: AsyncIterable[sse.Event]) -> AsyncGenerator[Delta, None]:
    """Yield what *events* say. Raises UpstreamError for an error among them, TruncatedError if the end is missing."""
    reader = _Reader()
    bodies = json_events.objects(events)
    try:
        async for name, body in bodies:
            for delta in reader.read(body, name):
                yield delta
            if reader.ended:
                return
    finally:
        await sse.close(bodies)
    raise TruncatedError("the stream ended before the answer did")


class _Reader:
    """Turns events into deltas: which item an event belongs to, and what of it was told."""

    def __init__(self) -> None:
        self.ended = False
        self._id: str | None = None
        self._items: list[Item] = []
        self._known: dict[int | str, Item] = {}
        self._blocks = 0
        self._calls: dict[int, int] = {}  # the number of the call that an item is, by the item's own
        self._refused = False

    def read(self, event: Json, name: str) -> Iterator[Delta]:
        kind = loose.text(event.get("type")) or name
        if kind == "response.output_text.delta" and (delta := self._more_text(event)) is not None:
            yield delta
            return
        what, _, step = kind.rpartition(".")
        if step == "delta" and what in _KINDS:
            item = self._of(event, _KINDS[what])
            yield from self._told(item, item.grow(what, event))
        elif kind == "response.output_item.added":
            yield from self._added(event)
        elif kind == "response.output_item.done":
            item = self._of(event, "", loose.object_of(event.get("item")))
            yield from self._told(item, item.settle(loose.object_of(event.get("item"))))
        elif step == "done" and what in _KINDS:
            item = self._of(event, _KINDS[what])
            yield from self._told(item, item.catch_up(what, event))
        elif kind == "response.output_text.annotation.added":
            item = self._of(event, "message")
            yield from self._told(item, item.cite(loose.object_of(event.get("annotation"))))
        elif kind in ("response.completed", "response.incomplete", "response.failed", "response.cancelled",
                      "response.done"):  # fmt: skip
            yield from self._end(kind, loose.object_of(event.get("response")))
        elif kind in ("response.created", "response.in_progress", "response.queued"):
            yield from self._begin(loose.object_of(event.get("response")))
        elif kind == "error" or event.get("error"):
            raise failures.inside(event)

    def _more_text(self, event: Json) -> Delta | None:
        """Return the step for words that go on: what nearly every event is. None for any other."""
        place, at, piece = event.get("output_index"), event.get("content_index"), event.get("delta")
        item = self._known.get(place) if type(place) is int else None
        if item is None or type(at) is not int or not piece or not isinstance(piece, str) or event.get("logprobs"):
            return None
        block = item.go_on(at, piece)
        return None if block is None else Delta(text=piece, block=block)

    def _begin(self, response: Json) -> Iterator[Delta]:
        if self._id is None:
            self._id = loose.text(response.get("id"))
            created = loose.count(response.get("created_at"))
            yield Delta(id=self._id, model=loose.text(response.get("model")), created=created)

    def _added(self, event: Json) -> Iterator[Delta]:
        raw = loose.object_of(event.get("item"))
        if not raw.get("type"):
            return
        item = self._new(event, raw)
        yield from self._told(item, item.open())

    def _end(self, kind: str, response: Json) -> Iterator[Delta]:
        yield from self._begin(response)
        if kind in ("response.failed", "response.cancelled"):
            response = {**response, "status": kind.partition(".")[2]}
        refuse_failure(response)
        if not self._items:  # some servers say it all at once
            for raw in loose.objects(response.get("output")):
                item = self._new(loose.NOTHING, raw)
                yield from self._told(item, item.settle(raw))
        self.ended = True
        if kind == "response.incomplete":
            response = {**response, "status": "incomplete"}
        reason = finish_reason(response, calls=bool(self._calls), refused=self._refused)
        yield Delta(finish_reason=reason, usage=decode_usage(response.get("usage"), response))

    def _told(self, item: Item, deltas: Iterator[Delta]) -> Iterator[Delta]:
        """Number the blocks and the calls of *deltas*: an item counts its own from 0."""
        for delta in deltas:
            if delta.block is not None:
                at = item.blocks.get(delta.block)
                if at is None:
                    at = item.blocks[delta.block] = self._blocks
                    self._blocks += 1
                delta = delta._replace(block=at)
            if (call := delta.tool_call) is not None:
                index = self._calls.setdefault(item.number, len(self._calls))
                delta = delta._replace(tool_call=ToolCallDelta(index, *call[1:]))
            elif delta.refusal:
                self._refused = True
            yield delta

    def _of(self, event: Json, kind: str, raw: Json = loose.NOTHING) -> Item:
        """Return the item that *event* is about: by its place, else an id, else the last of its kind that is open."""
        place, names = event.get("output_index"), _names(event, raw)
        if type(place) is int and place in self._known:
            return self._known[place]
        if found := next((self._known[name] for name in names if name in self._known), None):
            return found
        if type(place) is not int and not (names and raw):
            wanted = kind or loose.text(raw.get("type"))
            for item in reversed(self._items):
                if item.kind == wanted and not item.settled:
                    return item
        return self._new(event, raw or {"type": kind})

    def _new(self, event: Json, raw: Json) -> Item:
        item = Item(raw, len(self._items), self._id or "")
        self._items.append(item)
        if type(place := event.get("output_index")) is int:
            self._known[place] = item
        for name in _names(event, raw):
            self._known.setdefault(name, item)
        return item


def _names(event: Json, raw: Json) -> list[str]:
    """Return the ids an item is known by. llama.cpp gives calls no other than that of the call."""
    said = (event.get("item_id"), raw.get("id"), raw.get("call_id"))
    return [name for name in said if isinstance(name, str) and name]
