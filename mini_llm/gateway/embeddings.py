"""Texts to vectors, in OpenAI's words or Gemini's, from any provider that has embeddings."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import unquote

import orjson

from mini_llm import dialects, peek, translation
from mini_llm.dialects import failures, openai_embeddings
from mini_llm.dialects.gemini import embeddings as gemini_embeddings
from mini_llm.errors import UsageError
from mini_llm.gateway import asking, heads
from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder
from mini_llm.gateway.state import Gateway
from mini_llm.meter import CHARACTERS_A_TOKEN, Meter
from mini_llm.providers import Provider
from mini_llm.routing import Needs, Target
from mini_llm.translation import Body
from mini_llm.types import EmbedRequest, EmbedResponse, Json
from mini_llm.upstream import BODY_LIMIT, Reply


async def openai(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
    """Answer OpenAI's embeddings."""
    body = peek.read(request.body)
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise UsageError("model: missing", hint="name an embedding model; `mini-llm models --query embed` lists them")
    exchange.model = body["model"]
    await _answer(gateway, request, responder, exchange, _OpenAI(request.body, body))


async def gemini(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
    """Answer Gemini's embedContent and batchEmbedContents."""
    name, _, action = request.path.partition("/models/")[2].rpartition(":")
    exchange.model = unquote(name)
    await _answer(gateway, request, responder, exchange, _Gemini(peek.read(request.body), action))


class _Asked(Protocol):
    """A caller's request: what goes to a target, and what of its answer comes back."""

    def body_for(self, provider: Provider, target: Target) -> Body: ...

    async def receive(self, reply: Reply, body: Body, meter: Meter) -> bytes: ...


async def _answer(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange, asked: _Asked) -> None:
    size = Needs(len(request.body) // CHARACTERS_A_TOKEN)  # at most: nothing comes out, so this is what may be spent
    call = asking.call(gateway.runtime, request, exchange, asked.body_for, asked.receive, size)
    async with gateway.runtime.dispatch.answer(call) as answer:
        asking.note(exchange, answer)
        responder.send(200, [heads.JSON, *heads.answered(exchange, answer.dropped)], answer.content)


class _OpenAI:
    """A request in OpenAI's words; to a provider that speaks them it goes as it is, token numbers included."""

    def __init__(self, raw: bytes, body: Json) -> None:
        self._raw = raw
        self._body = body
        self._as_base64 = openai_embeddings.wants_base64(body)

    def body_for(self, provider: Provider, target: Target) -> Body:
        """Write the request for *target*."""
        if _speaks_openai(provider):
            return self._passed(provider, target)
        body = translation.embedding_body(openai_embeddings.decode_request(self._body), provider, target)
        return body._replace(dropped=tuple(name for name in openai_embeddings.HINTS if name in self._body))

    async def receive(self, reply: Reply, body: Body, meter: Meter) -> bytes:
        """Return the answer in OpenAI's words."""
        if not _speaks_openai(reply.provider):
            response = await translation.vectors(reply, openai_embeddings.decode_request(self._body), meter)
            return orjson.dumps(openai_embeddings.encode_response(response, as_base64=self._as_base64))
        raw = await reply.response.read(BODY_LIMIT)
        told = reply.object(raw)
        if told.get("error"):
            raise failures.inside(told)
        changed = openai_embeddings.reformed(told, openai_embeddings.count(self._body), as_base64=self._as_base64)
        meter.whole(openai_embeddings.usage_of(told))
        return orjson.dumps(told) if changed else raw

    def _passed(self, provider: Provider, target: Target) -> Body:
        """Return the caller's own bytes, but for the model's name and what the provider does not take."""
        if any(name in self._body for name in provider.drop):
            body, dropped = dialects.apply({**self._body, "model": target.model}, provider.drop, provider.rename)
            return Body(orjson.dumps(body), dropped, openai_embeddings.PATH)
        return Body(peek.spliced(self._raw, target.model), path=openai_embeddings.PATH)


class _Gemini:
    """A request in Gemini's words; *action* is what was asked of the model."""

    def __init__(self, body: Json, action: str) -> None:
        self._body = body
        self._alone = action == "embedContent"
        self._path = f"/models/{{model}}:{action}"

    def body_for(self, provider: Provider, target: Target) -> Body:
        """Write the request for *target*."""
        if provider.dialect == "gemini":
            return Body(orjson.dumps(_renamed(self._body, f"models/{target.model}")), path=self._path)
        return translation.embedding_body(self._request(), provider, target)

    async def receive(self, reply: Reply, body: Body, meter: Meter) -> bytes:
        """Return the answer in Gemini's words."""
        if reply.provider.dialect != "gemini":
            response = await translation.vectors(reply, self._request(), meter)
            return orjson.dumps(gemini_embeddings.encode_response(response, alone=self._alone))
        raw = await reply.response.read(BODY_LIMIT)
        requests = self._body.get("requests")
        expected = 1 if self._alone or not isinstance(requests, list) else len(requests)
        meter.whole(_read(reply, raw, expected).usage)
        return raw

    def _request(self) -> EmbedRequest:
        return gemini_embeddings.decode_request(self._body)


def _read(reply: Reply, raw: bytes, expected: int) -> EmbedResponse:
    return gemini_embeddings.decode_response(reply.object(raw), expected)


def _renamed(body: Json, model: str) -> Json:
    """Return *body* with *model* wherever Google wants it said once more than in the path."""
    requests = body.get("requests")
    if not isinstance(requests, list):
        return body | {"model": model} if "model" in body else body
    return body | {"requests": [one | {"model": model} if isinstance(one, dict) else one for one in requests]}


def _speaks_openai(provider: Provider) -> bool:
    wire: Any = dialects.embeddings(provider.dialect)
    return wire is openai_embeddings
