"""Write a streamed answer of chat completions: a role, then deltas, one finish reason a choice, usage, `[DONE]`."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterable, Iterator, Sequence

import orjson

from mini_llm import sse
from mini_llm.dialects import loose
from mini_llm.dialects.openai_chat.reasoning import reasoning_fields
from mini_llm.dialects.openai_chat.response import citation_of, told_finish, written_picture
from mini_llm.dialects.openai_chat.usage import encode_usage
from mini_llm.errors import TruncatedError
from mini_llm.types import (
    Audio,
    ChatResponse,
    Delta,
    FinishReason,
    Image,
    Json,
    Opaque,
    Reasoning,
    Text,
    ToolCall,
    ToolCallDelta,
    Usage,
)

DONE = b"data: [DONE]\n\n"


async def encode_stream(
    deltas: AsyncIterable[Delta], *, include_usage: bool = True, model: str = ""
) -> AsyncGenerator[bytes, None]:
    """Yield events for *deltas*. Raises TruncatedError, and writes no ending, if they stop without a finish reason."""
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
    yield writer.end(include_usage=include_usage)


async def encode_rest(
    deltas: AsyncIterable[Delta],
    sent: ChatResponse,
    *,
    recent: Sequence[sse.Event],
    include_usage: bool = True,
    model: str = "",
) -> AsyncGenerator[bytes, None]:
    """Yield the events for *deltas* that come after those of *sent*. Nothing is open between two events."""
    writer = _Writer(Delta(id=sent.id, model=sent.model, created=sent.created), model)
    writer.go_on(sum(len(part.text) for part in sent.choices[0].message.parts if isinstance(part, Text)))
    try:
        async for delta in deltas:
            if events := writer.write(delta):
                yield events
    finally:
        await sse.close(deltas)
    yield writer.end(include_usage=include_usage)


class _Choice:
    """How far one choice has been written."""

    __slots__ = ("calls", "details", "finish", "images", "length", "refused", "sources")

    def __init__(self) -> None:
        self.calls: dict[int, int] = {}
        self.finish: FinishReason | None = None
        self.refused = False
        self.length = 0
        # How many entries of each list went out: openai-python refuses a list whose entries have no `index`.
        self.details = self.images = self.sources = 0


class _Writer:
    """The state of one stream. What all of its chunks share is written once."""

    def __init__(self, first: Delta, model: str) -> None:
        head = {
            "id": first.id or f"chatcmpl-{secrets.token_hex(12)}",
            "object": "chat.completion.chunk",
            "created": first.created or int(time.time()),
            "model": first.model or model,
        }
        self._head = b"data: " + orjson.dumps(head)[:-1] + b',"choices":['
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None

    def go_on(self, length: int) -> None:
        """Go on with an answer of which *length* letters were written by others."""
        self._choices[0] = choice = _Choice()
        choice.length = length

    def write(self, delta: Delta) -> bytes:
        """Return the events for *delta*; a finish reason and usage wait for the end."""
        if delta.usage is not None:
            self._usage = delta.usage
        out = b""
        choice = self._choices.get(delta.choice)
        if choice is None:
            choice = self._choices[delta.choice] = _Choice()
            out = self._chunk(delta.choice, {"role": "assistant", "content": "", "refusal": None})
        if delta.text or delta.logprobs:
            choice.length += len(delta.text)
            out += self._chunk(delta.choice, {"content": delta.text}, logprobs=delta.logprobs)
        for body in _rest(delta, choice):
            out += self._chunk(delta.choice, body)
        if delta.finish_reason and choice.finish is None:
            choice.finish = delta.finish_reason
        return out

    def end(self, *, include_usage: bool) -> bytes:
        """Return what ends the stream."""
        out = b""
        for index, choice in sorted(self._choices.items()):
            if choice.finish is None:
                raise TruncatedError("the answer ended without a finish reason")
            out += self._chunk(index, {}, finish=told_finish(choice.finish, refused=choice.refused))
        if include_usage and self._usage is not None:
            out += self._head + b'],"usage":' + orjson.dumps(encode_usage(self._usage)) + b"}\n\n"
        return out + DONE

    def _chunk(self, index: int, delta: Json, *, finish: str = "", logprobs: tuple[Json, ...] = ()) -> bytes:
        return b'%b{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b}]}\n\n' % (
            self._head,
            index,
            loose.json_bytes(delta),
            loose.json_bytes({"content": logprobs, "refusal": None}) if logprobs else b"null",
            b'"%b"' % finish.encode() if finish else b"null",
        )


def _rest(delta: Delta, choice: _Choice) -> Iterator[Json]:
    """Yield the delta objects for everything but plain text."""
    if delta.reasoning:
        yield {"reasoning_content": delta.reasoning}
    if delta.signature:
        yield _thought(Reasoning(signature=delta.signature), choice)
    if delta.refusal:
        choice.refused = True
        yield {"refusal": delta.refusal}
    if delta.tool_call is not None:
        yield {"tool_calls": [_tool_call(delta.tool_call, choice)]}
    if delta.citations:
        found = [citation_of(citation, 0, choice.length) for citation in delta.citations]
        if kept := [citation for citation in found if citation]:
            yield {"annotations": [{**citation, "index": at} for at, citation in enumerate(kept, choice.sources)]}
            choice.sources += len(kept)
    if delta.part is not None:
        yield from _part(delta.part, choice)


def _part(part: object, choice: _Choice) -> Iterator[Json]:
    """Yield the delta object for a block that came whole; what only another dialect understands has none."""
    match part:
        case Text(text=text) if text:
            choice.length += len(text)
            yield {"content": text}
        case ToolCall():
            index = len(choice.calls)
            whole = ToolCallDelta(-1 - index, part.id, part.name, part.arguments, part.kind, signature=part.signature)
            yield {"tool_calls": [_tool_call(whole, choice)]}
        case Reasoning():
            if fields := _thought(part, choice):
                yield fields
        case Image():
            yield {"images": [{**written_picture(part), "index": choice.images}]}
            choice.images += 1
        case Audio():
            yield {"audio": {"id": part.id, "data": part.data, "transcript": part.transcript}}
        case Opaque(dialect="openai_chat", raw=raw) if "type" not in raw:
            yield raw


def _thought(part: Reasoning, choice: _Choice) -> Json:
    fields = reasoning_fields([part], first=choice.details)
    choice.details += len(fields.get("reasoning_details", ()))
    return fields


def _tool_call(piece: ToolCallDelta, choice: _Choice) -> Json:
    index = choice.calls.get(piece.index)
    inner = "custom" if piece.kind == "custom" else "function"
    key = "input" if inner == "custom" else "arguments"
    if index is not None:
        return {"index": index, inner: {key: piece.arguments}}
    index = choice.calls[piece.index] = len(choice.calls)
    call: Json = {"index": index, "id": piece.id or f"call_{index}", "type": inner}
    call[inner] = {"name": piece.name, key: piece.arguments}
    if piece.signature:
        call["extra_content"] = {"google": {"thought_signature": piece.signature}}
    return call
