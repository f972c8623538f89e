"""Read a streamed answer of the messages API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterator

import orjson

from mini_llm import sse
from mini_llm.dialects import failures, json_events, loose, surrogates
from mini_llm.dialects.anthropic_messages.response import finish_reason
from mini_llm.dialects.anthropic_messages.usage import decode_usage
from mini_llm.dialects.anthropic_messages.words import NAME
from mini_llm.errors import ProtocolError, TruncatedError, UpstreamError
from mini_llm.types import Delta, Json, Opaque, Reasoning, ToolCallDelta


async def decode_stream(events: AsyncIterable[sse.Event]) -> AsyncGenerator[Delta, None]:
    """Yield what *events* say. Raises UpstreamError for an error among them, TruncatedError if the end is missing.

    A stop reason is enough of an end; whatever breaks after it breaks nothing.
    """
    reader = _Reader()
    bodies = json_events.objects(events)
    try:
        async for name, event in bodies:
            for delta in reader.read(event, name):
                yield delta
            if reader.ended:
                break
    except UpstreamError:
        if not reader.stopped:
            raise
    finally:
        await sse.close(bodies)
    if not reader.stopped:
        raise TruncatedError("the stream ended before the answer did")
    yield reader.finish()


class _Reader:
    """Turns events into deltas: what a block is stands in its start, so that is kept until its end."""

    def __init__(self) -> None:
        self.stopped = False
        self.ended = False
        self._open: dict[int, _Block] = {}
        self._calls = 0
        self._usage: Json = {}
        self._reason: object = None
        self._sequence = ""

    def read(self, event: Json, name: str) -> list[Delta]:
        """Return the deltas of one event, in a list: generators would cost more than the reading itself."""
        match event.get("type") or name:
            case "content_block_delta":
                return self._delta(event)
            case "content_block_start":
                return list(self._start(event))
            case "content_block_stop":
                return list(self._stop(event))
            case "message_start":
                return [self._begin(loose.object_of(event.get("message")))]
            case "message_delta":
                self._message_delta(event)
            case "message_stop":
                self.stopped = self.ended = True
            case "error":
                raise failures.inside(event)
        return []

    def finish(self) -> Delta:
        """Return why the answer ended, and what it used."""
        reason = finish_reason(self._reason, calls=bool(self._calls))
        return Delta(finish_reason=reason, stop_sequence=self._sequence, usage=decode_usage(self._usage))

    def _begin(self, message: Json) -> Delta:
        self._usage = loose.object_of(message.get("usage"))
        return Delta(
            id=loose.text(message.get("id")),
            model=loose.text(message.get("model")),
            usage=decode_usage(self._usage),
        )

    def _message_delta(self, event: Json) -> None:
        """Keep the stop reason, and the counts, which go on from those of the start."""
        told = {name: value for name, value in loose.object_of(event.get("usage")).items() if value is not None}
        if "cache_creation_input_tokens" in told and "cache_creation" not in told:
            self._usage = {name: value for name, value in self._usage.items() if name != "cache_creation"}
        self._usage = {**self._usage, **told}
        delta = loose.object_of(event.get("delta"))
        if delta.get("stop_reason"):
            self.stopped = True
            self._reason = delta["stop_reason"]
            self._sequence = loose.text(delta.get("stop_sequence"))

    def _start(self, event: Json) -> Iterator[Delta]:
        index, raw = loose.count(event.get("index")), loose.object_of(event.get("content_block"))
        block = self._open[index] = _Block(raw)
        match raw.get("type"):
            case "text":
                citations = tuple(loose.objects(raw.get("citations")))
                if (text := loose.text(raw.get("text"))) or citations:
                    yield Delta(text=text, block=index, citations=citations)
            case "thinking":
                if text := loose.text(raw.get("thinking")):
                    yield Delta(reasoning=text, block=index)
                if signature := loose.text(raw.get("signature")):
                    yield Delta(signature=signature, block=index)
            case "tool_use":
                block.call = self._calls
                self._calls += 1
                identity = loose.text(raw.get("id")) or f"call_{block.call}"
                call = ToolCallDelta(block.call, identity, loose.text(raw.get("name")))
                yield Delta(tool_call=call, block=index)

    def _delta(self, event: Json) -> list[Delta]:
        delta = event.get("delta")
        if not isinstance(delta, dict):
            return []
        index, kind = loose.count(event.get("index")), delta.get("type")
        if kind == "text_delta":
            text = loose.text(delta.get("text"))
            return [Delta(text=text, block=index)] if text else []
        if kind == "thinking_delta":
            text = loose.text(delta.get("thinking"))
            return [Delta(reasoning=text, block=index)] if text else []
        if kind == "signature_delta":
            signature = loose.text(delta.get("signature"))
            return [Delta(signature=signature, block=index)] if signature else []
        if kind == "citations_delta":
            citation = loose.object_of(delta.get("citation"))
            return [Delta(citations=(citation,), block=index)] if citation else []
        if (block := self._open.get(index)) and (piece := block.grow(delta)) and block.call is not None:
            return [Delta(tool_call=ToolCallDelta(block.call, arguments=piece), block=index)]
        return []

    def _stop(self, event: Json) -> Iterator[Delta]:
        index = loose.count(event.get("index"))
        block = self._open.pop(index, None)
        if block is None:
            return
        kind = block.raw.get("type")
        if block.call is not None:
            if not block.pieces:  # the arguments came with the start, or there are none
                whole = loose.json_text(loose.object_of(block.raw.get("input")))
                yield Delta(tool_call=ToolCallDelta(block.call, arguments=whole), block=index)
        elif kind == "redacted_thinking":
            part = Reasoning(redacted=loose.text(block.whole().get("data")), dialect=NAME)
            yield Delta(part=part, block=index)
        elif isinstance(kind, str) and kind not in ("text", "thinking"):
            yield Delta(part=Opaque(NAME, block.whole()), block=index)


class _Block:
    """A block from its start to its end."""

    __slots__ = ("_grown", "call", "pieces", "raw")

    def __init__(self, raw: Json) -> None:
        self.raw = raw
        self.call: int | None = None
        self.pieces: list[str] = []
        self._grown: dict[str, list[str]] = {}

    def grow(self, delta: Json) -> str:
        """Add a delta and return the piece of input in it. Of a kind we do not know, the text goes on the start's."""
        if delta.get("type") == "input_json_delta":
            piece = loose.text(delta.get("partial_json"))
            self.pieces += [piece] if piece else []
            return piece
        for name, value in delta.items():
            if name != "type" and isinstance(value, str):
                self._grown.setdefault(name, [loose.text(self.raw.get(name))]).append(value)
        return ""

    def whole(self) -> Json:
        """Return the block with what streamed in pieces."""
        raw = {**self.raw, **{name: "".join(pieces) for name, pieces in self._grown.items()}}
        if not self.pieces:
            return raw
        try:
            return {**raw, "input": surrogates.loads("".join(self.pieces))}
        except orjson.JSONDecodeError as error:
            raise ProtocolError("the input of a provider's tool is not JSON") from error
