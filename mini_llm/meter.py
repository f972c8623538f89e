"""Watch an answer go by: when its content began, what it used, whether it ended properly.

A Meter keeps counts and the last word on usage, one an attempt; a Gatherer puts the whole answer together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

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

CHARACTERS_A_TOKEN = 4  # where nobody counted: of what was said, and of what was asked
# A signature that streams is Anthropic's, whatever wire it came by; others' come in parts that name their dialect.
SIGNER = "anthropic_messages"
MOST_WORDS = 512


class Meter:
    """What one attempt amounts to. Times are seconds since the attempt began, None until it happens.

    `watch`, if there is one, is called with each step after the first content; what it raises ends the stream.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.began = now()
        self.first_content: float | None = None
        self.usage: Usage | None = None
        self.ended = False
        self.characters = 0
        self.request_id = ""
        self.watch: Callable[[Meter, Delta], None] | None = None

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
        if delta.part is not None:
            self.characters += _characters(delta.part)
        if delta.usage is not None:
            self.usage = delta.usage
        if delta.finish_reason is not None:
            self.ended = True
        if not (size or delta.tool_call or delta.part or delta.finish_reason):
            return False
        if self.first_content is None:
            self.first_content = self.elapsed
        return True

    def whole(self, usage: Usage | None, read: Callable[[], ChatResponse] | None = None) -> None:
        """Take note of an answer that came at once; where it tells no usage, its words are counted as *read* tells."""
        self.first_content = self.elapsed
        self.usage = usage
        self.ended = True
        if usage is None and read is not None:
            parts = (part for choice in read().choices for part in choice.message.parts)
            self.characters += sum(map(_characters, parts))

    def charged(self, nanos: int) -> None:
        """Take note of what the target says that it took, where its usage did not say so."""
        if self.usage is not None and self.usage.cost_nanos is None:
            self.usage = self.usage._replace(cost_nanos=nanos)

    @property
    def told(self) -> bool:
        """Whether the provider's own count is of all of the answer."""
        return self.ended and self.usage is not None

    def estimate(self, prompt: int) -> None:
        """Count what the provider did not: *prompt* tokens in, four characters of the answer a token out.

        What it did tell of an answer that was cut short is kept, but for an output that is less than what was seen.
        """
        said = -(-self.characters // CHARACTERS_A_TOKEN)
        if self.usage is None:
            self.usage = Usage(prompt, said, estimated=True)
        elif said > self.usage.output_tokens and not self.ended:
            self.usage = self.usage._replace(output_tokens=said, cost_nanos=None, estimated=True)


class Gatherer:
    """Put a streamed answer together again. Feed it every delta; `response()` is the answer so far.

    Parts keep the order in which they began: what is thought between two calls stays between them. Past *limit*
    characters no more words are kept, and `cut` tells.
    """

    def __init__(self, limit: float = math.inf) -> None:
        self.cut = False
        self._left = limit
        self._blocks: list[_Block] = []
        self._calls: dict[int, _Block] = {}
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
        if delta.reasoning:
            self._say("reasoning", delta.reasoning, delta)
        if delta.text:
            self._say("text", delta.text, delta)
        if delta.refusal:
            self._say("refusal", delta.refusal, delta)
        if delta.signature:
            self._growing("reasoning", delta).signature = delta.signature
        if delta.citations:
            self._growing("text", delta).citations += delta.citations
        if delta.tool_call is not None and self._fits(len(delta.tool_call.arguments)):
            self._call(delta.tool_call.index).pieces.append(delta.tool_call)
        if delta.part is not None:
            self._blocks.append(_Block("part", delta.block, part=delta.part))
        self._finish_reason = delta.finish_reason or self._finish_reason
        self._stop_sequence = delta.stop_sequence or self._stop_sequence
        if delta.logprobs:
            self._logprobs += delta.logprobs

    def response(self) -> ChatResponse:
        """Return what has come so far; `finish_reason` is None until the end has."""
        message = Message("assistant", tuple(block.whole() for block in self._blocks))
        choice = Choice(message, self._finish_reason, self._stop_sequence, tuple(self._logprobs))
        return ChatResponse(self._id, self._model, (choice,), self._usage, self._created)

    def _say(self, kind: str, said: str, delta: Delta) -> None:
        words = self._growing(kind, delta).words
        if self._fits(len(said)):
            words.append(said)
            if len(words) > MOST_WORDS:  # a short string is mostly overhead
                words[:] = ("".join(words),)

    def _fits(self, characters: int) -> bool:
        self._left -= characters
        if self._left < 0:
            self.cut = True
        return not self.cut

    def _growing(self, kind: str, delta: Delta) -> _Block:
        """Return the block that *delta* goes on with, or a new one. Without a number it goes on with the last."""
        last = self._blocks[-1] if self._blocks else None
        if last is None or last.kind != kind or last.signature or delta.block not in (None, last.number):
            last = _Block(kind, delta.block, summary=delta.summary)
            self._blocks.append(last)
        return last

    def _call(self, index: int) -> _Block:
        if index not in self._calls:
            self._calls[index] = _Block("call", None)
            self._blocks.append(self._calls[index])
        return self._calls[index]


def _characters(part: Part) -> int:
    """Return how much *part* says."""
    match part:
        case Text(text=text) | Reasoning(text=text) | Refusal(text=text) | ToolCall(arguments=text):
            return len(text)
        case _:
            return 0


class _Block:
    """A part that is still growing."""

    __slots__ = ("citations", "kind", "number", "part", "pieces", "signature", "summary", "words")

    def __init__(self, kind: str, number: int | None, *, summary: bool = False, part: Part | None = None) -> None:
        self.kind = kind
        self.number = number
        self.summary = summary
        self.part = part
        self.words: list[str] = []
        self.pieces: list[ToolCallDelta] = []
        self.citations: list[Json] = []
        self.signature = ""

    def whole(self) -> Part:
        if self.part is not None:
            return self.part
        text = "".join(self.words)
        if self.kind == "call":
            return _joined(self.pieces)
        if self.kind == "reasoning":
            signer = SIGNER if self.signature else ""
            return Reasoning(text, summary=self.summary, signature=self.signature, dialect=signer)
        return Refusal(text) if self.kind == "refusal" else Text(text, citations=tuple(self.citations))


def scattered(response: ChatResponse) -> Iterator[Delta]:
    """Yield the deltas a whole answer would have streamed as: what a Gatherer would put together to the same."""
    yield Delta(id=response.id, model=response.model, created=response.created)
    calls = 0
    for choice, answer in enumerate(response.choices):
        for block, part in enumerate(answer.message.parts):
            match part:
                case Text(text=text, citations=citations):
                    yield Delta(text=text, citations=citations, block=block, choice=choice)
                case Refusal(text=text):
                    yield Delta(refusal=text, block=block, choice=choice)
                case ToolCall():
                    piece = ToolCallDelta(
                        calls, part.id, part.name, part.arguments, part.kind, part.namespace, part.signature
                    )
                    calls += 1
                    yield Delta(tool_call=piece, block=block, choice=choice)
                case _:
                    yield Delta(part=part, block=block, choice=choice)
        yield Delta(
            finish_reason=answer.finish_reason,
            stop_sequence=answer.stop_sequence,
            logprobs=answer.logprobs,
            usage=response.usage,
            choice=choice,
        )


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
