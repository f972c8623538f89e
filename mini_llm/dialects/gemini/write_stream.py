"""Write a streamed answer of generateContent: pieces as they come, calls whole, and one event that ends it.

The finish reasons and the usage stand in the last event alone. There is no `[DONE]`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence

import orjson

from mini_llm import sse
from mini_llm.dialects import calls, loose
from mini_llm.dialects.gemini.citations import grounding, written_logprobs
from mini_llm.dialects.gemini.finish import TOLD
from mini_llm.dialects.gemini.response import answer_id, written_part
from mini_llm.dialects.gemini.signatures import alone
from mini_llm.dialects.gemini.usage import encode_usage
from mini_llm.dialects.gemini.words import CANDIDATE, NAME
from mini_llm.errors import ProtocolError, TruncatedError
from mini_llm.types import (
    ChatResponse,
    Delta,
    FinishReason,
    Json,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallDelta,
    Usage,
)


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
                writer = _Writer(delta, model)
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
    """Yield the events for *deltas* that come after those of *sent*. Nothing is open between two events."""
    writer = _Writer(Delta(id=sent.id, model=sent.model), model)
    writer.go_on([part.text for part in sent.choices[0].message.parts if isinstance(part, Text)])
    try:
        async for delta in deltas:
            if events := writer.write(delta):
                yield events
    finally:
        await sse.close(deltas)
    yield writer.end()


MOST_LOOKS = 8


class _Call:
    """A call whose arguments come in pieces."""

    __slots__ = ("_looks", "identity", "name", "pieces", "signature")

    def __init__(self, first: ToolCallDelta) -> None:
        self._looks = MOST_LOOKS
        self.identity = first.id or f"call_{first.index}"
        self.name = first.name
        self.signature = first.signature
        self.pieces: list[str] = []

    def is_whole(self) -> bool:
        """Whether nothing can follow. After a few looks in vain it has to wait for the end: each costs its length."""
        if not self._looks or not (self.pieces and self.pieces[-1].rstrip().endswith("}")):
            return False
        self._looks -= 1
        return calls.is_whole("".join(self.pieces))

    def part(self) -> ToolCall:
        """Return the call as it stands."""
        return ToolCall(self.identity, self.name, "".join(self.pieces), signature=self.signature)


class _Candidate:
    """How far one answer has been written. Calls wait, in their order, until they are whole."""

    def __init__(self) -> None:
        self.calls: dict[int, _Call] = {}
        self.written: set[int] = set()
        self.open: int | None = None
        self.texts: list[str] = []
        self.citations: list[Json] = []
        self.beside: Json = {}
        self.finish: FinishReason | None = None
        self.said = False

    def take(self, piece: ToolCallDelta) -> list[Json]:
        """Take in a piece of a call; return the calls before it if they are whole."""
        whole = self.whole_calls() if piece.index != self.open else []
        if piece.index in self.written:
            if piece.arguments.strip():
                raise ProtocolError("a piece of a tool call came after its end")
            return whole
        self.open = piece.index
        call = self.calls.setdefault(piece.index, _Call(piece))
        call.signature = call.signature or piece.signature
        if piece.arguments:
            call.pieces.append(piece.arguments)
        return whole

    def whole_calls(self, *, ended: bool = False) -> list[Json]:
        """Return the calls that are whole and not yet written; at the end all."""
        parts: list[Json] = []
        self.open = None
        before = len(self.written)
        for index, call in self.calls.items():
            if not ended and not call.is_whole():
                break
            self.written.add(index)
            if written := written_part(call.part()):
                parts.append(written)
        if len(self.written) > before:
            self.calls = {index: call for index, call in self.calls.items() if index not in self.written}
        return parts


class _Writer:
    """The state of one stream. What all of its events share is written once."""

    def __init__(self, first: Delta, model: str) -> None:
        head = {"modelVersion": first.model or model, "responseId": first.id or answer_id()}
        self._tail = b"," + orjson.dumps(head)[1:] + b"\n\n"
        self._candidates: dict[int, _Candidate] = {}
        self._usage: Usage | None = None

    def go_on(self, texts: list[str]) -> None:
        """Go on with an answer of which *texts* were written by others."""
        self._candidates[0] = candidate = _Candidate()
        candidate.texts, candidate.said = texts, bool(texts)

    def write(self, delta: Delta) -> bytes:
        """Return the events for *delta*."""
        if delta.usage is not None:
            self._usage = delta.usage
        candidate = self._candidates.get(delta.choice)
        if candidate is None:
            candidate = self._candidates[delta.choice] = _Candidate()
        if delta.finish_reason and candidate.finish is None:
            candidate.finish = delta.finish_reason
        candidate.citations += delta.citations
        parts = candidate.take(delta.tool_call) if delta.tool_call is not None else []
        parts += _content(delta, candidate)
        if not parts and not delta.logprobs:
            return b""
        candidate.said = candidate.said or bool(parts)
        body: Json = {"content": {"parts": parts or [{"text": ""}], "role": "model"}, "index": delta.choice}
        if delta.logprobs:
            body["logprobsResult"] = written_logprobs(delta.logprobs)
        return self._event([body])

    def end(self) -> bytes:
        """Return the event that ends the stream."""
        bodies = [_ended(candidate, index) for index, candidate in sorted(self._candidates.items())]
        usage = {"usageMetadata": encode_usage(self._usage)} if self._usage is not None else {}
        return self._event(bodies, usage)

    def _event(self, candidates: list[Json], more: Json = loose.NOTHING) -> bytes:
        return b"data: " + loose.json_bytes({"candidates": candidates, **more})[:-1] + self._tail


def _content(delta: Delta, candidate: _Candidate) -> list[Json]:
    """Return the parts for everything but a piece of a call; what was called before comes before it."""
    said: list[Json] = []
    if delta.reasoning:
        said.append({"text": delta.reasoning, "thought": True})
    for text in (delta.text, delta.refusal):
        if text:
            candidate.texts.append(text)
            said.append({"text": text})
    if delta.part is not None and (written := _whole(delta.part, candidate)):
        said.append(written)
    return [*candidate.whole_calls(), *said] if said else []


def _whole(part: Part, candidate: _Candidate) -> Json | None:
    """Return a block that came at once; what belongs beside the answer is kept for the end."""
    if isinstance(part, Reasoning) and part.dialect == NAME and part.signature and not part.text:
        return alone(part.signature)
    if isinstance(part, Opaque) and part.dialect == NAME and CANDIDATE in part.raw:
        candidate.beside = dict(loose.object_of(part.raw[CANDIDATE]))
        return None
    return written_part(part)


def _ended(candidate: _Candidate, index: int) -> Json:
    parts = candidate.whole_calls(ended=True)
    if candidate.finish is None:
        raise TruncatedError("the answer ended without a finish reason")
    body: Json = {"content": {"parts": parts or [{"text": ""}], "role": "model"}}
    if not parts and not candidate.said and candidate.finish in ("content_filter", "refusal"):
        body = {}
    body |= {"finishReason": TOLD[candidate.finish], "index": index}
    beside = candidate.beside
    if not beside and (found := grounding(candidate.citations, "".join(candidate.texts))):
        beside = {"groundingMetadata": found}
    return body | beside
