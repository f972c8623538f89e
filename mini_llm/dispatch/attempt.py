"""One attempt at one target: sent once, its answer held open. However it ends, it leaves one row."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, NamedTuple

from mini_llm import pricing
from mini_llm.dispatch.call import Call, Content
from mini_llm.dispatch.parts import Parts
from mini_llm.dispatch.spending import Allowance
from mini_llm.dispatch.turns import Turn
from mini_llm.errors import MiniLLMError, UpstreamError
from mini_llm.ledger import Entry, Payer, Status
from mini_llm.meter import Meter
from mini_llm.providers import WALLET
from mini_llm.routing import Needs, Target, needed
from mini_llm.translation import Body
from mini_llm.types import Usage
from mini_llm.upstream import Reply, Sending


class Occasion(NamedTuple):
    """The call that an attempt is made for."""

    call: Call[Any]
    request_id: str
    route: str
    needs: Needs | None = None  # where the decision asked for them


class Attempt(Generic[Content]):
    """A request that is ready to be sent. `open` it, then `close` it."""

    __slots__ = (
        "_occasion", "_opened", "_parts", "_receive", "_reservation", "_sending", "_settled",
        "allowance", "body", "meter", "reply", "turn",
    )  # fmt: skip

    def __init__(
        self,
        parts: Parts,
        occasion: Occasion,
        turn: Turn,
        body: Body,
        sending: Sending,
        receive: Callable[[Reply, Body, Meter], Awaitable[Content]],
        allowance: Allowance | None = None,
    ) -> None:
        self.turn = turn
        self.body = body
        self.meter = Meter(now=parts.now)
        self.reply: Reply | None = None
        self._parts = parts
        self._occasion = occasion
        self._sending = sending
        self._receive = receive
        self.allowance = allowance
        self.meter.watch = allowance.watch if allowance else None
        self._reservation = allowance.held.id if allowance else ""
        self._opened = False
        self._settled = False

    async def open(self) -> Content:
        """Send the request and return what is received; if that fails, nothing is left to close."""
        parts, turn, meter = self._parts, self.turn, self.meter
        parts.retrying += turn.again
        if not self._reservation or parts.charge is not None:  # which is on disk, but in the books of who pays
            parts.ledger.begin(self._begun())
        try:
            reply = self.reply = await self._sending.__aenter__()
            meter.request_id = reply.request_id
            if not self._occasion.call.stream:  # a whole answer shows nothing before its end
                reply.response.content_came()
            content = await self._receive(reply, self.body, meter)
            reply.response.content_came()
            if (cost := reply.cost_nanos) is not None:
                meter.charged(cost)
        except BaseException as error:
            await self.close(error)
            raise
        finally:
            parts.retrying -= turn.again
        self._opened = True
        parts.health.answer(turn.credential.key, first_content=meter.first_content)
        return content

    async def close(self, error: BaseException | None) -> None:
        """Let go of the answer, which ended with *error* or not; a second time does nothing."""
        if self._settled:
            return
        self._settled = True
        try:
            if self.reply is not None:
                await self._sending.__aexit__(type(error) if error else None, error, None)
        finally:
            self._settle(error)

    def _settle(self, error: BaseException | None) -> None:
        parts, credential = self._parts, self.turn.credential
        status: Status = "ok" if self.meter.ended and self._opened else "cancelled"
        code = ""
        if isinstance(error, MiniLLMError):
            status, code = ("partial" if self._opened else "failed"), error.code
            if isinstance(error, UpstreamError):
                parts.health.fail(credential.key, credential.name, error, parts.now())
        if not self._opened:
            if self.turn.probe:
                parts.health.abandon(credential.key)
        elif status != "partial":  # a caller who left found nothing wrong
            parts.health.succeed(credential.key, parts.now())
        if not self.meter.told:
            self._estimate(status)
        elif parts.router.learns and status == "ok" and self.meter.usage is not None:
            parts.router.learn(self.turn.choice.target, self.meter.usage, self._occasion.needs, parts.now())
        parts.write_down(self._entry(status, code))

    def _estimate(self, status: Status) -> None:
        """Count what the provider did not tell; what failed before its first content costs nothing."""
        meter = self.meter
        if meter.usage is None and status == "failed" and meter.first_content is None:
            return
        try:
            prompt = needed(self._occasion.call.needs).input_tokens
        except MiniLLMError:  # passed as it was, and nothing that we can read
            prompt = 0
        if prompt or meter.usage is not None:  # no prompt: not made of words, and not to be counted so
            meter.estimate(prompt)

    def _begun(self) -> Entry:
        """Return the row that is written if this process dies before the attempt has ended."""
        parts, turn = self._parts, self.turn
        call, request_id, route, needs = self._occasion
        target = turn.choice.target
        guess = Usage(needs.input_tokens if needs is not None else 0, estimated=True)
        return Entry(
            parts.clock(), request_id, turn.number, route, target.provider, target.model, "unknown", "", call.tool,
            guess, paid_by=payer(parts, target), caller=call.caller, credential=turn.credential.label,
        )  # fmt: skip

    def _entry(self, status: Status, code: str) -> Entry:
        parts, turn, meter = self._parts, self.turn, self.meter
        call, request_id, route, _ = self._occasion
        target = turn.choice.target
        free = status == "failed" and meter.usage is None and meter.first_content is None
        usage, cost = meter.usage, 0 if free else parts.cost(target, meter)
        reply = self.reply if usage is not None and usage.cost_nanos is not None else None
        saved = 0 if reply is None else pricing.saved_nanos(cost, reply.discount)
        # By place, for every attempt leaves one: by name it would take twice the time.
        return Entry(
            parts.clock(), request_id, turn.number, route, target.provider, target.model, status, code, call.tool,
            usage, parts.price_id(target, usage), cost, payer(parts, target), meter.first_content, meter.elapsed,
            call.caller, turn.credential.label, meter.request_id, self._reservation, saved,
        )  # fmt: skip


def payer(parts: Parts, target: Target) -> Payer:
    """Return whose money *target* costs."""
    if target.provider == WALLET:
        return "wallet"
    return "local" if parts.registry.get(target.provider).local else "own"
