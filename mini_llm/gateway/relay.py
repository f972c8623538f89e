"""The rooms that answer: any dialect in, any provider out. The same dialect passes as it is, another is translated."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing
from functools import partial
from typing import NamedTuple

import orjson

from mini_llm import dialects, translation
from mini_llm.dialects.gemini import framing
from mini_llm.dispatch import Answer, Recovery, Spoken
from mini_llm.dispatch.recovering import LONGEST
from mini_llm.errors import MiniLLMError
from mini_llm.gateway import asking, flowing, heads, inbound
from mini_llm.gateway.calls import Exchange, Patron
from mini_llm.gateway.continuing import break_off, continuing
from mini_llm.gateway.flowing import Flow
from mini_llm.gateway.inbound import Inbound, Passed
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder
from mini_llm.gateway.state import Gateway
from mini_llm.gateway.tap import Tap
from mini_llm.memory import source_of
from mini_llm.meter import Gatherer, Meter
from mini_llm.providers import Provider
from mini_llm.routing import Target
from mini_llm.runtime import Runtime
from mini_llm.translation import Body
from mini_llm.types import ChatRequest, ChatResponse, Delta, Usage
from mini_llm.upstream import Reply

_CALLS = b'"tool_calls"'
PATIENCE = 10.0  # seconds after which a caller who streams gets its 200, and comments, while targets are still tried


async def openai_chat(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
    """Answer chat completions."""
    await _answer(gateway, request, responder, exchange, inbound.read(dialects.get("openai_chat"), request))


async def openai_responses(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
    """Answer OpenAI's Responses."""
    await _answer(gateway, request, responder, exchange, inbound.read(dialects.get("openai_responses"), request))


