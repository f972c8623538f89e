"""Put the state of an answer back where it stood, whatever the client made of the answer. Pure.

What stood beside the words has a place among them: after so many letters and before such a call. So it finds its place
again when a client has joined the words, moved them before the calls, or left some out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, TypeAlias

from mini_llm.memory.keys import squeezed
from mini_llm.types import ChatRequest, Json, Message, Opaque, Part, Reasoning, Refusal, Text, ToolCall

State: TypeAlias = dict[str, Any]

# An Opaque part with one of these says something by itself; others hold fields of the message that must come back.
_BLOCKS = ("type", "candidate")


class Run(NamedTuple):
    """Messages in a row that are one answer, as some clients part them: from `first` to before `end`."""

    first: int
    end: int
    message: Message
    assistant: bool


class Recalled(NamedTuple):
    """A request, and its turns with what is known of them."""

    asked: ChatRequest
    pieces: tuple[tuple[Message, State | None], ...]

    def for_target(self, source: str, dialect: str) -> ChatRequest:
        """Return the request for a target: with the state that *source* gave, and with nobody else's.

        Where an answer is not known, a signature that the client kept stays, if *dialect* is the client's own.
        """
        foreign = self.asked.dialect not in ("", dialect)
        messages = (_for_target(message, state, source, foreign=foreign) for message, state in self.pieces)
        return self.asked._replace(messages=tuple(messages))


def state_of(answer: Message, source: str) -> State | None:
    """Return what clients lose of *answer*; None if there is nothing."""
    beside: list[tuple[int, int, str, Json]] = []
    calls: list[ToolCall] = []
    letters = 0
    for part in answer.parts:
        if isinstance(part, ToolCall):
            calls.append(part)
        elif isinstance(part, Reasoning):
            beside.append((letters, len(calls), "reasoning", part._asdict()))
        elif _is_fields(part):
            beside.append((letters, len(calls), "fields", part._asdict()))
        else:
            letters += _letters(part)
    marked = any(call.signature or call.namespace or call.kind != "function" for call in calls)
    if not beside and not marked:
        return None
    marks = [{name: getattr(call, name) for name in ("id", "name", "kind", "namespace", "signature")} for call in calls]
    mark = sha256("\0".join([answer.name, *map(repr, answer.parts)]).encode("utf-8", "surrogatepass")).hexdigest()
    return {"answer": mark, "source": source, "beside": beside, "calls": marks}


def runs_of(messages: Sequence[Message]) -> list[Run]:
    """Return *messages* as runs: answers in a row are one, everything else stands alone."""
    runs: list[Run] = []
    for at, message in enumerate(messages):
        assistant = message.role == "assistant"
        if assistant and runs and runs[-1].assistant:
            last = runs[-1]
            joined = last.message._replace(parts=(*last.message.parts, *message.parts))
            runs[-1] = last._replace(end=at + 1, message=joined)
        else:
            runs.append(Run(at, at + 1, message, assistant))
    return runs


def pieces_of(
    messages: Sequence[Message], runs: Sequence[Run], states: Sequence[State | None]
) -> Iterator[tuple[Message, State | None]]:
    """Yield the turns, each with its state. Only answers that are known are joined.

    Some clients also part the calls of one answer, each followed by its result: these are one answer again, and the
    results follow it.
    """
    held: list[tuple[Message, State | None]] = []  # an answer, and the results after it
    for run, state in zip(runs, states, strict=True):
        if state is None:
            if held and run.message.role == "tool":
                held[1:] = [(_joined(held[1][0], run.message) if held[1:] else run.message, None)]
                continue
            yield from held
            held = []
            yield from ((message, None) for message in messages[run.first : run.end])
        elif held and held[0][1] is not None and held[0][1]["answer"] == state["answer"]:
            held[0] = (_joined(held[0][0], run.message), state)
        else:
            yield from held
            held = [(run.message, state)]
    yield from held


def _joined(first: Message, second: Message) -> Message:
    return first._replace(parts=(*first.parts, *second.parts))


def _for_target(message: Message, state: State | None, source: str, *, foreign: bool) -> Message:
    if message.role != "assistant":
        return message
    if state is None:
        return _unsigned(message) if foreign else message
    if state["source"] in ("", source):
        return woven(message, state)
    bare = message._replace(parts=tuple(_said(message.parts, state)))
    return woven(bare, {**state, "beside": []}, signed=False)


def _unsigned(message: Message) -> Message:
    if not any(isinstance(part, ToolCall) and part.signature for part in message.parts):
        return message
    parts = (part._replace(signature="") if isinstance(part, ToolCall) else part for part in message.parts)
    return message._replace(parts=tuple(parts))


def woven(message: Message, state: State, *, signed: bool = True) -> Message:
    """Return *message* with *state* put back where it stood, and nothing said twice."""
    rest = _marked(list(_said(message.parts, state)), state["calls"], signed=signed)
    parts: list[Part] = []
    letters = calls = 0
    for place, before, kind, fields in state["beside"]:
        while rest and not (letters >= place and calls >= before):
            part = rest[0]
            if isinstance(part, ToolCall) and calls >= before:
                break
            whole = _letters(part)
            if isinstance(part, Text) and calls >= before and letters + whole > place:
                first, second = _cut(part, place - letters)
                parts.append(first)
                rest[0] = second
                letters = place
                break
            parts.append(rest.pop(0))
            letters += whole
            calls += isinstance(part, ToolCall)
        parts.append(Reasoning(**fields) if kind == "reasoning" else Opaque(**fields))
    return message._replace(parts=(*parts, *rest))


def _said(parts: Sequence[Part], state: State) -> Iterator[Part]:
    """Yield *parts* without what the *state* has as it was given: thoughts, and fields of the same dialect."""
    known = [fields["dialect"] for _, _, kind, fields in state["beside"] if kind == "fields"]
    for part in parts:
        given = isinstance(part, Opaque) and _is_fields(part) and part.dialect in known
        if not isinstance(part, Reasoning) and not given:
            yield part


def _is_fields(part: Part) -> bool:
    return isinstance(part, Opaque) and not any(name in part.raw for name in _BLOCKS)


def _letters(part: Part) -> int:
    return len(squeezed(part.text)) if isinstance(part, Text | Refusal) else 0


def _cut(part: Text, letters: int) -> tuple[Text, Text]:
    """Return the first *letters* letters of *part* and the space after them, and the rest of it with its mark."""
    end = [at for at, letter in enumerate(part.text) if not letter.isspace()][letters]
    return part._replace(text=part.text[:end], cache=None), part._replace(text=part.text[end:])


def _marked(parts: list[Part], marks: Sequence[State], *, signed: bool) -> list[Part]:
    """Return *parts* with the marks on the calls: those of the same id, else the next of the same name."""
    left = list(marks)
    found: list[Part] = []
    for part in parts:
        if isinstance(part, ToolCall):
            same = (mark for mark in left if mark["id"] == part.id and mark["name"] == part.name)
            named = (mark for mark in left if mark["name"] == part.name)
            mark = next(same, None) or next(named, None)
            if mark is not None:
                left.remove(mark)
                part = part._replace(kind=mark["kind"], namespace=mark["namespace"], signature=mark["signature"])
            if not signed:
                part = part._replace(signature="")
        found.append(part)
    return found
