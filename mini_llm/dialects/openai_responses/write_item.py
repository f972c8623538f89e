"""One item of an answer being written: its events from `added` to `done`, and the whole of it at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import orjson

from mini_llm.dialects.openai_responses.citations import annotation_of
from mini_llm.dialects.openai_responses.response import finished_item
from mini_llm.dialects.openai_responses.write_items import call_item, output_text
from mini_llm.types import Delta, Json, ToolCall, ToolCallDelta

Event: TypeAlias = tuple[str, Json | bytes]  # an event's name, and its body (written already where there are many)

# Where a part stands in its item, and what the events about it are called.
_PARTS = {
    "output_text": ("content", "content_index", "response.content_part", "response.output_text"),
    "refusal": ("content", "content_index", "response.content_part", "response.refusal"),
    "reasoning_text": ("content", "content_index", "response.content_part", "response.reasoning_text"),
    "summary_text": ("summary", "summary_index", "response.reasoning_summary_part", "response.reasoning_summary_text"),
}


class Prose:
    """A message or a thought: parts that stream one after the other. `part` is the kind of the open one, or ""."""

    def __init__(self, kind: str, place: int, answer: str, fields: Json) -> None:
        self.kind = kind
        self.place = place
        self.fields = {**fields}
        empty: Json = {"type": kind, "role": "assistant", "content": []} if kind == "message" else {"type": kind}
        self.item: Json = finished_item(empty | ({} if kind == "message" else {"summary": []}) | fields, answer, place)
        self.id: str = self.item["id"]
        self.part = ""
        self._block: int | None = None
        self._pieces: list[str] = []
        self._citations: list[Json] = []
        self._logprobs: list[Json] = []

    def open(self) -> Iterator[Event]:
        """Yield the event that announces the item."""
        item = {**self.item, "status": "in_progress"} if "status" in self.item else self.item
        yield "response.output_item.added", {"output_index": self.place, "item": item}

    def say(self, part: str, piece: str, block: int | None, logprobs: Iterable[Json]) -> Iterator[Event]:
        """Yield the events for a piece of a *part*; another part or another *block* closes the open one."""
        if self.part != part or (block is not None and block != self._block):
            yield from self.open_part(part, block)
        self._pieces.append(piece)
        name = _PARTS[part][3]
        if not logprobs:
            extra = b',"logprobs":[]' if part == "output_text" else b""
            yield f"{name}.delta", b'%b,"delta":%b%b}' % (self._head, orjson.dumps(piece), extra)
            return
        self._logprobs += logprobs
        yield f"{name}.delta", {**self._about(), "delta": piece, "logprobs": list(logprobs)}

    def goes_on(self, delta: Delta) -> bool:
        """Whether *delta* holds more of the open text and nothing else: what nearly every one is."""
        if not delta.text or self.part != "output_text" or (delta.block is not None and delta.block != self._block):
            return False
        return not (
            delta.reasoning or delta.refusal or delta.tool_call or delta.part or delta.citations or delta.logprobs
        )

    def more_text(self, piece: str, number: int) -> bytes:
        """Return the event *number* for a piece of the open text."""
        self._pieces.append(piece)
        return (
            b"event: response.output_text.delta\n"
            b'data: {"type":"response.output_text.delta","sequence_number":%d,%b,"delta":%b,"logprobs":[]}\n\n'
            % (number, self._head[1:], orjson.dumps(piece))
        )

    def cite(self, citations: Iterable[Json]) -> Iterator[Event]:
        """Yield the events for sources of the words so far."""
        if self.part != "output_text":
            yield from self.open_part("output_text", self._block)
        length = sum(map(len, self._pieces))
        for citation in citations:
            if found := annotation_of(citation, length):
                about = {**self._about(), "annotation_index": len(self._citations), "annotation": found}
                yield "response.output_text.annotation.added", about
                self._citations.append(found)

    def close(self, status: str) -> Iterator[Event]:
        """Yield the events that end the item."""
        yield from self.close_part()
        self.item |= self.fields
        if "status" in self.item:
            self.item["status"] = status
        yield "response.output_item.done", {"output_index": self.place, "item": self.item}

    def _about(self) -> Json:
        place, index, _, _ = _PARTS[self.part]
        return {"item_id": self.id, "output_index": self.place, index: len(self.item.get(place, ()))}

    def open_part(self, part: str, block: int | None) -> Iterator[Event]:
        """Yield the events that begin a part, and end the one before."""
        yield from self.close_part()
        self.part, self._block = part, block
        about = self._about()
        self._head = orjson.dumps(about)[:-1]
        yield f"{_PARTS[part][2]}.added", {**about, "part": self._whole("")}

    def close_part(self) -> Iterator[Event]:
        """Yield the events that end the open part: of its words, then of it."""
        if not self.part:
            return
        place, _, outer, inner = _PARTS[self.part]
        about, text = self._about(), "".join(self._pieces)
        whole = self._whole(text)
        said = {"refusal": text} if self.part == "refusal" else {"text": text}
        if self.part == "output_text":
            said = {**said, "logprobs": whole["logprobs"]}
        yield f"{inner}.done", {**about, **said}
        yield f"{outer}.done", {**about, "part": whole}
        self.item[place] = [*self.item.get(place, ()), whole]
        self.part, self._pieces, self._citations, self._logprobs = "", [], [], []

    def _whole(self, text: str) -> Json:
        if self.part == "output_text":
            return output_text(text, self._citations, self._logprobs)
        return {"type": self.part, "refusal" if self.part == "refusal" else "text": text}


class Call:
    """A call of a tool: its arguments stream, whatever streams beside it."""

    def __init__(self, first: ToolCallDelta, place: int, answer: str, fields: Json) -> None:
        self.place = place
        call = ToolCall(first.id or f"call_{first.index}", first.name, "", first.kind, first.namespace)
        self.item: Json = finished_item(call_item(call) | fields, answer, place)
        custom = first.kind == "custom"
        self._key = "input" if custom else "arguments"
        self._name = "response.custom_tool_call_input" if custom else "response.function_call_arguments"
        self._head = orjson.dumps({"item_id": self.item["id"], "output_index": place})[:-1]
        self._pieces: list[str] = []

    def open(self) -> Iterator[Event]:
        """Yield the event that announces the call."""
        yield "response.output_item.added", {"output_index": self.place, "item": {**self.item, "status": "in_progress"}}

    def grow(self, piece: str) -> Iterator[Event]:
        """Yield the event for a piece of the arguments."""
        if piece:
            self._pieces.append(piece)
            yield f"{self._name}.delta", b'%b,"delta":%b}' % (self._head, orjson.dumps(piece))

    def close(self, status: str) -> Iterator[Event]:
        """Yield the events that end the call. A call without arguments has an empty object of them."""
        if not self._pieces and self._key == "arguments" and status == "completed":
            yield from self.grow("{}")
        whole = "".join(self._pieces)
        self.item |= {self._key: whole, "status": status}
        about = {"item_id": self.item["id"], "output_index": self.place}
        if self._key == "arguments":
            about["name"] = self.item["name"]
        yield f"{self._name}.done", {**about, self._key: whole}
        yield "response.output_item.done", {"output_index": self.place, "item": self.item}