async def anthropic_messages(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
    """Answer Anthropic's messages."""
    await _answer(gateway, request, responder, exchange, inbound.read(dialects.get("anthropic_messages"), request))


async def gemini(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
    """Answer Gemini's generateContent, whole or streamed."""
    await _answer(gateway, request, responder, exchange, inbound.read_gemini(dialects.get("gemini"), request))


async def _answer(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange, asked: Inbound) -> None:
    exchange.model, exchange.stream = asked.model, asked.stream
    relay = _Relay(gateway.runtime, asked, responder, exchange)
    if asked.stream and not relay.array:
        responder.patience = (request.began + PATIENCE, relay.begin)
    receive = relay.streamed if asked.stream else relay.whole
    recovery = relay.recovery() if asked.stream else None
    call = asking.call(
        *(gateway.runtime, request, exchange, relay.body_for, receive, asked.needs, recovery, relay.body_within),
        bounds=None if exchange.patron is None else asked.bounds,
    )
    if (history := gateway.runtime.history) is not None:
        call = call._replace(spoken=Spoken(history.keep, lambda: asked.asked, relay.read))
    async with gateway.runtime.dispatch.answer(call) as answer:
        asking.note(exchange, answer)
        content = answer.content
        if isinstance(content, _Whole):
            relay.send(answer, content)
            return
        try:
            if isinstance(content, Flow):
                await relay.flow(answer, content)
            else:
                await relay.stream(answer, content)
        finally:
            asking.settle(exchange, answer)


class _Whole(NamedTuple):
    """An answer that came at once: the bytes to pass on, if they can be, and what was read of them, if it had to be."""

    raw: bytes
    response: ChatResponse | None


_Content = _Whole | Flow | AsyncGenerator[Delta, None]


class _Relay:
    """One request on its way to a target and back."""

    def __init__(self, runtime: Runtime, asked: Inbound, responder: Responder, exchange: Exchange) -> None:
        self._runtime = runtime
        self._asked = asked
        self._dialect = asked.dialect
        self._responder = responder
        self._exchange = exchange
        self._tap: Tap | None = None
        self._limits: list[tuple[str, str]] = []
        self._forgetful = asked.dialect.NAME == "openai_chat"  # it has no words for what a model thought
        self.array = asked.stream and asked.dialect.NAME == "gemini" and "alt=sse" not in asked.query

    # What dispatch calls.

    async def body_for(self, provider: Provider, target: Target) -> Body:
        """Write the request for *target*."""
        if provider.dialect == self._dialect.NAME and not (self._forgetful and self._remembered(provider, target)):
            return self._asked.passed(provider, target)
        return await self.translated(self._asked.asked, provider, target)

    async def body_within(self, provider: Provider, target: Target, most: int) -> Body:
        """Write the request for *target*, with an answer of at most so many tokens."""
        return await self.translated(self._asked.asked._replace(max_tokens=most), provider, target)

    def _remembered(self, provider: Provider, target: Target) -> bool:
        """Tell whether something may have to be put back that the caller left out."""
        return self._runtime.memory.knows(source_of(provider.name, target.model), self._asked.raw)

    async def translated(self, request: ChatRequest, provider: Provider, target: Target) -> Body:
        """Write *request* in the words of *target*, which are others than the caller's."""
        request = request._replace(include_usage=True)  # what was used is always asked for
        recalled = await self._runtime.memory.recall(request, scope=self._exchange.caller)
        return translation.chat_body(recalled, provider, target)

    async def whole(self, reply: Reply, body: Body, meter: Meter) -> _Content:
        """Receive an answer that comes at once."""
        if not isinstance(body, Passed):
            return _Whole(b"", await translation.whole(reply, body, meter))
        self._limits = heads.limits(reply.response.headers)
        raw = await flowing.read(reply)
        if isinstance(raw, Flow):
            meter.first_content = meter.elapsed
            return raw
        answer = reply.object(raw)
        meter.whole(self._dialect.glance(answer), lambda: self._dialect.decode_response(answer))
        keeps = self._forgetful and _CALLS in raw
        return _Whole(raw, self._dialect.decode_response(answer) if keeps else None)

    def read(self, content: _Content) -> ChatResponse | None:
        """Return what was received at once in our words; None where it only flowed by."""
        if not isinstance(content, _Whole):
            return None
        return content.response or self._dialect.decode_response(orjson.loads(content.raw))

    async def streamed(self, reply: Reply, body: Body, meter: Meter) -> _Content:
        """Receive a stream, up to its first content."""
        tap = None
        if isinstance(body, Passed) and not self.array:
            tap = Tap(hide_usage=not self._asked.wants_usage, dialect=self._dialect.NAME)
        deltas = await translation.streamed(reply, body, meter, tap)
        self._tap, self._limits = tap, heads.limits(reply.response.headers)
        return deltas

    def recovery(self) -> Recovery:
        """Return how a stream that breaks can go on at another target."""
        return Recovery(
            request=lambda: self._asked.asked,
            body_for=self.translated,
            receive=translation.streamed,
            recovered=self._recovered,
        )

    def _recovered(self) -> None:
        """Note that what follows comes from another target."""
        if self._tap is not None:
            self._tap.close()

    # What the caller gets.

    def send(self, answer: Answer[_Content], whole: _Whole) -> None:
        """Send an answer that came at once."""
        raw, response = whole
        if response is not None:
            response = self._named(response, answer)
            self._keep(response, answer.target)
            raw = raw or orjson.dumps(self._dialect.encode_response(response))
        fields = [heads.JSON, *self._told(answer), *self._limits]
        self._responder.send(200, fields, raw)

    def _told(self, answer: Answer[_Content]) -> list[tuple[str, str]]:
        most = answer.allowance.most if answer.allowance else None
        return heads.answered(self._exchange, answer.dropped, most, answer.warnings)

    async def flow(self, answer: Answer[_Content], flow: Flow) -> None:
        """Send a large answer as it comes."""
        fields = [heads.JSON, *self._told(answer), *self._limits]
        await flowing.send(self._responder, fields, flow.first, flow.rest, answer.meter)
        answer.meter.usage = self._dialect.used(flowing.usage_in(flow.tail))

    def begin(self) -> None:
        """Send the head of a stream before there is an answer, and keep the connection alive from now on."""
        self._responder.start(200, [*heads.EVENTS, *heads.named(self._exchange)])
        self._responder.pings = True
        self._responder.ping()

    async def stream(self, answer: Answer[_Content], deltas: AsyncGenerator[Delta, None]) -> None:
        """Send a stream as it comes."""
        responder, tap = self._responder, self._tap
        responder.patience = None
        if not responder.status:
            kind = [heads.JSON] if self.array else list(heads.EVENTS)
            responder.start(200, [*kind, *self._told(answer), *self._limits])
            responder.pings = not self.array
        gatherer = Gatherer(LONGEST)
        async with aclosing(deltas):
            if tap is None:
                await self._write(self._priced(_gathered(deltas, gatherer), answer), answer)
            else:
                await self._pass(tap, deltas, gatherer, answer)
        responder.finish()
        if (tap is None or self._forgetful) and not answer.recovered and not gatherer.cut:
            self._keep(gatherer.response(), answer.target)

    async def _write(self, deltas: AsyncIterable[Delta], answer: Answer[_Content]) -> None:
        """Translate *deltas*."""
        pieces = self._dialect.encode_stream(deltas, include_usage=self._asked.wants_usage, model=answer.target.model)
        async with aclosing(framing.array(pieces) if self.array else pieces) as written:
            async for piece in written:
                self._responder.write(piece)
                if self._responder.paused:
                    await self._responder.drain()

    async def _pass(
        self, tap: Tap, deltas: AsyncGenerator[Delta, None], gatherer: Gatherer, answer: Answer[_Content]
    ) -> None:
        """Let the events pass; what comes from another target is written as a continuation of them."""
        if self._exchange.patron is not None:
            tap.cost = partial(_asked_for, self._exchange.patron, answer)
        tap.open(self._responder)
        try:
            async for delta in deltas:
                if tap.closed:
                    await self._continue(tap, delta, deltas, gatherer, answer)
                    return
                gatherer.add(delta)
                if self._responder.paused:
                    await self._responder.drain()
        except MiniLLMError as error:
            break_off(error, gatherer.response(), tap.recent)
            raise
        tap.end()

    async def _continue(
        self, tap: Tap, first: Delta, rest: AsyncGenerator[Delta, None], gatherer: Gatherer, answer: Answer[_Content]
    ) -> None:
        """Write what another target says on top of the events that have passed."""
        sent = gatherer.response()
        written = continuing(
            self._dialect,
            sent,
            self._priced(_gathered(_chained(first, rest), gatherer), answer),
            recent=tuple(tap.recent),
            include_usage=self._asked.wants_usage,
            model=answer.target.model,
        )
        async with aclosing(written):
            async for piece in written:
                self._responder.write(piece)
                if self._responder.paused:
                    await self._responder.drain()

    def _priced(self, deltas: AsyncGenerator[Delta, None], answer: Answer[_Content]) -> AsyncGenerator[Delta, None]:
        """Let *deltas* tell what is asked for the answer, where somebody else than the gateway's user pays."""
        patron = self._exchange.patron
        return deltas if patron is None else _with_cost(deltas, lambda: patron.cost(answer.cost_nanos))

    def _keep(self, response: ChatResponse, target: Target) -> None:
        """Remember what the caller may leave out of its next turn."""
        memory = self._runtime.memory
        for choice in response.choices:
            if memory.worth(choice.message):
                source = source_of(target.provider, target.model)
                memory.keep(choice.message, self._asked.asked, source=source, scope=self._exchange.caller)

    def _named(self, response: ChatResponse, answer: Answer[_Content]) -> ChatResponse:
        """Return *response* with the model's name, which some providers leave out."""
        return response if response.model else response._replace(model=answer.target.model)


async def _chained(first: Delta, rest: AsyncIterable[Delta]) -> AsyncGenerator[Delta, None]:
    yield first
    async for delta in rest:
        yield delta


async def _gathered(deltas: AsyncIterable[Delta], gatherer: Gatherer) -> AsyncGenerator[Delta, None]:
    async for delta in deltas:
        gatherer.add(delta)
        yield delta


def _asked_for(patron: Patron, answer: Answer[_Content], usage: Usage) -> int | None:
    """Return what *patron* is asked for an answer that used so much."""
    answer.meter.usage = usage  # as it will be a moment later
    return patron.cost(answer.cost_nanos)


async def _with_cost(
    deltas: AsyncGenerator[Delta, None], cost: Callable[[], int | None]
) -> AsyncGenerator[Delta, None]:
    async with aclosing(deltas):
        async for delta in deltas:
            yield delta if delta.usage is None else delta._replace(usage=delta.usage._replace(cost_nanos=cost()))
