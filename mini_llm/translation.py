"""A request in our words → the body one target takes; what it answers → our words. The same for every entrance."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple

import orjson

from mini_llm import dialects
from mini_llm.dialects import leaving, media_limits
from mini_llm.dialects.bridging import Bridge, bridged
from mini_llm.errors import ProtocolError, TranslationError, UsageError
from mini_llm.memory import Recalled, source_of
from mini_llm.meter import Meter
from mini_llm.providers import Provider
from mini_llm.routing import Target
from mini_llm.types import ChatResponse, Delta, EmbedRequest, EmbedResponse
from mini_llm.upstream import Reply, Tap

MOST_HELD = 10_000


class Body(NamedTuple):
    """A request as one target takes it; `dropped` names what it does not take and was left out.

    `path` is set where it is not the dialect's own for chat; `bridge` turns back the calls of tools that had to be
    offered in another form. `headers` are the caller's own words about the protocol; none of them can be a proof of
    who asks.
    """

    content: bytes
    dropped: tuple[str, ...] = ()
    path: str = ""
    bridge: Bridge | None = None
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"
    method: str = "POST"


def chat_body(recalled: Recalled, provider: Provider, target: Target) -> Body:
    """Write a request in the dialect of *provider*, less what it does not take.

    Raises TranslationError for what cannot be said there, with the field's path.
    """
    request = recalled.for_target(source_of(provider.name, target.model), provider.dialect)
    plain = bridged(request, provider.dialect)
    kept, dropped = dialects.without(plain.request, provider.drop, dialect=provider.dialect)
    kept, beside = leaving.bare(kept._replace(model=target.model), provider.dialect)
    media_limits.check(kept, provider.dialect)
    encoded = dialects.of_target(provider.dialect).encode_request(kept)
    unsaid = leaving.unsaid(kept, encoded, provider.dialect)
    body, also = dialects.apply(encoded, provider.drop, provider.rename, dict(provider.defaults))
    goes_on = kept.continues and provider.continues.takes(target.model)
    return Body(
        _written(provider.continues.told(body) if goes_on else body),
        (*plain.dropped, *dropped, *beside, *unsaid, *also),
        provider.continues.path if goes_on else "",
        bridge=plain.bridge if plain.bridge else None,
    )


def embedding_body(request: EmbedRequest, provider: Provider, target: Target) -> Body:
    """Write a request for vectors. Raises TranslationError where *provider* has none."""
    wire = dialects.embeddings(provider.dialect)
    if wire is None:
        raise TranslationError(
            f"{provider.name} has no embeddings in a form known here",
            field="input",
            hint="choose an embedding model of another provider: `mini-llm models --query embed`",
        )
    return Body(_written(wire.encode_request(request._replace(model=target.model))), path=wire.PATH)


async def whole(reply: Reply, body: Body, meter: Meter) -> ChatResponse:
    """Return an answer that comes at once. Raises ProtocolError on nonsense, UpstreamError for an error in a 200."""
    response = reply.dialect.decode_response(await reply.json())
    meter.whole(response.usage, lambda: response)
    return body.bridge.response(response) if body.bridge else response


async def vectors(reply: Reply, request: EmbedRequest, meter: Meter) -> EmbedResponse:
    """Return the vectors of *request*, in the order of its texts."""
    wire = dialects.embeddings(reply.provider.dialect)
    assert wire is not None  # it wrote the request
    response = wire.decode_response(await reply.json(), len(request.inputs), model=request.model)
    meter.whole(response.usage)
    return response


async def streamed(reply: Reply, body: Body, meter: Meter, tap: Tap | None = None) -> AsyncGenerator[Delta, None]:
    """Wait for the first content; return the whole stream, what was held until then included."""
    deltas = reply.deltas(tap)
    held: list[Delta] = []
    async for delta in deltas:
        held.append(delta)
        if meter.see(delta):
            break
        if len(held) > MOST_HELD:
            await deltas.aclose()
            raise ProtocolError(f"{reply.provider.name} sent {MOST_HELD} events without content")
    stream = _continued(held, deltas, meter)
    return body.bridge.stream(stream) if body.bridge else stream


async def _continued(
    held: list[Delta], deltas: AsyncGenerator[Delta, None], meter: Meter
) -> AsyncGenerator[Delta, None]:
    try:
        for delta in held:
            yield delta
        watch = meter.watch
        async for delta in deltas:
            meter.see(delta)
            if watch is not None:
                watch(meter, delta)
            yield delta
    finally:
        await deltas.aclose()


def _written(body: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as error:  # half a surrogate pair, which no UTF-8 can hold
        raise UsageError(f"the request cannot be written as JSON: {error}") from error
