"""What is fuzzed: for each target a function that takes bytes and lets out what must not happen, and its seeds."""

from __future__ import annotations

import base64
import contextlib
import json
import random
from collections.abc import AsyncGenerator, Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import orjson

from mini_llm import dialects, peek, sse
from mini_llm.dialects import loose
from mini_llm.errors import MiniLLMError, UsageError
from mini_llm.types import Delta, Opaque, Reasoning, ToolCall

WIRE = Path(__file__).parents[2] / "shared" / "wire"
KINDS = ("request", "response", "stream", "error")
WRITERS = dialects.NAMES
TARGETS = {name: dialects.of_target(name) for name in (*dialects.NAMES, *dialects.TARGET_NAMES)}  # all loaded at once
# The recordings' own names of the dialects.
RECORDED = {
    "openai_chat": ("openai-chat", "mistral"),
    "anthropic_messages": ("anthropic-messages",),
    "openai_responses": ("openai-responses",),
    "gemini": ("gemini-generate",),
    "mistral": ("mistral",),
    "ollama": ("ollama",),
    "cohere": ("cohere",),
    "bedrock_converse": ("bedrock-converse",),
}
STATUSES = (400, 401, 402, 403, 404, 408, 413, 422, 429, 498, 500, 501, 502, 503, 529, 200, 304, 999)

Run = Callable[[bytes], None]


def of(target: str, *, judged: bool = True) -> Run:
    """Return the function for *target*. Written streams are *judged* by the tests' strict readers, which are slow."""
    if target in _PLAIN:
        return _PLAIN[target]
    name, _, kind = target.partition(".")
    runs = [_RUNS[kind](name) for kind in ((kind,) if kind else kinds(name)) if kind != "stream"]
    if kind in ("", "stream"):
        runs.append(_stream(name, _strict() if judged else _any))

    def each(raw: bytes) -> None:
        for run in runs:
            run(raw)

    return each


def seeds(target: str) -> list[bytes]:
    """Return the recorded inputs of *target*, the same bytes once; one plain input where there are no recordings."""
    name, _, kind = target.partition(".")
    if target in _PLAIN:
        read = "stream" if target == "sse" else "request"
        bodies = {seed for dialect in RECORDED for seed in _recorded(dialect, read)}
    else:
        bodies = {seed for each in ((kind,) if kind else kinds(name)) for seed in _recorded(name, each)}
    return sorted(body for body in bodies if len(body) < 100_000) or [b'{"model":"m","messages":[]}']


def kinds(name: str) -> tuple[str, ...]:
    return KINDS if name in dialects.NAMES else KINDS[1:]


