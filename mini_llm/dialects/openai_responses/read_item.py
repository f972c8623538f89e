"""One item of a streamed answer, from its start to its end: what of it was told, and what is still to tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mini_llm.dialects import loose
from mini_llm.dialects.openai_responses.response import (
    arguments_of,
    call_of,
    is_answer,
    parts_of,
    phase_of,
    thoughts_of,
)
from mini_llm.dialects.openai_responses.words import NAME
from mini_llm.types import Delta, Json, Opaque, Part, Reasoning, ToolCallDelta

_CALLS = ("function_call", "custom_tool_call")
# What a part inside an item is called in the events about it, and where its words stand there.
_TEXT, _REFUSAL, _SUMMARY, _THOUGHT, _ARGUMENTS = "output_text", "refusal", "summary_text", "reasoning_text", "call"
_PARTS = {
    "response.output_text": (_TEXT, "content_index", "text"),
    "response.refusal": (_REFUSAL, "content_index", "refusal"),
    "response.reasoning_text": (_THOUGHT, "content_index", "text"),
    "response.reasoning_summary_text": (_SUMMARY, "summary_index", "text"),
    "response.function_call_arguments": (_ARGUMENTS, "", "arguments"),
    "response.custom_tool_call_input": (_ARGUMENTS, "", "input"),
}
_WORDS = {_TEXT: "text", _REFUSAL: "refusal", _SUMMARY: "text", _THOUGHT: "text"}


class Item:
    """What is known of one item. Its deltas count blocks from 0; whoever knows the other items numbers them anew."""

    __slots__ = ("_answer", "_began", "_cited", "_pieces", "_raw", "blocks", "kind", "number", "settled")

    def __init__(self, raw: Json, number: int, answer: str) -> None:
        self.kind = loose.text(raw.get("type"))
        self.number = number
        self.settled = False
        self.blocks: dict[int, int] = {}
        self._answer = answer
        self._raw = raw
        self._began = False
        self._cited = 0
        self._pieces: dict[tuple[str, int], list[str]] = {}

    def open(self) -> Iterator[Delta]:
        """Yield what the start of the item says. A thought says nothing until it has words."""
        if self._raw.get("name") if self.kind in _CALLS else self.kind == "message" and phase_of(self._raw):
            yield from self._begin()

    def grow(self, what: str, event: Json) -> Iterator[Delta]:
        """Yield a piece of a part."""
        if piece := loose.text(event.get("delta")):
            kind, place, _ = _PARTS.get(what, ("", "", ""))
            logprobs = tuple(loose.objects(event["logprobs"])) if event.get("logprobs") else ()
            yield from self._piece(kind, loose.count(event.get(place)), piece, logprobs)

    def go_on(self, at: int, piece: str) -> int | None:
        """Take *piece* into the words *at*; return their block, None if they have not begun."""
        pieces = self._pieces.get((_TEXT, at))
        if not pieces:
            return None
        pieces.append(piece)
        return self.blocks.get(_block(_TEXT, at))

    def catch_up(self, what: str, event: Json) -> Iterator[Delta]:
        """Yield what a part that is done holds beyond its pieces."""
        if what in _PARTS:
            kind, place, words = _PARTS[what]
            yield from self._rest(kind, loose.count(event.get(place)), event.get(words))
        elif what == "response.content_part":
            yield from self._part(loose.object_of(event.get("part")), loose.count(event.get("content_index")))
        elif what == "response.reasoning_summary_part":
            yield from self._part(loose.object_of(event.get("part")), loose.count(event.get("summary_index")))

    def cite(self, citation: Json) -> Iterator[Delta]:
        """Yield a source of the words."""
        if citation:
            self._cited += 1
            yield Delta(citations=(citation,))

    def settle(self, raw: Json) -> Iterator[Delta]:
        """Yield what the whole item holds beyond what was told."""
        if self.settled or not raw.get("type"):
            return
        self.settled = True
        self._raw = raw
        if self.kind in _CALLS:
            yield from self._begin()
            whole = raw.get("input") if self.kind == "custom_tool_call" else arguments_of(raw)
            yield from self._rest(_ARGUMENTS, 0, whole)
        elif self.kind == "message" and is_answer(raw):
            yield from self._message(raw)
        elif self.kind == "reasoning":
            yield from self._thoughts(raw)
        else:
            for part in parts_of(raw, self.number, self._answer):
                yield Delta(part=part)

    def _message(self, raw: Json) -> Iterator[Delta]:
        if isinstance(text := raw.get("content"), str):
            yield from self._rest(_TEXT, 0, text)
        parts = loose.objects(raw.get("content"))
        for at, part in enumerate(parts):
            if part.get("type") in ("output_text", "text", "refusal"):
                yield from self._part(part, at)
            elif loose.text(part.get("type")):
                yield Delta(part=Opaque(NAME, part))
        sources = [source for part in parts for source in loose.objects(part.get("annotations"))]
        if missing := tuple(sources[self._cited :]):
            yield Delta(citations=missing)

    def _thoughts(self, raw: Json) -> Iterator[Delta]:
        for place in ("summary", "content"):
            for at, part in enumerate(loose.objects(raw.get(place))):
                yield from self._part(part, at)
        last = thoughts_of(raw)[-1:]
        if last and (last[0].encrypted or not (last[0].text or self._began)):
            yield Delta(part=last[0])

    def _begin(self) -> Iterator[Delta]:
        """Yield what must stand before the first words."""
        if self._began:
            return
        self._began = True
        if self.kind in _CALLS:
            call = call_of(self._raw, self.number, self._answer)
            yield Delta(tool_call=ToolCallDelta(0, call.id, call.name, kind=call.kind, namespace=call.namespace))
            for piece in self._pieces.get((_ARGUMENTS, 0), ()):
                yield _call_piece(piece, call.kind)
        else:
            before: list[Part] = [*phase_of(self._raw)] if self.kind == "message" else []
            if self.kind == "reasoning" and (identity := loose.text(self._raw.get("id"))):
                before.append(Reasoning(id=identity, dialect=NAME))
            for part in before:
                yield Delta(part=part)

    def _part(self, part: Json, at: int) -> Iterator[Delta]:
        kind = loose.text(part.get("type"))
        kind = _TEXT if kind == "text" else kind
        if kind in _WORDS:
            yield from self._rest(kind, at, part.get(_WORDS[kind]))

    def _rest(self, kind: str, at: int, whole: Any) -> Iterator[Delta]:
        pieces = self._pieces.setdefault((kind, at), [])
        pieces[:] = [told := "".join(pieces)]
        text = loose.text(whole)
        if len(text) > len(told) and text.startswith(told):
            yield from self._piece(kind, at, text[len(told) :])

    def _piece(self, kind: str, at: int, piece: str, logprobs: tuple[Json, ...] = ()) -> Iterator[Delta]:
        self._pieces.setdefault((kind, at), []).append(piece)
        if kind == _ARGUMENTS:
            if self._began:  # else it waits for the name
                yield _call_piece(piece, "custom" if self.kind == "custom_tool_call" else "function")
            return
        if not self._began:
            yield from self._begin()
        block = _block(kind, at)
        if kind == _TEXT:
            yield Delta(text=piece, block=block, logprobs=logprobs)
        elif kind == _REFUSAL:
            yield Delta(refusal=piece, block=block)
        elif kind:
            yield Delta(reasoning=piece, summary=kind == _SUMMARY, block=block)


def _block(kind: str, at: int) -> int:
    return 2 * at + (kind in (_REFUSAL, _SUMMARY))


def _call_piece(piece: str, kind: Any) -> Delta:
    return Delta(tool_call=ToolCallDelta(0, arguments=piece, kind=kind))
