"""Read a streamed answer of generateContent: each event is an answer of its own, with the next piece in it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterable, Iterator

from mini_llm import sse
from mini_llm.dialects import calls, json_events, loose
from mini_llm.dialects.gemini.citations import read_logprobs, sources
from mini_llm.dialects.gemini.finish import finish_reason, refuse_blocked, word_of
from mini_llm.dialects.gemini.partial_calls import PartialCall
from mini_llm.dialects.gemini.response import kept_of, opened, parts_of
from mini_llm.dialects.gemini.usage import decode_usage
from mini_llm.dialects.gemini.words import KEPT, camel
from mini_llm.errors import TruncatedError, UpstreamError
from mini_llm.types import Delta, Json, Part, Reasoning, Text, ToolCall, ToolCallDelta


async def decode_stream(events: AsyncIterable[sse.Event]) -> AsyncGenerator[Delta, None]:
    """Yield what *events* say. Raises UpstreamError for an error among them, TruncatedError if the end is missing.

    A finish reason is enough of an end; whatever breaks after it breaks nothing.
    """
    reader = _Reader()
    try:
        async for _, chunk in json_events.objects(events):
            for delta in reader.read(chunk):
                yield delta
    except UpstreamError:
        if not reader.finished:
            raise
    if not reader.finished:
        raise TruncatedError("the stream ended before the answer did")
    for delta in reader.end():
        yield delta


class _Candidate:
    """What is known of one answer while it streams."""

    __slots__ = ("called", "finish", "kept", "partial", "said", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.kept: Json = {}
        self.finish: object = None
        self.partial: PartialCall | None = None
        self.called = False
        self.said = False


class _Reader:
    """Turns events into deltas. The finish reason and the usage wait for the end: some say them in every event."""

    def __init__(self) -> None:
        self._candidates: dict[int, _Candidate] = {}
        self._usage: object = None
        self._seed = ""
        self._calls = 0

    @property
    def finished(self) -> bool:
        """Whether every answer has said why it ended."""
        return bool(self._candidates) and all(word_of(one.finish) for one in self._candidates.values())

    def read(self, chunk: Json) -> Iterator[Delta]:
        answer = opened(chunk)
        if not self._seed:
            identity = loose.text(answer.get("responseId"))
            self._seed = identity or secrets.token_hex(8)
            yield Delta(id=identity, model=loose.text(answer.get("modelVersion")))
        self._usage = answer.get("usageMetadata") or self._usage
        candidates = loose.objects(answer.get("candidates"))
        if not candidates:
            refuse_blocked(answer)
        for raw in candidates:
            yield from self._candidate(camel(raw))

    def _candidate(self, raw: Json) -> Iterator[Delta]:
        index = loose.count(raw.get("index"))
        candidate = self._candidates.get(index)
        if candidate is None:
            candidate = self._candidates[index] = _Candidate()
        for item in loose.objects(loose.object_of(raw.get("content")).get("parts")):
            text = item.get("text")
            if len(item) == 1 and text and isinstance(text, str):  # nearly all there is
                candidate.said = True
                candidate.texts.append(text)
                yield Delta(text=text, choice=index)
                continue
            pieces = _partial(item, candidate)
            for part in parts_of(item, "") if pieces is None else pieces:
                candidate.said = True
                yield self._delta(part, candidate, index)
        for name, value in raw.items():
            if name in KEPT and value:
                candidate.kept[name] = value
        if "logprobsResult" in raw and (logprobs := read_logprobs(raw["logprobsResult"])):
            yield Delta(logprobs=logprobs, choice=index)
        candidate.finish = raw.get("finishReason") or candidate.finish

    def _delta(self, part: Part, candidate: _Candidate, index: int) -> Delta:
        if isinstance(part, Text):
            candidate.texts.append(part.text)
            return Delta(text=part.text, choice=index)
        if isinstance(part, Reasoning) and not part.signature:
            return Delta(reasoning=part.text, summary=True, choice=index)
        if isinstance(part, ToolCall):
            candidate.called = True
            at = self._calls
            self._calls += 1
            identity = part.id or calls.made_up_id(self._seed, at)
            call = ToolCallDelta(at, identity, part.name, part.arguments, signature=part.signature)
            return Delta(tool_call=call, choice=index)
        return Delta(part=part, choice=index)

    def end(self) -> Iterator[Delta]:
        """Yield the sources and why each answer ended, then the usage."""
        for index, candidate in sorted(self._candidates.items()):
            if candidate.partial is not None:
                yield self._delta(candidate.partial.whole(""), candidate, index)
            reason = finish_reason(candidate.finish, calls=candidate.called, said=candidate.said)
            if found := sources(candidate.kept, ["".join(candidate.texts)]):
                yield Delta(citations=found, choice=index)
            if kept := kept_of(candidate.kept):
                yield Delta(part=kept, choice=index)
            yield Delta(finish_reason=reason, choice=index)
        if usage := decode_usage(self._usage):
            yield Delta(usage=usage)


def _partial(raw: Json, candidate: _Candidate) -> list[ToolCall] | None:
    """Take in a piece of a call that comes in pieces; return the call that ends with it. None for anything else."""
    if "functionCall" not in raw and "function_call" not in raw:
        return None
    part = camel(raw)
    call = camel(loose.object_of(part.get("functionCall")))
    before = candidate.partial
    if call.get("name"):
        if call.get("willContinue") is not True:
            return None
        candidate.partial = PartialCall(part)
        candidate.partial.add(part)
        return [before.whole("")] if before else []
    if before is None or before.add(part):
        return []
    candidate.partial = None
    return [before.whole("")]
