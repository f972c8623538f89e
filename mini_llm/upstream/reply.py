"""An answer on the wire: its body whole, in pieces, or decoded as it streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

import orjson

from mini_llm import sse
from mini_llm.dialects import TargetDialect, surrogates
from mini_llm.dialects.cost import nanos_of
from mini_llm.errors import ProtocolError
from mini_llm.meter import scattered
from mini_llm.providers import WALLET, Provider
from mini_llm.transport import Response
from mini_llm.types import Delta, Json

BODY_LIMIT = 64 << 20
REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid", "mistral-correlation-id")


class Tap(Protocol):
    """Who is shown the events of a stream while they are decoded."""

    def came(self, event: sse.Event) -> None:
        """Note that *event* came; it may still prove to be nonsense."""

    def read(self, delta: Delta | None = None) -> None:
        """Note that the last event was decoded, to *delta* and what may follow it."""

    def passed_over(self) -> None:
        """Note that the next event is wanted: the last one, if it was not read, was no content, or nonsense."""


class Reply:
    """A 2xx answer, its body still on the wire."""

    def __init__(self, provider: Provider, dialect: TargetDialect, response: Response) -> None:
        self.provider = provider
        self.dialect = dialect
        self.response = response

    @property
    def request_id(self) -> str:
        """The provider's own name for this answer, "" if it gave none."""
        for name, value in self.response.headers.items():
            if name in REQUEST_IDS and value:
                return value
        return ""

    @property
    def cost_nanos(self) -> int | None:
        """What the wallet says that it took for this answer, None where nobody says so in the head."""
        if self.provider.name != WALLET:
            return None
        return nanos_of(self.response.headers.get("x-passy-cost"))

    @property
    def discount(self) -> int:
        """What part of its price the wallet says that it left off, in billionths."""
        return nanos_of(self.response.headers.get("x-passy-discount")) or 0 if self.provider.name == WALLET else 0

    async def json(self) -> Json:
        """Return the whole body. Raises ProtocolError unless it is a JSON object."""
        return self.object(await self.response.read(BODY_LIMIT))

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it streams. Raises ProtocolError for one that is too large for any answer."""
        size = 0
        while chunk := await self.response.next():
            size += len(chunk)
            if size > BODY_LIMIT:
                raise ProtocolError(f"{self.provider.name} streamed more than {BODY_LIMIT >> 20} MiB")
            yield chunk

    async def deltas(self, tap: Tap | None = None) -> AsyncGenerator[Delta, None]:
        """Yield the answer as it streams, decoded. One that came whole, though a stream was asked for, is taken too.

        *tap* is shown each event of a stream: when it came, when the decoder was content with it, and when it went on.
        """
        if self.dialect.events is sse.events:
            first = await self.response.next()
            if first.lstrip()[:1] == b"{":
                whole = first + await self.response.read(BODY_LIMIT)
                for delta in scattered(self.dialect.decode_response(self.object(whole))):
                    yield delta
                return
            self.response.put_back(first)
            del first  # a stream may last for half an hour, and this for as long
        events = self.dialect.events(self.chunks())
        events = events if tap is None else _tapped(events, tap)
        async with aclosing(self.dialect.decode_stream(events)) as deltas:
            async for delta in deltas:
                if tap is not None:
                    tap.read(delta)
                yield delta
        await self.response.finish()

    def object(self, raw: bytes) -> Json:
        """Return the JSON object that *raw* is. Raises ProtocolError for anything else."""
        try:
            body = surrogates.loads(raw)
        except orjson.JSONDecodeError as error:
            raise ProtocolError(
                f"{self.provider.name} sent {len(raw)} bytes that are no JSON", provider=self.provider.name
            ) from error
        if not isinstance(body, dict):
            raise ProtocolError(f"{self.provider.name} sent JSON that is not an object", provider=self.provider.name)
        return body


async def _tapped(events: AsyncGenerator[sse.Event, None], tap: Tap) -> AsyncGenerator[sse.Event, None]:
    try:
        async for event in events:
            tap.came(event)
            yield event
            tap.passed_over()
    finally:
        await events.aclose()
