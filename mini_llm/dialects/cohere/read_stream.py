"""Read a streamed answer of Cohere's chat: every event names its type, and holds a piece of the message."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterator

from mini_llm import sse
from mini_llm.dialects import failures, loose
from mini_llm.dialects.cohere.read_answer import tool_call
from mini_llm.dialects.cohere.words import decode_usage, finish_reason, sources
from mini_llm.dialects.json_events import objects
from mini_llm.errors import TruncatedError
from mini_llm.types import Delta, Json, ToolCallDelta


async def decode_stream(events: AsyncIterable[sse.Event]) -> AsyncGenerator[Delta, None]:
    """Yield what *events* say. Raises UpstreamError for an error among them, TruncatedError if the end is missing."""
    reader = _Reader()
    pieces = objects(events)
    try:
        async for name, body in pieces:
            for delta in reader.read(loose.text(body.get("type")) or name, body):
                yield delta
            if reader.ended:
                return
    finally:
        await pieces.aclose()
    raise TruncatedError("the stream ended before the answer did")


class _Reader:
    """Turns events into deltas; calls are numbered in the order they begin."""

    def __init__(self) -> None:
        self.ended = False
        self._id = ""
        self._calls: dict[int, int] = {}

    def read(self, kind: str, body: Json) -> Iterator[Delta]:
        delta = loose.object_of(body.get("delta"))
        message = loose.object_of(delta.get("message"))
        match kind:
            case "content-delta" | "content-start":
                yield from self._words(message, body)
            case "tool-plan-delta":
                if plan := loose.text(message.get("tool_plan")):
                    yield Delta(text=plan)
            case "tool-call-start":
                yield from self._call(message, body)
            case "tool-call-delta":
                yield from self._arguments(message, body)
            case "citation-start":
                if found := sources(loose.object_of(message.get("citations"))):
                    yield Delta(citations=tuple(found))
            case "message-start":
                self._id = loose.text(body.get("id"))
                yield Delta(id=self._id)
            case "message-end":
                yield self._end(delta)
            case _ if body.get("error") or (isinstance(body.get("message"), str) and not delta):
                raise failures.inside(body)

    def _words(self, message: Json, body: Json) -> Iterator[Delta]:
        content = loose.object_of(message.get("content"))
        if thinking := loose.text(content.get("thinking")):
            yield Delta(reasoning=thinking, block=loose.count(body.get("index")))
        text = loose.text(content.get("text"))
        logprobs = body.get("logprobs")
        listed = (logprobs,) if isinstance(logprobs, dict) else tuple(loose.objects(logprobs))
        if text or listed:
            yield Delta(text=text, block=loose.count(body.get("index")), logprobs=listed)

    def _call(self, message: Json, body: Json) -> Iterator[Delta]:
        at = len(self._calls)
        call = tool_call(loose.object_of(message.get("tool_calls")), at, self._id)
        if call.name:
            self._calls[loose.count(body.get("index"))] = at
            yield Delta(tool_call=ToolCallDelta(at, call.id, call.name, call.arguments))

    def _arguments(self, message: Json, body: Json) -> Iterator[Delta]:
        function = loose.object_of(loose.object_of(message.get("tool_calls")).get("function"))
        at = self._calls.get(loose.count(body.get("index")))
        piece = loose.text(function.get("arguments"))
        if piece and at is not None:
            yield Delta(tool_call=ToolCallDelta(at, arguments=piece))

    def _end(self, delta: Json) -> Delta:
        self.ended = True
        reason = finish_reason(delta.get("finish_reason"), calls=bool(self._calls), told=loose.text(delta.get("error")))
        return Delta(finish_reason=reason, usage=decode_usage(delta.get("usage")))