def _recorded(name: str, kind: str) -> Iterable[bytes]:
    if not (WIRE / "index.jsonl").exists():
        return
    for line in (WIRE / "index.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["dialect"] in RECORDED[name]:
            whole = json.loads((WIRE / entry["file"]).read_text(encoding="utf-8"))
            answer = whole["response"]
            if kind == "request":
                yield json.dumps(whole["request"]["body"], ensure_ascii=False).encode()
            elif kind == "stream" and "eventstream_base64" in answer:
                yield base64.b64decode(answer["eventstream_base64"])
            elif kind == "stream" and (streamed := answer.get("sse") or answer.get("ndjson")):
                yield streamed.encode()
            elif kind == ("response" if entry["status"] == 200 else "error") and "body" in answer:
                yield json.dumps(answer["body"], ensure_ascii=False).encode()


# ---- sse and peek


def _sse(raw: bytes) -> None:
    """The same events however the bytes are cut, and again from what is written of them."""
    whole = _events(raw, [raw])
    assert _events(raw, _cut(raw)) == whole
    assert _events(raw, [raw[at : at + 1] for at in range(min(len(raw), 5000))] + [raw[5000:]]) == whole
    for event in whole or ():
        data = event.data.replace(b"\r", b"")
        name = "" if set(event.event) & set("\r\n") else event.event.strip()
        again = sse.Parser().feed(sse.encode(data, name))
        assert again == [sse.Event(name, data)], again


def _events(raw: bytes, chunks: list[bytes]) -> list[sse.Event] | None:
    parser = sse.Parser()
    try:
        return [event for chunk in chunks for event in parser.feed(chunk)] + parser.close()
    except MiniLLMError:
        return None


def _peek(raw: bytes) -> None:
    """What orjson reads, and a new name nowhere but where the old one was."""
    body = parsed(raw)
    try:
        seen = peek.peek(raw)
    except UsageError:
        valid = isinstance(body, dict) and isinstance(body.get("model"), (str, type(None)))
        assert not valid or not isinstance(body.get("stream"), (bool, type(None)))
        return
    assert seen == (body.get("model"), body.get("stream"))
    try:
        changed = peek.with_model(raw, 'new "name" é')
    except UsageError:
        assert seen.model is None
        return
    assert orjson.loads(changed) == {**body, "model": 'new "name" é'}


_PLAIN: dict[str, Run] = {"sse": _sse, "peek": _peek}

# ---- dialects


def _request(name: str) -> Run:
    reader = dialects.get(name)

    def run(raw: bytes) -> None:
        body = _object(raw)
        if body is None:
            return
        try:
            request = reader.decode_request(body)
        except MiniLLMError:
            return
        for target, writer in TARGETS.items():
            plain, _ = dialects.without(request, (), dialect=target)
            with contextlib.suppress(MiniLLMError):
                _dump(writer.encode_request(plain))

    return run


def _response(name: str) -> Run:
    reader = TARGETS[name]

    def run(raw: bytes) -> None:
        body = _object(raw)
        if body is None:
            return
        try:
            response = reader.decode_response(body)
        except MiniLLMError:
            return
        for target in WRITERS:
            with contextlib.suppress(MiniLLMError):
                _dump(dialects.get(target).encode_response(response))

    return run


class _Streamed(NamedTuple):
    """What came of a stream before it ended, and how it ended."""

    deltas: list[Delta]
    failure: str


def _stream(name: str, strict: Callable[..., None]) -> Run:
    reader = TARGETS[name]

    def run(raw: bytes) -> None:
        raw = _resealed(raw) if name == "bedrock_converse" else raw
        streamed = _streamed(reader, [raw])
        again = _streamed(reader, _cut(raw))
        assert list(map(_nameless, again.deltas)) == list(map(_nameless, streamed.deltas))
        assert again.failure == streamed.failure
        for target in WRITERS:
            written: list[bytes] = []
            whole = not streamed.failure
            try:
                drain(dialects.get(target).encode_stream(_stream_of(streamed.deltas), model="m"), written)
            except MiniLLMError:
                whole = False
            if _can_be_told(streamed.deltas):
                strict(target, b"".join(written), whole=whole)

    return run


def _nameless(delta: Delta) -> Delta:
    """Return *delta* without the id of a call, which may have been made up, and is then another each time."""
    return delta._replace(tool_call=delta.tool_call._replace(id="")) if delta.tool_call else delta


def _can_be_told(deltas: list[Delta]) -> bool:
    """Whether a strict reader can take these: items told as they came need an id of their own, and are no messages."""
    ids: list[object] = [delta.tool_call.id for delta in deltas if delta.tool_call and delta.tool_call.id]
    for part in (delta.part for delta in deltas):
        if isinstance(part, (ToolCall, Reasoning)) and part.id:
            ids.append(part.id)
        elif isinstance(part, Opaque) and part.dialect == "openai_responses" and "type" in part.raw:
            ids.append(None if part.raw["type"] == "message" else part.raw.get("id"))
    return all(isinstance(name, str) for name in ids) and len(ids) == len(set(ids))


def _strict() -> Callable[..., None]:
    """Return the tests' own reader of written streams, where pytest is installed beside atheris."""
    try:
        from tests.dialects import strict
    except ImportError:
        return _any
    return strict.check


def _any(dialect: str, raw: bytes, *, whole: bool) -> None:
    """Take any stream."""


def _streamed(reader: Any, chunks: list[bytes]) -> _Streamed:
    deltas: list[Delta] = []
    try:
        drain(reader.decode_stream(reader.events(_stream_of(chunks))), deltas)
    except MiniLLMError as error:
        return _Streamed(deltas, f"{type(error).__name__}: {error.message}")
    return _Streamed(deltas, "")


def _error(name: str) -> Run:
    reader = TARGETS[name]

    def run(raw: bytes) -> None:
        draw = random.Random(raw)
        header = raw[:40].decode("latin-1")
        headers = draw.choice(({}, {"retry-after": header}, {"retry-after-ms": header}, {"content-type": "text/html"}))
        error = reader.decode_error(draw.choice(STATUSES), headers, raw)
        assert len(error.message) <= 500
        for target in WRITERS:
            orjson.dumps(dialects.get(target).encode_error(error, request_id="r"))
            dialects.get(target).encode_error_event(error, request_id="r")

    return run


_RUNS: dict[str, Callable[[str], Run]] = {
    "request": _request, "response": _response, "error": _error,
}  # fmt: skip

# ---- small tools


def drain(source: AsyncGenerator[Any, None], into: list[Any]) -> None:
    """Run *source*, which waits for nothing, to its end, without an event loop."""

    async def run() -> None:
        async for item in source:
            into.append(item)

    step = run()
    try:
        step.send(None)
    except StopIteration:
        return
    raise AssertionError("a stream waited")


async def _stream_of(items: Iterable[Any]) -> AsyncGenerator[Any, None]:
    for item in items:
        yield item


def _cut(raw: bytes) -> list[bytes]:
    draw = random.Random(len(raw))
    places = sorted(draw.randrange(len(raw) + 1) for _ in range(min(len(raw), 60)))
    return [raw[start:end] for start, end in zip([0, *places], [*places, len(raw)], strict=True)]


def parsed(raw: bytes) -> Any:
    """Return JSON *raw*, None if it is none."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _object(raw: bytes) -> dict[str, Any] | None:
    body = parsed(raw)
    return body if isinstance(body, dict) else None


def _dump(body: object) -> None:
    """Write *body* as who sends it does, to whom it falls to refuse what is nested too deeply."""
    with contextlib.suppress(MiniLLMError):
        loose.json_bytes(body)


def _resealed(raw: bytes) -> bytes:
    """Return frames of Amazon's with the right checksums, so that what is inside them is read."""
    sealed = bytearray()
    at = 0
    while at + 16 <= len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        if not 16 <= size <= len(raw) - at:
            break
        head = raw[at : at + 8]
        frame = head + crc32(head).to_bytes(4, "big") + raw[at + 12 : at + size - 4]
        sealed += frame + crc32(frame).to_bytes(4, "big")
        at += size
    return bytes(sealed) + raw[at:]
