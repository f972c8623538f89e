"""What only OpenAI and its like have: pictures, sound, moderation, ranking, plain completions. Passed on as it is.

A body is opened only to find the model's name and put the target's in its place; an answer to see what it used and
whether it came whole.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

import orjson

from mini_llm import peek
from mini_llm.dialects import failures
from mini_llm.errors import ProtocolError, TranslationError, TruncatedError, UsageError
from mini_llm.gateway import asking, flowing, forms, heads
from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder
from mini_llm.gateway.state import Gateway
from mini_llm.meter import Meter
from mini_llm.providers import Provider
from mini_llm.routing import Target
from mini_llm.sse import MAX_EVENT, Event, Parser
from mini_llm.translation import Body
from mini_llm.types import Json, Usage
from mini_llm.upstream import BODY_LIMIT, Reply

OPENAI_LIKE = ("openai_chat", "openai_responses", "mistral")
ALSO: dict[str, tuple[str, ...]] = {"/rerank": ("cohere",)}  # others who have the same thing at the same place
WITH_DEFAULT = ("/completions",)  # where the default, a model of chat, makes sense
EVENTS, JSON = "text/event-stream", "application/json"
BLANK_LINES = (b"\n\n", b"\n\r\n", b"\r\r")  # what ends an event
ENDINGS = (".completed", ".done")  # of the type of the event that ends a stream


async def passed(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
    """Pass a request on to a provider that has this endpoint, and its answer back."""
    asked = _read(request)
    exchange.model, exchange.stream = asked.model, asked.stream
    passage = _Passage(asked)
    call = asking.call(gateway.runtime, request, exchange, passage.body_for, passage.receive)
    async with gateway.runtime.dispatch.answer(call) as answer:
        asking.note(exchange, answer)
        content = answer.content
        fields = [("content-type", content.kind), *heads.answered(exchange, answer.dropped), *content.limits]
        if content.rest is None:
            responder.send(200, fields, content.first)
            return
        try:
            events = content.kind.startswith(EVENTS)
            await flowing.send(responder, fields, content.first, content.rest, answer.meter, events=events)
        finally:
            asking.settle(exchange, answer)


class _Asked(NamedTuple):
    """A caller's request: JSON, or a form whose `field` is the model."""

    path: str
    raw: bytes
    body: Json
    content_type: str
    field: forms.Field | None
    model: str
    stream: bool


class _Content(NamedTuple):
    """An answer of some content type: all of it, or its beginning and the `rest`."""

    kind: str
    limits: list[tuple[str, str]]
    first: bytes
    rest: AsyncGenerator[bytes, None] | None = None


def _read(request: Request) -> _Asked:
    path = request.path.removeprefix("/v1")
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith("multipart/"):
        field = forms.model_of(request.body, content_type)
        asked = _Asked(path, request.body, {}, content_type, field, field.value if field else "", False)
    else:
        body = peek.read(request.body)
        model = peek.model_of(body) or ""
        asked = _Asked(path, request.body, body, JSON, None, model, body.get("stream") is True)
    if not asked.model and path not in WITH_DEFAULT:
        raise UsageError("model: missing", hint="name one as PROVIDER/MODEL, or an alias")
    return asked


