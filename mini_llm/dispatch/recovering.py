"""A stream that goes on at another target when it breaks: to its reader one answer, no word lost or doubled."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any

from mini_llm import recovery
from mini_llm.dispatch.call import Deltas, Recovery
from mini_llm.dispatch.deadlines import SILENCE
from mini_llm.dispatch.parts import Parts
from mini_llm.dispatch.turns import Turn
from mini_llm.errors import MiniLLMError, NoSpliceError, RejectedError, UpstreamError
from mini_llm.meter import Gatherer, Meter
from mini_llm.providers import Provider
from mini_llm.routing import Choice, Decision, Target
from mini_llm.translation import Body
from mini_llm.types import ChatRequest, ChatResponse, Delta
from mini_llm.upstream import Reply

if TYPE_CHECKING:
    from mini_llm.dispatch.answering import Answering

MOST_UNREAD = 4000  # deltas kept as they came: most answers are shorter, and need never be put together here
MOST_UNREAD_TEXT = 64 * 1024  # characters in them
LONGEST = 192 * 1024  # characters of an answer that another target may be asked to go on with


class Recovering:
    """Watch over the stream of one call."""

    def __init__(self, answering: Answering[Any], plan: Recovery, decision: Decision, parts: Parts) -> None:
        self._answering = answering
        self._plan = plan
        self._decision = decision
        self._parts = parts
        self._sent = _Sent()

    async def stream(self, deltas: Deltas) -> Deltas:
        """Yield *deltas*, and when they break what another target adds. Raises what broke them first if none does."""
        sent, first = self._sent, None
        unread, size = sent.unread, 0
        while True:
            try:
                async for delta in deltas:
                    unread.append(delta)
                    size += len(delta.text)
                    if size > MOST_UNREAD_TEXT or delta.tool_call is not None or len(unread) > MOST_UNREAD:
                        self._looked_at(sent)
                        size = 0
                    yield delta
                return
            except UpstreamError as error:
                first = first or error
                if not await self._answering.broke(error):
                    raise
            finally:
                await deltas.aclose()
            deltas = await self._resumed(first)
            if self._plan.recovered is not None:
                self._plan.recovered()

    def _looked_at(self, sent: _Sent) -> None:
        """Read what was sent; once it is something that cannot be gone on with, its provider may take its time."""
        if sent.read():
            self._answering.allow_silence(SILENCE)

    async def _resumed(self, first: UpstreamError) -> Deltas:
        """Return what comes after all that was sent; raise *first* if nobody can tell."""
        response = self._sent.response()
        if response is None:
            raise first
        try:
            request = self._plan.request()
        except MiniLLMError:  # what passed as it was may be nothing that we can read
            raise first from None
        if not recovery.continuable(request, response):
            raise first
        said = recovery.said(response)
        turns = self._answering.turns
        for choices, asked in self._ways(request, said):
            turns.begin_again(choices)
            turn = turns.next() if self._answering.has_time else None
            while turn is not None:
                found = await self._tried(turn, asked, said)
                if not isinstance(found, MiniLLMError):
                    return found
                turn = (turns.other_key(turn, found) or turns.next()) if self._answering.has_time else None
        raise first

    def _ways(self, request: ChatRequest, said: str) -> list[tuple[Sequence[Choice], ChatRequest]]:
        """Return who may be asked for what, the best way first."""
        failed = self._answering.failed
        left = [choice for choice in self._decision.choices if choice not in failed]
        anew = (left, request)
        able = [choice for choice in left if self._continues(choice)]
        if self._decision.recovery != "continue" or not able:
            return [anew]
        return [(able, recovery.continuation(request, said)), anew]

    def _continues(self, choice: Choice) -> bool:
        return self._parts.registry.get(choice.target.provider).continues.takes(choice.target.model)

    async def _tried(self, turn: Turn, asked: ChatRequest, said: str) -> Deltas | MiniLLMError:
        """Return what one target adds, or why it does not."""
        plan, goes_on = self._plan, asked.continues

        def body_for(provider: Provider, target: Target) -> Body | Awaitable[Body]:
            return plan.body_for(asked, provider, target)

        def body_within(provider: Provider, target: Target, most: int) -> Body | Awaitable[Body]:
            return plan.body_for(asked._replace(max_tokens=min(most, asked.max_tokens or most)), provider, target)

        async def receive(reply: Reply, body: Body, meter: Meter) -> Deltas:
            deltas = await plan.receive(reply, body, meter)
            reply.response.content_came()  # what was sent already may take its time to come again
            repeats = reply.provider.continues.repeats
            joined = recovery.continued(deltas, said, repeats=repeats) if goes_on else recovery.spliced(deltas, said)
            return _begun(await anext(joined, None), joined)

        try:
            attempt = await self._answering.prepared(turn, body_for, receive, body_within)
        except MiniLLMError as error:
            return error
        try:
            deltas: Deltas = await attempt.open()
        except MiniLLMError as error:
            if not goes_on or not isinstance(error, RejectedError | NoSpliceError):
                self._answering.failed.append(turn.choice)
            return error
        self._answering.adopt(attempt)
        return deltas


class _Sent:
    """What the caller has got of the answer, as long as it is something that can be gone on with."""

    def __init__(self) -> None:
        self.unread: list[Delta] = []
        self._gatherer: Gatherer | None = Gatherer(LONGEST)

    def read(self) -> bool:
        """Put the unread to the rest; return whether that is when it became something nobody can go on with."""
        gatherer = self._gatherer
        if gatherer is not None:
            for delta in self.unread:
                gatherer.add(delta)
                if delta.tool_call is not None or gatherer.cut:
                    self._gatherer = None
        self.unread.clear()
        return gatherer is not None and self._gatherer is None

    def response(self) -> ChatResponse | None:
        """Return the answer so far, None if another could not go on with it."""
        self.read()
        return self._gatherer.response() if self._gatherer else None


async def _begun(first: Delta | None, rest: Deltas) -> Deltas:
    try:
        if first is not None:
            yield first
        async for delta in rest:
            yield delta
    finally:
        await rest.aclose()
