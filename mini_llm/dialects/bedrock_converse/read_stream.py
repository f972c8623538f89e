"""Read a streamed answer of Converse."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterator

from mini_llm import sse
from mini_llm.dialects import calls, loose
from mini_llm.dialects.bedrock_converse.errors import exception
from mini_llm.dialects.bedrock_converse.frames import EXCEPTION
from mini_llm.dialects.bedrock_converse.read_answer import picture_of
from mini_llm.dialects.bedrock_converse.words import (
    NAME,
    SERVER_TOOL,
    decode_usage,
    finish_reason,
    hidden_thought,
    source,
)
from mini_llm.dialects.json_events import objects
from mini_llm.errors import TruncatedError, UpstreamError
from mini_llm.types import Delta, Json, Opaque, ToolCallDelta, Usage


async def decode_stream(events: AsyncIterable[sse.Event]) -> AsyncGenerator[Delta, None]:
    """Yield what *events* say. Raises UpstreamError for an error among them, TruncatedError if the end is missing.

    A stop reason is enough of an end; whatever breaks after it breaks nothing.
    """
    reader = _Reader()
    pieces = objects(events)
    try:
        async for name, body in pieces:
            for delta in reader.read(name, body):
                yield delta
            if reader.ended:
                break
    except UpstreamError:
        if not reader.stopped:
            raise
    finally:
        await pieces.aclose()
    if not reader.stopped:
        raise TruncatedError("the stream ended before the answer did")
    yield reader.finish()


class _Reader:
    """Turns events into deltas; the counts come after the stop reason."""

    def __init__(self) -> None:
        self.stopped = False
        self.ended = False
        self._reason: object = None
        self._usage: Usage | None = None
        self._calls: dict[int, int] = {}
        self._begun: dict[int, Json] = {}  # blocks of the provider's own tools, until they end

    def read(self, name: str, body: Json) -> Iterator[Delta]:
        if name.startswith(EXCEPTION):
            raise exception(name.removeprefix(EXCEPTION), body)
        index = loose.count(body.get("contentBlockIndex"))
        match name:
            case "contentBlockDelta":
                yield from self._delta(loose.object_of(body.get("delta")), index)
            case "contentBlockStart":
                yield from self._start(loose.object_of(body.get("start")), index)
            case "contentBlockStop":
                if block := self._begun.pop(index, None):
                    yield Delta(part=Opaque(NAME, block), block=index)
            case "messageStart":
                yield Delta()
            case "messageStop":
                self.stopped = True
                self._reason = body.get("stopReason")
            case "metadata":
                self._usage = decode_usage(body.get("usage"), body.get("serviceTier")) or self._usage
                self.ended = self.stopped

    def finish(self) -> Delta:
        """Return why the answer ended, and what it used."""
        return Delta(finish_reason=finish_reason(self._reason, calls=bool(self._calls)), usage=self._usage)

    def _start(self, start: Json, index: int) -> Iterator[Delta]:
        used = start.get("toolUse")
        if isinstance(used, dict) and used.get("type") != SERVER_TOOL:
            at = len(self._calls)
            self._calls[index] = at
            identity = loose.text(used.get("toolUseId")) or calls.made_up_id("", index)
            yield Delta(tool_call=ToolCallDelta(at, identity, loose.text(used.get("name"))), block=index)
        elif isinstance(used, dict) or isinstance(start.get("toolResult"), dict):
            self._begun[index] = {name: dict(value) for name, value in start.items() if isinstance(value, dict)}

    def _delta(self, delta: Json, index: int) -> Iterator[Delta]:
        if text := loose.text(delta.get("text")):
            yield Delta(text=text, block=index)
        elif isinstance(thought := delta.get("reasoningContent"), dict):
            yield from _thought(thought, index)
        elif isinstance(used := delta.get("toolUse"), dict):
            yield from self._input(loose.text(used.get("input")), index)
        elif isinstance(citation := delta.get("citation"), dict):
            if found := source(citation):
                yield Delta(citations=(found,), block=index)
        elif isinstance(picture := delta.get("image"), dict):
            if part := picture_of(picture):
                yield Delta(part=part, block=index)
        elif index in self._begun and (result := loose.objects(delta.get("toolResult"))):
            kept = self._begun[index].get("toolResult", {})
            self._begun[index] = {"toolResult": {**kept, "content": [*loose.objects(kept.get("content")), *result]}}

    def _input(self, piece: str, index: int) -> Iterator[Delta]:
        if index in self._calls:
            if piece:
                yield Delta(tool_call=ToolCallDelta(self._calls[index], arguments=piece), block=index)
        elif index in self._begun:
            kept = self._begun[index].get("toolUse", {})
            self._begun[index] = {"toolUse": {**kept, "input": loose.text(kept.get("input")) + piece}}


def _thought(thought: Json, index: int) -> Iterator[Delta]:
    if text := loose.text(thought.get("text")):
        yield Delta(reasoning=text, block=index)
    if signature := loose.text(thought.get("signature")):
        yield Delta(signature=signature, block=index)
    if part := hidden_thought(thought.get("redactedContent")):
        yield Delta(part=part, block=index)