class _Passage:
    """One request on its way to a target and back."""

    def __init__(self, asked: _Asked) -> None:
        self._asked = asked

    def body_for(self, provider: Provider, target: Target) -> Body:
        """Return the caller's own bytes with the target's name for the model."""
        asked = self._asked
        if provider.dialect not in (*OPENAI_LIKE, *ALSO.get(asked.path, ())):
            raise TranslationError(
                f"{provider.name} has no {asked.path} in OpenAI's form",
                field="model",
                hint="choose a model of a provider that speaks as OpenAI does",
            )
        if asked.field is not None:
            raw = forms.with_model(asked.raw, asked.field, target.model)
        elif asked.model:
            raw = peek.spliced(asked.raw, target.model)
        else:
            raw = orjson.dumps(asked.body | {"model": target.model})
        return Body(raw, path=asked.path, content_type=asked.content_type)

    async def receive(self, reply: Reply, body: Body, meter: Meter) -> _Content:
        """Return JSON once it is whole, anything else with its first bytes."""
        headers = reply.response.headers
        kind, limits = headers.get("content-type") or "application/octet-stream", heads.limits(headers)
        if kind.partition(";")[0].strip().lower() == JSON and not self._asked.stream:
            raw = await reply.response.read(BODY_LIMIT)
            meter.whole(_usage(_parsed(reply, raw)))
            return _Content(kind, limits, raw)
        chunks = reply.chunks()
        if kind.startswith(EVENTS):
            chunks = _watched(chunks, meter, reply.provider)
        first = await anext(chunks, b"")
        meter.first_content = meter.elapsed
        return _Content(kind, limits, first, chunks)


async def _watched(
    chunks: AsyncGenerator[bytes, None], meter: Meter, provider: Provider
) -> AsyncGenerator[bytes, None]:
    """Yield *chunks*, cut behind events, taking note of usage. Raises TruncatedError if no event ends the answer.

    Half an event is held back: an error that follows must not stand inside it.
    """
    parser = Parser()
    ended = False
    held, comments = bytearray(), b""
    async with aclosing(chunks):
        async for chunk in chunks:
            held += chunk
            end = _boundary(held, len(held) - len(chunk))
            if end:
                whole = bytes(held[:end])
                del held[:end]
                events = parser.feed(whole)
                ended = any([_note(event, meter) for event in events]) or ended
                comments += whole
                if events:  # comments alone are no answer yet
                    yield comments
                    comments = b""
            elif len(held) > MAX_EVENT:
                raise ProtocolError(f"an event of the stream is larger than {MAX_EVENT >> 20} MiB")
    if held.rstrip() == b"data: [DONE]":  # with no blank line behind it
        ended = True
        yield bytes(held)
    if not ended:
        raise TruncatedError(f"{provider.name} ended the stream before its end", provider=provider.name)


def _boundary(data: bytearray, new: int) -> int:
    """Return where the last whole event in *data* ends, 0 if none does; only what stands from *new* on is news."""
    start = max(0, new - 3)
    return max(at + len(blank) if (at := data.rfind(blank, start)) >= 0 else 0 for blank in BLANK_LINES)


def _note(event: Event, meter: Meter) -> bool:
    """Take note of what *event* says was used; tell whether it is one that ends an answer."""
    if event.data == b"[DONE]":
        return True
    try:
        told = orjson.loads(event.data)
    except orjson.JSONDecodeError:
        raise ProtocolError("an event of the stream is not JSON") from None
    if not isinstance(told, dict):
        return False
    if told.get("error"):
        raise failures.inside(told)
    meter.usage = _usage(told) or meter.usage
    choices = told.get("choices")
    finished = isinstance(choices, list) and any(isinstance(one, dict) and one.get("finish_reason") for one in choices)
    return finished or str(told.get("type", "")).endswith(ENDINGS)


def _parsed(reply: Reply, raw: bytes) -> Json:
    """Return what came as an object; a list (some rankers answer with one) says nothing that is of interest here."""
    try:
        told = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"{reply.provider.name} sent {len(raw)} bytes that are no JSON") from error
    if not isinstance(told, dict):
        return {}
    if told.get("error"):
        raise failures.inside(told)
    return told


def _usage(told: Json) -> Usage | None:
    """Return the usage in an answer's or event's words; None where it counts something else than tokens."""
    usage = told.get("usage")
    if not isinstance(usage, dict):
        return None
    came = [usage.get(name) for name in ("input_tokens", "prompt_tokens", "total_tokens")]
    went = [usage.get(name) for name in ("output_tokens", "completion_tokens")]
    tokens = next((count for count in came if type(count) is int), None)
    if tokens is None:
        return None
    return Usage(tokens, next((count for count in went if type(count) is int), 0), raw=usage)
