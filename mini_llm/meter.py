"""Watch an answer go by: when its content began, what it used, whether it ended properly.

A Meter keeps counts and the last word on usage, one an attempt; a Gatherer puts the whole answer together.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable

from mini_llm.types import (
    ChatResponse,
    Choice,
    Delta,
    FinishReason,
    Json,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolCallDelta,
    Usage,
)


class Meter:
    """What one attempt amounts to. Times are seconds since the attempt began, None until it happens."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.began = now()
        self.first_content: float | None = None
        self.usage: Usage | None = None
        self.ended = False
        self.characters = 0
        self.request_id = ""

    @property
    def elapsed(self) -> float:
        """Seconds since the attempt began."""
        return self._now() - self.began

    def see(self, delta: Delta) -> bool:
        """Take note of *delta*; return whether the caller may now be committed to this answer."""
        size = len(delta.text) + len(delta.reasoning) + len(delta.refusal)
        if delta.tool_call is not None:
            size += len(delta.tool_call.arguments)
        self.characters += size
        if delta.usage is not None:
            self.usage = delta.usage
        if delta.finish_reason is not None:
            self.ended = True
        if not (size or delta.tool_call or delta.part or delta.finish_reason):
            return False
        if self.first_content is None:
            self.first_content = self.elapsed
        return True

    def whole(self, usage: Usage | None) -> None:
        """Take note of an answer that came at once."""
        self.first_content = self.elapsed
        self.usage = usage
        self.ended = True

    async def watch(self, deltas: AsyncIterable[Delta]) -> AsyncGenerator[Delta, None]:
        """Yield *deltas* unchanged, taking note of each."""
        async for delta in deltas:
            self.see(delta)
            yield delta


class Gatherer:
    """Put a streamed answer together again. Feed it every delta; `response()` is the answer so far."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._signature = ""
        self._parts: list[Part] = []
        self._calls: dict[int, list[ToolCallDelta]] = {}
        self._citations: list[Json] = []
        self._logprobs: list[Json] = []
        self._finish_reason: FinishReason | None = None
        self._stop_sequence = ""
        self._usage: Usage | None = None
        self._id = ""
        self._model = ""
        self._created = 0

    def add(self, delta: Delta) -> None:
        """Take in *delta*. Only the first choice is kept."""
        self._id = self._id or delta.id
        self._model = self._model or delta.model
        self._created = self._created or delta.created
        self._usage = delta.usage or self._usage
        if delta.choice:
            return
        if delta.text:
            self._text.append(delta.text)
        if delta.reasoning:
            self._reasoning.append(delta.reasoning)
        if delta.refusal:
            self._refusal.append(delta.refusal)
        if delta.tool_call is not None:
            self._calls.setdefault(delta.tool_call.index, []).append(delta.tool_call)
        if delta.part is not None:
            self._parts.append(delta.part)
        self._signature = delta.signature or self._signature
        self._finish_reason = delta.finish_reason or self._finish_reason
        self._stop_sequence = delta.stop_sequence or self._stop_sequence
        self._citations += delta.citations
        self._logprobs += delta.logprobs

    def response(self) -> ChatResponse:
        """Return what has come so far; `finish_reason` is None until the end has."""
        parts: list[Part] = []
        if self._reasoning or self._signature:
            parts.append(Reasoning("".join(self._reasoning), signature=self._signature))
        parts += self._parts
        if self._text:
            parts.append(Text("".join(self._text), citations=tuple(self._citations)))
        if self._refusal:
            parts.append(Refusal("".join(self._refusal)))
        parts += (_joined(pieces) for _, pieces in sorted(self._calls.items()))
        choice = Choice(
            Message("assistant", tuple(parts)), self._finish_reason, self._stop_sequence, tuple(self._logprobs)
        )
        return ChatResponse(self._id, self._model, (choice,), self._usage, self._created)


def _joined(pieces: list[ToolCallDelta]) -> ToolCall:
    first = pieces[0]
    return ToolCall(
        id=next((piece.id for piece in pieces if piece.id), ""),
        name=next((piece.name for piece in pieces if piece.name), ""),
        arguments="".join(piece.arguments for piece in pieces),
        kind=first.kind,
        namespace=first.namespace,
        signature=next((piece.signature for piece in pieces if piece.signature), ""),
    )
