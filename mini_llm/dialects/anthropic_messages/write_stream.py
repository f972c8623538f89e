"""Write a streamed answer of the messages API.

One `message_start`; blocks that open and close once and never overlap; `message_delta` with the stop reason and the
usage; `message_stop`. Calls that stream side by side are written one after the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Sequence

import orjson

from mini_llm import sse
from mini_llm.dialects import calls, loose, surrogates
from mini_llm.dialects.anthropic_messages.response import block_of, is_source, message_id, told_finish
from mini_llm.dialects.anthropic_messages.usage import encode_usage
from mini_llm.dialects.anthropic_messages.words import NAME
from mini_llm.errors import ProtocolError, TruncatedError
from mini_llm.types import (
    ChatResponse,
    Delta,
    FinishReason,
    Json,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallDelta,
    Usage,
)

MOST_LOOKS = 8
# What is open where the last event held this.
_OPEN = {
    "text": "text", "text_delta": "text", "citations_delta": "text",
    "thinking": "thinking", "thinking_delta": "thinking", "signature_delta": "thinking",
}  # fmt: skip


async def encode_stream(
    deltas: AsyncIterable[Delta], *, include_usage: bool = True, model: str = ""
) -> AsyncGenerator[bytes, None]:
    """Yield events for *deltas*. Raises TruncatedError, and writes no ending, if they stop without a finish reason.

    *include_usage* changes nothing: this dialect always tells it.
    """
    writer: _Writer | None = None
    try:
        async for delta in deltas:
            if writer is None:
                writer = _Writer()
                yield writer.start(delta, model)
            if events := writer.write(delta):
                yield events
    finally:
        await sse.close(deltas)
    if writer is None:
        raise TruncatedError("the answer ended before it began")
    yield writer.end()


async def encode_rest(
    deltas: AsyncIterable[Delta],
    sent: ChatResponse,
    *,
    recent: Sequence[sse.Event],
    include_usage: bool = True,
    model: str = "",
) -> AsyncGenerator[bytes, None]:
    """Yield the events for *deltas* that come after *recent*: in the block that is open there, or the next."""
    writer = _Writer(*_place(recent))
    try:
        async for delta in deltas:
            if events := writer.write(delta):
                yield events
    finally:
        await sse.close(deltas)
    yield writer.end()


def _place(recent: Sequence[sse.Event]) -> tuple[int, str]:
    """Return the index of the last block there was, and its kind if it is open."""
    for name, data in reversed(recent):
        body = loose.object_of(surrogates.loads(data))
        kind = loose.text(body.get("type")) or name
        inside = loose.text(loose.object_of(body.get("content_block") or body.get("delta")).get("type"))
        if kind == "content_block_stop":
            return loose.count(body.get("index")), ""
        if kind == "message_start":
            return -1, ""
        if kind.startswith("content_block_"):
            if inside not in _OPEN:
                break
            return loose.count(body.get("index")), _OPEN[inside]
    raise TruncatedError("the stream ended in a block that cannot be gone on with")


class _Writer:
    """The state of one stream: which block is open, and what waits until it is closed."""

    def __init__(self, index: int = -1, kind: str = "") -> None:
        self._kind = kind  # of the open block: "text", "thinking", "tool" or "" for none
        self._block: int | None = None  # its number on the wire it came from
        self._index = index
        self._call = -1
        self._pieces: list[str] = []
        self._closed: set[int] = set()
        self._looks = MOST_LOOKS
        self._waiting: deque[list[Delta]] = deque()  # the pieces of one call together, anything else alone
        self._of_call: dict[int, list[Delta]] = {}  # those of them that are pieces of a call
        self._usage: Usage | None = None
        self._finish: FinishReason | None = None
        self._sequence = ""

    def start(self, first: Delta, model: str) -> bytes:
        """Return the event that begins the stream."""
        message: Json = {
            "id": first.id or message_id(),
            "type": "message",
            "role": "assistant",
            "model": first.model or model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": encode_usage(first.usage or Usage()),
        }
        return _event("message_start", {"message": message})

    def write(self, delta: Delta) -> bytes:
        """Return the events for *delta*; what cannot be written beside the open call waits."""
        if delta.usage is not None:
            self._usage = delta.usage
        if delta.choice:
            return b""  # there is one answer here: the first
        if delta.finish_reason and self._finish is None:
            self._finish, self._sequence = delta.finish_reason, delta.stop_sequence
        if self._kind != "tool":
            return self._content(delta)
        call = delta.tool_call
        if call is None or call.index != self._call:
            if self._waiting or not self._call_is_whole():
                self._wait(delta)
                return b""
            return self._content(delta)
        events = self._content(delta)
        if self._waiting and call.arguments.endswith("}") and self._call_is_whole():
            events += self._caught_up()
        return events

    def end(self) -> bytes:
        """Return what ends the stream."""
        written = []
        while self._waiting:
            written += [self._close(), self._caught_up()]
        events = b"".join(written)
        if self._finish is None:
            raise TruncatedError("the answer ended without a finish reason")
        stop = {"stop_reason": told_finish(self._finish, self._sequence), "stop_sequence": self._sequence or None}
        told = {"delta": stop, "usage": encode_usage(self._usage or Usage())}
        return events + self._close() + _event("message_delta", told) + _event("message_stop", {})

    def _wait(self, delta: Delta) -> None:
        call = delta.tool_call
        if call is None:
            self._waiting.append([delta])
        elif (pieces := self._of_call.get(call.index)) is not None:
            pieces.append(delta)
        else:
            self._of_call[call.index] = pieces = [delta]
            self._waiting.append(pieces)

    def _caught_up(self) -> bytes:
        """Return the events for what waited, up to the next call that is not whole."""
        events = []
        while self._waiting and (self._kind != "tool" or self._call_is_whole()):
            deltas = self._waiting.popleft()
            if deltas[0].tool_call is not None:
                del self._of_call[deltas[0].tool_call.index]
            events += [self._content(delta) for delta in deltas]
        return b"".join(events)

    def _call_is_whole(self) -> bool:
        """Whether nothing can follow. After a few looks in vain it has to wait for the end: each costs its length."""
        if not self._looks or not (self._pieces and self._pieces[-1].rstrip().endswith("}")):
            return False
        self._looks -= 1
        return calls.is_whole("".join(self._pieces))

    def _content(self, delta: Delta) -> bytes:
        events = b""
        if delta.reasoning:
            events += self._opened("thinking", delta.block) + self._delta(
                b"thinking_delta", b"thinking", delta.reasoning
            )
        if delta.signature:
            events += self._opened("thinking", delta.block)
            events += self._delta(b"signature_delta", b"signature", delta.signature)
        if text := delta.text or delta.refusal:
            events += self._opened("text", delta.block) + self._delta(b"text_delta", b"text", text)
        for citation in delta.citations:
            if is_source(citation):
                events += self._opened("text", delta.block)
                said = {"index": self._index, "delta": {"type": "citations_delta", "citation": citation}}
                events += _event("content_block_delta", said)
        if delta.tool_call is not None:
            events += self._tool(delta.tool_call)
        if delta.part is not None:
            events += self._whole(delta.part)
        return events

    def _tool(self, call: ToolCallDelta) -> bytes:
        events = b""
        if self._kind != "tool" or call.index != self._call:
            if call.index in self._closed and not call.arguments.strip():
                return b""
            if call.index in self._closed:
                raise ProtocolError("a piece of a tool call came after its end")
            identity = call.id or f"call_{call.index}"
            start = {"type": "tool_use", "id": identity, "name": call.name, "input": {}}
            events = self._open("tool", start, None)
            self._call = call.index
            self._closed.add(call.index)
            self._pieces, self._looks = [], MOST_LOOKS
        if call.arguments:
            self._pieces.append(call.arguments)
            events += self._delta(b"input_json_delta", b"partial_json", call.arguments)
        return events

    def _whole(self, part: Part) -> bytes:
        """Return the events for a block that came at once; what has no place here has none."""
        match part:
            case Text(text=text, citations=citations):
                return self._content(Delta(text=text, citations=citations))
            case ToolCall():
                call = ToolCallDelta(-2 - len(self._closed), part.id, part.name, part.arguments)
                return self._tool(call)
            case Reasoning() if not part.redacted and (part.text or part.dialect == NAME):
                signature = part.signature if part.dialect == NAME else ""
                return self._close() + self._content(Delta(reasoning=part.text, signature=signature))
        block = block_of(part)
        if block is None:
            return b""
        return self._open("whole", block, None) + self._close()

    def _opened(self, kind: str, block: int | None) -> bytes:
        if self._kind == kind and (block == self._block or block is None):
            return b""
        start: Json = {"type": "text", "text": ""}
        return self._open(
            kind, start if kind == "text" else {"type": "thinking", "thinking": "", "signature": ""}, block
        )

    def _open(self, kind: str, start: Json, block: int | None) -> bytes:
        events = self._close()
        self._index += 1
        self._kind, self._block = kind, block
        return events + _event("content_block_start", {"index": self._index, "content_block": start})

    def _close(self) -> bytes:
        if not self._kind:
            return b""
        self._kind, self._block = "", None
        return _event("content_block_stop", {"index": self._index})

    def _delta(self, kind: bytes, name: bytes, text: str) -> bytes:
        return (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}'
            b"\n\n" % (self._index, kind, name, orjson.dumps(text))
        )


def _event(name: str, body: Json) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), loose.json_bytes({"type": name, **body}))
