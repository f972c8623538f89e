"""Read a streamed answer of chat completions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from typing import Literal

from mini_llm import sse
from mini_llm.dialects import failures, json_events, loose
from mini_llm.dialects.calls import made_up_id
from mini_llm.dialects.openai_chat.reasoning import plain_reasoning, reasoning_parts
from mini_llm.dialects.openai_chat.response import (
    arguments,
    content_text,
    finish_reason,
    kept_fields,
    pictures,
    signature_of,
    sound,
)
from mini_llm.dialects.openai_chat.usage import decode_usage
from mini_llm.errors import TruncatedError, UpstreamError
from mini_llm.types import Delta, Json, Part, ToolCallDelta, Usage

_ERROR_EVENT = "error"


async def decode_stream(events: AsyncIterable[sse.Event]) -> AsyncGenerator[Delta, None]:
    """Yield what *events* say. Raises UpstreamError for an error among them, TruncatedError if the end is missing.

    `[DONE]` and a finish reason are each enough of an end; whatever breaks after a finish reason breaks nothing.
    """
    reader = _Reader()
    bodies = json_events.objects(events, done=True)
    try:
        async for name, chunk in bodies:
            if name == json_events.DONE:
                reader.said_done = True
                break
            for delta in reader.read(chunk, name):
                yield delta
    except UpstreamError:
        if not reader.finished:
            raise
    finally:
        await sse.close(bodies)
    for delta in reader.end():
        yield delta


class _Choice:
    """What is known of one choice while it streams."""

    __slots__ = ("answer", "calls", "finish", "refused", "told", "words")

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.calls: dict[int, int] = {}
        self.told: list[str] = []
        self.finish: object = None
        self.refused = False
        self.words = False


class _Reader:
    """Turns chunks into deltas. The finish reason waits for the end: some send it twice, or calls after it."""

    def __init__(self) -> None:
        self.choices: dict[int, _Choice] = {}
        self.said_done = False
        self._began = False
        self._id = ""
        self._usage: Usage | None = None

    @property
    def finished(self) -> bool:
        """Whether every choice has said why it ended."""
        return bool(self.choices) and all(choice.finish for choice in self.choices.values())

    def read(self, chunk: Json, name: str) -> list[Delta]:
        """Return the deltas of one event, in a list: generators would cost more than the reading itself."""
        if chunk.get("error") or name == _ERROR_EVENT:
            raise failures.inside(chunk)
        found: list[Delta] = []
        choices = chunk.get("choices")
        if not self._began and (choices or chunk.get("id")):  # Azure sends an empty one first
            self._began = True
            self._id = loose.text(chunk.get("id"))
            model, created = loose.text(chunk.get("model")), loose.count(chunk.get("created"))
            found.append(Delta(id=self._id, model=model, created=created))
        if usage := chunk.get("usage") or chunk.get("x_groq"):
            self._keep_usage(usage.get("usage") or usage if isinstance(usage, dict) else None, chunk)
        if isinstance(choices, list):
            for raw in choices:
                if isinstance(raw, dict):
                    self._choice(raw, found)
        return found

    def _keep_usage(self, raw: object, chunk: Json) -> None:
        if usage := decode_usage(raw, chunk):
            self._usage = usage

    def _choice(self, raw: Json, found: list[Delta]) -> None:
        index = raw.get("index")
        if type(index) is not int:
            index = 0
        choice = self.choices.get(index)
        if choice is None:
            choice = self.choices[index] = _Choice(self._id)
        delta = raw.get("delta")
        if not isinstance(delta, dict):
            # A whole message in place of deltas; one after or beside them only repeats them.
            delta = None if choice.words else raw.get("message")
        if isinstance(delta, dict):
            content = delta.get("content")
            text = content if isinstance(content, str) else content_text(content)
            only_text = len(delta) == 1 and text is content
            if not only_text:
                _thoughts(delta, index, found)
            logprobs = raw.get("logprobs")
            if text or logprobs:
                choice.words = True
                kept = loose.objects(loose.object_of(logprobs).get("content")) if logprobs else ()
                if kept or (text and index):
                    found.append(Delta(text=text, choice=index, logprobs=tuple(kept)))
                elif text:
                    found.append(Delta(text))  # nearly every event: without names it is made in two thirds of the time
            if not only_text:
                _rest(delta, choice, index, found)
        if reason := raw.get("finish_reason"):
            choice.finish = choice.finish or reason
            if reason == "error":
                finish_reason(reason, calls=False, refused=False)

    def end(self) -> Iterator[Delta]:
        """Yield the finish reasons, then the usage. Raises TruncatedError if a choice never ended."""
        if not self.said_done and not self.finished:
            raise TruncatedError("the stream ended before the answer did")
        if not self.choices:
            raise TruncatedError("the stream ended without an answer")
        for index, choice in sorted(self.choices.items()):
            reason = finish_reason(choice.finish, calls=bool(choice.told), refused=choice.refused)
            yield Delta(finish_reason=reason, choice=index)
        if self._usage:
            yield Delta(usage=self._usage)


def _thoughts(delta: Json, index: int, found: list[Delta]) -> None:
    """Add the reasoning of a delta; hidden and encrypted entries as whole parts."""
    if delta.get("reasoning_details"):
        for part in reasoning_parts(delta):
            if part.encrypted or part.redacted:
                found.append(Delta(part=part, choice=index))
            else:
                found.append(Delta(reasoning=part.text, signature=part.signature, summary=part.summary, choice=index))
    elif text := plain_reasoning(delta):
        found.append(Delta(reasoning=text, choice=index))


def _rest(delta: Json, choice: _Choice, index: int, found: list[Delta]) -> None:
    """Add what stands in few deltas: calls, a refusal, sound, pictures, sources."""
    if refusal := loose.text(delta.get("refusal")):
        choice.refused = True
        found.append(Delta(refusal=refusal, choice=index))
    if calls := delta.get("tool_calls"):
        found += [Delta(tool_call=_tool_call(raw, choice), choice=index) for raw in loose.objects(calls)]
    if isinstance(function := delta.get("function_call"), dict) and any(function.values()):
        found.append(Delta(tool_call=_tool_call({"function": function}, choice), choice=index))
    if citations := loose.objects(delta.get("annotations")):
        sources = ({name: value for name, value in citation.items() if name != "index"} for citation in citations)
        found.append(Delta(citations=tuple(sources), choice=index))
    if delta.get("images") or delta.get("audio") or delta.get("extra_content"):
        whole: tuple[Part | None, ...] = (*pictures(delta), sound(delta), kept_fields(delta))
        found += [Delta(part=part, choice=index) for part in whole if part]


def _tool_call(raw: Json, choice: _Choice) -> ToolCallDelta:
    """Return a piece of a call. Without an index, a new id or name begins a new call, anything else goes on."""
    function = loose.object_of(raw.get("function"))
    custom = loose.object_of(raw.get("custom")) if raw.get("type") == "custom" else loose.NOTHING
    identity = loose.text(raw.get("id"))
    name = loose.text(function.get("name")) or loose.text(custom.get("name"))
    fragment = arguments(function.get("arguments")) or loose.text(custom.get("input"))
    kind: Literal["function", "custom"] = "custom" if custom else "function"
    index = raw.get("index")
    at = choice.calls.get(index) if isinstance(index, int) else len(choice.told) - 1
    # A new id with a name is a new call, also where every call has the index 0 or none (Gemini, Mistral.rs).
    if at is not None and at >= 0 and not (name and (identity != choice.told[at] if identity else index is None)):
        return ToolCallDelta(at, arguments=fragment, kind=kind, signature=signature_of(raw))
    at = len(choice.told)
    choice.told.append(identity or made_up_id(choice.answer, at))
    choice.calls[index if isinstance(index, int) else at] = at
    return ToolCallDelta(at, choice.told[at], name, fragment, kind, signature=signature_of(raw))
