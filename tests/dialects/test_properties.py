"""What must hold for any conversation, any stream and any nonsense."""

from __future__ import annotations

import contextlib
import itertools
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mini_llm import dialects
from mini_llm.errors import MiniLLMError, ProtocolError, TruncatedError
from mini_llm.types import (
    CacheMark,
    ChatRequest,
    Delta,
    Document,
    Image,
    Message,
    Reasoning,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    Usage,
)
from tests.dialects import strict
from tests.dialects.reading import OURS, decoded, encoded, recordings, streamed_meaning
from tests.dialects.test_cases import CASES, parts


def built(kind: Any, *positional: st.SearchStrategy[Any], **named: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for *kind* with these fields and no others (Hypothesis would fill in the defaults)."""
    fields = st.tuples(st.tuples(*positional), st.fixed_dictionaries(named))
    return fields.map(lambda drawn: kind(*drawn[0], **drawn[1]))


BOTH = pytest.mark.parametrize("name", dialects.NAMES)
WORDS = st.text(max_size=12).map(str.strip).filter(bool)
NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
JSON_OBJECTS = st.dictionaries(NAMES, st.none() | st.booleans() | st.integers(-5, 5) | WORDS, max_size=3)
MARKS = st.none() | built(CacheMark, st.sampled_from(["", "5m", "1h"]))

TEXTS = built(Text, WORDS, MARKS)
IMAGES = built(Image, url=st.just("https://example.com/a.png"), cache=MARKS) | built(
    Image, data=st.just("iVBORw0KGgo="), media_type=st.sampled_from(["image/png", "image/jpeg"]), cache=MARKS
)
FILES = built(
    Document, data=st.just("JVBERi0="), media_type=st.just("application/pdf"), name=WORDS, cache=MARKS
) | built(Document, data=st.just("SGVsbG8="), media_type=st.just("text/plain"), name=WORDS)
ARGUMENTS = JSON_OBJECTS.map(lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False))
THOUGHTS = {
    "openai_chat": built(Reasoning, WORDS),
    "anthropic_messages": built(Reasoning, WORDS, signature=WORDS, dialect=st.just("anthropic_messages"))
    | built(Reasoning, redacted=WORDS, dialect=st.just("anthropic_messages")),
}


@st.composite
def conversations(draw: st.DrawFn, name: str) -> tuple[Message, ...]:
    """Return turns in the form that *name* gives them: what a dialect would merge is merged."""
    messages = []
    if system := draw(st.lists(TEXTS, max_size=2)):
        messages.append(Message("system", tuple(system)))
    for turn in range(draw(st.integers(1, 3))):
        messages.append(Message("user", tuple(draw(st.lists(TEXTS | IMAGES | FILES, min_size=1, max_size=3)))))
        ids = [f"call_{turn}_{at}" for at in range(draw(st.integers(0, 2)))]
        # A Claude that thinks wants its thoughts back with its calls.
        thought = draw(THOUGHTS[name] if ids and name == "anthropic_messages" else st.none() | THOUGHTS[name])
        said = [*([thought] if thought else []), *draw(st.lists(built(Text, WORDS), max_size=1))]
        calls = [ToolCall(identity, draw(NAMES), draw(ARGUMENTS)) for identity in ids]
        if not calls and not any(isinstance(part, Text) for part in said):
            said.append(Text("So."))
        messages.append(Message("assistant", (*said, *calls)))
        if ids:
            failed = name == "anthropic_messages" and draw(st.booleans())
            results = (ToolResult(identity, (Text(draw(WORDS)),), is_error=failed) for identity in ids)
            messages.append(Message("tool", tuple(results)))
    return tuple(messages)


@st.composite
def requests(draw: st.DrawFn, name: str) -> ChatRequest:
    tools = draw(st.lists(built(Tool, NAMES, WORDS, st.just({"type": "object", "properties": {}}),
                                    st.none() | st.booleans(), MARKS), max_size=2))  # fmt: skip
    choices = st.sampled_from(["auto", "required", "none"]).map(ToolChoice) | built(ToolChoice, st.just("tool"), NAMES)
    efforts = st.sampled_from(["low", "medium", "high", "xhigh"])
    thinking = {
        "openai_chat": built(Thinking, effort=efforts),
        "anthropic_messages": built(Thinking, st.just(True), st.none() | efforts, st.none() | st.integers(1024, 9999))
        | built(Thinking, st.just(False)),
    }[name]
    form = built(ResponseFormat, st.just("json_schema"), JSON_OBJECTS)
    if name == "openai_chat":
        form = built(ResponseFormat, st.just("json_schema"), JSON_OBJECTS, NAMES, WORDS, st.none() | st.booleans())
    return ChatRequest(
        model=draw(NAMES),
        messages=draw(conversations(name)),
        stream=draw(st.booleans()),
        max_tokens=draw(st.integers(1, 9999)),
        temperature=draw(st.none() | st.floats(0, 1)),
        top_p=draw(st.none() | st.floats(0, 1)),
        top_k=draw(st.none() | st.integers(1, 50)),
        stop=tuple(draw(st.lists(WORDS, max_size=2))),
        tools=tuple(tools),
        tool_choice=draw(choices) if tools and draw(st.booleans()) else None,
        response_format=draw(st.none() | form),
        thinking=draw(st.none() | thinking),
        user=draw(st.just("") | WORDS),
        dialect=name,
    )


@pytest.mark.parametrize("name", THOUGHTS)
@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_any_request_that_a_dialect_can_say_comes_back_the_same(name: str, data: st.DataObject) -> None:
    request = data.draw(requests(name))
    again = dialects.get(name).decode_request(json.loads(json.dumps(dialects.get(name).encode_request(request))))
    assert again._replace(include_usage=False) == request


# ---- streams


@st.composite
def streams(draw: st.DrawFn) -> list[Delta]:
    """Return a stream whose calls, words and thoughts come in any order, in pieces of any size."""
    threads: list[list[Delta]] = [
        [Delta(text=text) for text in draw(st.lists(st.text(min_size=1, max_size=5), max_size=3))],
        [Delta(reasoning=text) for text in draw(st.lists(st.text(min_size=1, max_size=5), max_size=3))],
    ]
    for index in range(draw(st.integers(0, 3))):
        arguments = draw(ARGUMENTS)
        cuts = sorted(draw(st.lists(st.integers(0, len(arguments)), max_size=3)))
        edges = [0, *cuts, len(arguments)]
        pieces = [arguments[start:stop] for start, stop in itertools.pairwise(edges)]
        begin = ToolCallDelta(index, f"call_{index}", draw(NAMES), pieces[0])
        threads.append(
            [Delta(tool_call=begin), *(Delta(tool_call=ToolCallDelta(index, arguments=piece)) for piece in pieces[1:])]
        )
    deltas = [Delta(id="x", model="m", created=1_700_000_000)]
    started = 2
    while any(threads):
        # A call begins only after the one before it has begun.
        ready = [at for at, thread in enumerate(threads) if thread and (at <= started)]
        at = draw(st.sampled_from(ready)) if ready else next(at for at, thread in enumerate(threads) if thread)
        started = max(started, at + 1)
        deltas.append(threads[at].pop(0))
    return deltas


END = [Delta(finish_reason="length"), Delta(usage=Usage(input_tokens=7, output_tokens=5, cache_read_tokens=3))]


@BOTH
@given(deltas=streams())
@settings(max_examples=150)
def test_any_stream_is_written_in_order_and_means_the_same(name: str, deltas: list[Delta]) -> None:
    raw = encoded(name, [*deltas, *END])
    strict.check(name, raw)
    assert streamed_meaning(decoded(name, raw)) == streamed_meaning([*deltas, *END])


@BOTH
@given(deltas=streams(), keep=st.integers(0, 30))
@settings(max_examples=60)
def test_a_stream_that_never_finishes_is_never_ended(name: str, deltas: list[Delta], keep: int) -> None:
    chunks: list[bytes] = []
    with pytest.raises(TruncatedError):
        encoded(name, deltas[:keep], into=chunks)
    strict.check(name, b"".join(chunks), whole=False)


@BOTH
@given(deltas=streams(), data=st.data())
@settings(max_examples=100)
def test_a_cut_stream_is_known_as_cut(name: str, deltas: list[Delta], data: st.DataObject) -> None:
    raw = encoded(name, [*deltas, *END])
    at = data.draw(st.integers(0, len(raw)))
    before: list[Delta] = []
    told = streamed_meaning([*deltas, *END])
    try:
        decoded(name, raw[:at], into=before)
    except TruncatedError:
        assert not any(delta.finish_reason for delta in before)
        assert told.text.startswith(streamed_meaning(before).text)
    else:
        assert streamed_meaning(before)._replace(usage=None) == told._replace(usage=None)


def test_an_event_that_is_not_json_is_a_protocol_error_unless_it_is_the_cut() -> None:
    first = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    with pytest.raises(ProtocolError, match="not JSON") as caught:
        decoded("openai_chat", first + b"data: {oops}\n\n" + first)
    assert not isinstance(caught.value, TruncatedError)
    with pytest.raises(TruncatedError):
        decoded("openai_chat", first + b'data: {"id":"c","cho')


# ---- nonsense

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["text", "function"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def seeds(kind: str) -> list[tuple[str, Any]]:
    """Return (dialect, body) for a kind of thing, from the cases and, where they are, the recordings."""
    found = []
    for case in CASES:
        head, given_text, _ = parts(case)
        source, what, *_ = head.split()
        if what == kind == "stream":
            found += [(source, event) for event in events_of(given_text)]
        elif what == kind:
            found.append((source, json.loads(given_text)))
    for recording in recordings():
        if kind == "request":
            found.append((recording.dialect, recording.request))
        elif recording.status == 200 and kind == "stream" and recording.streams:
            found += [(recording.dialect, event) for event in events_of(recording.response["sse"])[:60:6]]
        elif recording.status == 200 and kind == "response" and not recording.streams:
            found.append((recording.dialect, recording.response["body"]))
    return found


def events_of(text: str) -> list[Any]:
    lines = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in lines if line.startswith("{")]


def mutated(draw: st.DrawFn, value: Any) -> Any:
    """Return *value* with something somewhere in it taken out, doubled, or replaced by junk."""
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 7)) == 0:
            return {name: inner for name, inner in value.items() if name != key}
        return {**value, key: mutated(draw, value[key])}
    if isinstance(value, list) and value and draw(st.integers(0, 5)):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], mutated(draw, value[at]), *value[at + draw(st.integers(0, 1)) :]]
    return draw(JUNK)


@st.composite
def spoiled(draw: st.DrawFn, kind: str, listed: list[tuple[str, Any]]) -> tuple[str, Any]:
    name, value = draw(st.sampled_from(listed))
    for _ in range(draw(st.integers(1, 3))):
        value = mutated(draw, value)
    return name, value


FUZZ = settings(max_examples=200, suppress_health_check=list(HealthCheck), deadline=None)
REQUESTS, RESPONSES, EVENTS = seeds("request"), seeds("response"), seeds("stream")


@given(spoiled("request", REQUESTS))
@FUZZ
def test_a_spoiled_request_fails_only_in_our_words(item: tuple[str, Any]) -> None:
    name, body = item
    with contextlib.suppress(MiniLLMError):
        request = dialects.get(name).decode_request(body)
        for target in dialects.NAMES:
            with contextlib.suppress(MiniLLMError):
                dialects.get(target).encode_request(dialects.without(request, (), dialect=target)[0])


@given(spoiled("response", RESPONSES))
@FUZZ
def test_a_spoiled_answer_fails_only_in_our_words(item: tuple[str, Any]) -> None:
    name, body = item
    with contextlib.suppress(MiniLLMError):
        response = dialects.get(name).decode_response(body)
        for target in dialects.NAMES:
            json.dumps(dialects.get(target).encode_response(response))


@given(st.lists(spoiled("stream", EVENTS), min_size=1, max_size=6), st.sampled_from(dialects.NAMES))
@FUZZ
def test_a_spoiled_stream_fails_only_in_our_words(items: list[tuple[str, Any]], name: str) -> None:
    raw = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for _, event in items)
    deltas: list[Delta] = []
    with contextlib.suppress(MiniLLMError):
        decoded(name, raw, into=deltas)
    for target in dialects.NAMES:
        chunks: list[bytes] = []
        with contextlib.suppress(MiniLLMError):
            encoded(target, [delta for delta in deltas if not delta.finish_reason], into=chunks)
        with contextlib.suppress(MiniLLMError):
            strict.check(target, encoded(target, [*deltas, Delta(finish_reason="stop")]))


@given(
    st.integers(100, 999),
    st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "content-type"]), st.text(max_size=9)),
    st.binary(max_size=30) | JUNK.map(lambda value: json.dumps({"error": value}).encode())
    | JUNK.map(lambda value: json.dumps([{"error": {"message": value, "details": value, "code": value}}]).encode()),
)  # fmt: skip
@FUZZ
def test_any_failed_answer_becomes_an_error(status: int, headers: dict[str, str], body: bytes) -> None:
    for name in dialects.NAMES:
        error = dialects.get(name).decode_error(status, headers, body)
        assert error.message and (error.retry_after is None or 0 <= error.retry_after <= 120)


@pytest.mark.parametrize("name", sorted(set(OURS.values())))
def test_deep_nesting_fails_only_in_our_words(name: str) -> None:
    deep: Any = "x"
    for _ in range(400):
        deep = {"type": "tool_result", "tool_use_id": "a", "content": [deep]}
    dialect = dialects.get(name)
    for body in ({"model": "m", "messages": [{"role": "user", "content": [deep]}]}, {"messages": deep}):
        with contextlib.suppress(MiniLLMError):
            dialect.encode_request(dialect.decode_request(body))
    with contextlib.suppress(MiniLLMError):
        dialect.decode_response({"content": [deep], "choices": [{"message": {"content": deep, "tool_calls": [deep]}}]})
    assert dialect.decode_error(400, {}, json.dumps({"error": deep}).encode()).message
