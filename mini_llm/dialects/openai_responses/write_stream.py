"""Write a streamed answer of the Responses API.

`response.created`; items that open and close once, in order, their parts inside them; every `done` event with the
whole value; `response.completed` with the whole answer. Calls may stream side by side, words and thoughts may not.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterable, Iterator

from mini_llm import sse
from mini_llm.dialects import loose
from mini_llm.dialects.openai_responses.response import finished_item, response_id, whole_response
from mini_llm.dialects.openai_responses.words import NAME, incomplete
from mini_llm.dialects.openai_responses.write_item import Call, Event, Prose
from mini_llm.dialects.openai_responses.write_items import is_fields, whole_item
from mini_llm.errors import MiniLLMError, TruncatedError
from mini_llm.types import (
    Audio,
    Delta,
    FinishReason,
    Json,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolCallDelta,
    Usage,
)


async def encode_stream(
    deltas: AsyncIterable[Delta], *, include_usage: bool = True, model: str = ""
) -> AsyncGenerator[bytes, None]:
    """Yield events for *deltas*. Raises TruncatedError, and writes no ending, if they stop without a finish reason.

    *include_usage* changes nothing: this dialect always tells it. An error that leaves knows the answer it broke off.
    """
    writer: Writer | None = None
    try:
        async for delta in deltas:
            if writer is None:
                writer = Writer(delta, model)
                yield writer.start()
            if events := writer.write(delta):
                yield events
        if writer is None:
            raise TruncatedError("the answer ended before it began")
        yield writer.end()
    except MiniLLMError as error:
        if writer is not None:
            error.answer_id, error.events = writer.id, writer.count
        raise
    finally:
        await sse.close(deltas)


class Writer:
    """The state of one stream: the items so far, and those that are open.

    `prose` is the open one of words or thoughts; `output` has a place for each item, filled when it is closed.
    """

    def __init__(self, first: Delta, model: str) -> None:
        self.id = first.id or response_id()
        self.count = 0
        self._model = first.model or model
        self._created = first.created or int(time.time())
        self.output: list[Json | None] = []
        self.prose: Prose | None = None
        self._calls: dict[int, Call] = {}
        self._fields: Json = {}
        self._refused = False
        self._usage: Usage | None = None
        self._finish: FinishReason | None = None

    def start(self) -> bytes:
        """Return the events that begin the stream."""
        response = self._response([], status="in_progress")
        return self.numbered(
            [("response.created", {"response": response}), ("response.in_progress", {"response": response})]
        )

    def write(self, delta: Delta) -> bytes:
        """Return the events for *delta*; a finish reason and usage wait for the end."""
        if delta.usage is not None:
            self._usage = delta.usage
        if delta.choice:
            return b""  # there is one answer here
        if delta.finish_reason and self._finish is None:
            self._finish = delta.finish_reason
        if (prose := self.prose) is not None and prose.goes_on(delta):
            self.count += 1
            return prose.more_text(delta.text, self.count - 1)
        return self.numbered(self._written(delta))

    def end(self) -> bytes:
        """Return what ends the stream."""
        if self._finish is None:
            raise TruncatedError("the answer ended without a finish reason")
        lacks = incomplete(self._finish, refused=self._refused)
        events = self.numbered(self._ended(lacks))
        output = [item for item in self.output if item is not None]
        name = "response.incomplete" if lacks else "response.completed"
        return events + self.numbered([(name, {"response": self._response(output, lacks=lacks)})])

    def _response(self, output: list[Json], *, lacks: str = "", status: str = "") -> Json:
        return whole_response(self.id, self._model, self._created, output, self._usage, lacks=lacks, status=status)

    def _written(self, delta: Delta) -> Iterator[Event]:
        if delta.reasoning:
            kind = "summary_text" if delta.summary else "reasoning_text"
            yield from self._said("reasoning", kind, delta.reasoning, delta)
        if delta.text or delta.logprobs:
            yield from self._said("message", "output_text", delta.text, delta)
        if delta.refusal:
            self._refused = True
            yield from self._said("message", "refusal", delta.refusal, delta)
        if delta.citations:
            yield from self.open("message")
            assert self.prose is not None
            yield from self.prose.cite(delta.citations)
        if delta.tool_call is not None:
            yield from self._call(delta.tool_call)
        if delta.part is not None:
            yield from self._part(delta.part)

    def _said(self, item: str, part: str, piece: str, delta: Delta) -> Iterator[Event]:
        yield from self.open(item)
        assert self.prose is not None
        yield from self.prose.say(part, piece, delta.block, delta.logprobs)

    def open(self, kind: str, identity: str = "") -> Iterator[Event]:
        """Open an item of words or thoughts, unless one of that kind is open."""
        if self.prose is not None and self.prose.kind == kind and not identity:
            return
        yield from self.close()
        fields, self._fields = self._fields | ({"id": identity} if identity else {}), {}
        self.prose = Prose(kind, self._place(), self.id, fields)
        yield from self.prose.open()

    def close(self, status: str = "completed") -> Iterator[Event]:
        """Close what is open of words or thoughts."""
        if (prose := self.prose) is not None:
            self.prose = None
            yield from prose.close(status)
            self.output[prose.place] = prose.item

    def _place(self) -> int:
        self.output.append(None)
        return len(self.output) - 1

    def _call(self, piece: ToolCallDelta) -> Iterator[Event]:
        call = self._calls.get(piece.index)
        if call is None:
            yield from self.close()
            call = self._calls[piece.index] = Call(piece, self._place(), self.id, self._fields)
            self._fields = {}
            yield from call.open()
        yield from call.grow(piece.arguments)

    def _part(self, part: Part) -> Iterator[Event]:
        """Yield the events for a block that came at once; what only another dialect understands has none."""
        if isinstance(part, Opaque) and is_fields(part):
            yield from self.close()
            self._fields = {**part.raw}
        elif isinstance(part, Reasoning):
            yield from self._thought(part)
        elif isinstance(part, Text):
            yield from self._written(Delta(text=part.text, citations=part.citations))
        elif isinstance(part, (Refusal, Audio)):
            said = part.transcript if isinstance(part, Audio) else ""
            yield from self._written(Delta(text=said, refusal=part.text if isinstance(part, Refusal) else ""))
        elif isinstance(part, ToolCall):
            whole = ToolCallDelta(-1 - len(self._calls), part.id, part.name, part.arguments, part.kind, part.namespace)
            yield from self._call(whole)
        elif raw := whole_item(part):
            yield from self.close()
            place = self._place()
            item = self.output[place] = finished_item(raw, self.id, place)
            yield "response.output_item.added", {"output_index": place, "item": item}
            yield "response.output_item.done", {"output_index": place, "item": item}

    def _thought(self, part: Reasoning) -> Iterator[Event]:
        """Yield the events for thoughts that name their item, or seal it."""
        ours = part.dialect == NAME
        if not ours and not part.text:
            return
        yield from self.open("reasoning", part.id if ours and not self._thinks(part.id) else "")
        if part.text:
            yield from self._said("reasoning", "summary_text" if part.summary else "reasoning_text", part.text, Delta())
        if ours and part.encrypted and self.prose is not None:
            self.prose.fields["encrypted_content"] = part.encrypted
            yield from self.close()

    def _thinks(self, identity: str) -> bool:
        """Whether the thought called *identity* is open."""
        return self.prose is not None and self.prose.kind == "reasoning" and self.prose.id == identity

    def _ended(self, lacks: str) -> Iterator[Event]:
        """Yield the ends of what is open; only the last item may lack something."""
        last = len(self.output) - 1
        status = "incomplete" if lacks else "completed"
        yield from self.close(status if self.prose is not None and self.prose.place == last else "completed")
        for call in self._calls.values():
            yield from call.close(status if call.place == last else "completed")
            self.output[call.place] = call.item

    def numbered(self, events: Iterator[Event] | list[Event]) -> bytes:
        """Return numbered *events* as they go on the wire."""
        out = []
        for name, body in events:
            data = body if isinstance(body, bytes) else loose.json_bytes(body)
            out.append(
                b'event: %b\ndata: {"type":"%b","sequence_number":%d,%b\n\n'
                % (name.encode(), name.encode(), self.count, data[1:])
            )
            self.count += 1
        return b"".join(out)
