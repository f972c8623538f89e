"""THE loop: ask a route's targets in turn until one answers.

While nothing has reached the caller the answer is *open* and any target may be tried; from then on it is *committed*,
and only `recovering` can help it.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, cast

from mini_llm.dispatch import deadlines, spending
from mini_llm.dispatch.attempt import Attempt, Occasion, payer
from mini_llm.dispatch.call import Answer, Call, Content, Deltas
from mini_llm.dispatch.parts import Parts
from mini_llm.dispatch.recovering import Recovering
from mini_llm.dispatch.spending import Allowance
from mini_llm.dispatch.turns import Turn, Turns
from mini_llm.errors import AllTargetsFailedError, MiniLLMError, TranslationError, UpstreamError
from mini_llm.ledger import Entry
from mini_llm.meter import Meter
from mini_llm.providers import Provider
from mini_llm.routing import Choice, Decision, Needs, Target, needed
from mini_llm.translation import Body
from mini_llm.upstream import Reply, Request

if TYPE_CHECKING:
    from mini_llm.dispatch.witness import Witness

OFFER = "let the wallet answer when your own providers fail: `mini-llm config set wallet.features.fallback true`"


class Answering(Generic[Content]):
    """A call under way. Enter it to get the first answer; leaving it closes that and settles its row.

    Raises UpstreamError (AllTargetsFailedError when several were tried), CredentialError, UnknownModelError;
    LedgerError, before anything is sent, when no more rows can be kept.
    """

    __slots__ = (
        *("_answer", "_attempt", "_call", "_decision", "_ends", "_needs", "_occasion", "_parts", "_witness"),
        *("failed", "turns"),
    )

    def __init__(self, parts: Parts, call: Call[Content]) -> None:
        self._parts = parts
        self._call = call
        self._needs: Needs | None = None
        self._decision: Decision
        self._occasion: Occasion
        self._answer: Answer[Content]
        self._attempt: Attempt[Any]
        self._ends = 0.0
        self._witness: Witness | None = None
        self.turns: Turns
        self.failed: list[Choice] = []

    async def __aenter__(self) -> Answer[Content]:
        parts, call = self._parts, self._call
        parts.ledger.check()
        now = parts.now()
        low = ""
        if parts.low is not None and parts.router.minds_budgets(call.model):
            low = await parts.low(call.tool, call.caller)
        decision = self._decision = parts.router.decide(call.model, self._needed, now, low)
        request_id = call.request_id or f"ml-{secrets.token_hex(12)}"
        self._occasion = Occasion(call, request_id, decision.line(), self._needs)
        self._answer = Answer(decision, request_id, parts.cost)
        self._ends = now + (call.timeout or decision.timeouts.total)
        self.turns = Turns(parts.router, parts.health, decision, parts.now)
        parts.active += 1
        try:
            await self._first_to_answer()
        except BaseException as error:
            parts.active -= 1
            if isinstance(error, UpstreamError):
                error.attempts = self.turns.number
            raise
        return self._answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._attempt.close(error)
        finally:
            self._parts.active -= 1
            if self._witness is not None:
                self._witness.ended(error)

    async def prepared(
        self,
        turn: Turn,
        body_for: Callable[[Provider, Target], Body | Awaitable[Body]],
        receive: Callable[[Reply, Body, Meter], Awaitable[Any]],
        body_within: Callable[[Provider, Target, int], Body | Awaitable[Body]] | None,
    ) -> Attempt[Any]:
        """Do all that can fail before anything is sent; if it does, the turn is taken back."""
        parts, target = self._parts, turn.choice.target
        allowance: Allowance | None = None
        try:
            if parts.budgets is not None:
                allowance = await self._set_aside(turn)
            most = allowance.most if allowance else None
            provider = parts.registry.get(target.provider)
            if most is None or body_within is None:
                body = body_for(provider, target)
            else:
                body = body_within(provider, target, most)
            if not isinstance(body, Body):
                body = await body
            sending = await parts.upstream.prepare(target, self._request(turn, body))
        except BaseException:
            self.turns.unasked(turn)
            if parts.budgets is not None:
                parts.budgets.void(allowance.held if allowance else None)
            raise
        return Attempt(parts, self._occasion, turn, body, sending, receive, allowance)

    async def _set_aside(self, turn: Turn) -> Allowance | None:
        """Hold what *turn* may cost against the budgets that bind the call."""
        parts, target, call = self._parts, turn.choice.target, self._call
        row = Entry(
            time=parts.clock(),
            request_id=self._occasion.request_id,
            attempt=turn.number,
            route=self._occasion.route,
            provider=target.provider,
            model=target.model,
            status="unknown",
            tool=call.tool,
            price_snapshot=parts.price_id(target, None),
            paid_by=payer(parts, target),
            caller=call.caller,
            credential=turn.credential.label,
        )
        lasts = max(0.0, self._ends - parts.now())
        needs = self._needed if self._needs is not None or call.bounds is None else call.bounds
        return await spending.set_aside(parts, row, target, needs, lasts=lasts)

    def _request(self, turn: Turn, body: Body) -> Request:
        call = self._call
        return Request(
            body.content,
            call.stream,
            deadlines.of_turn(call, self._decision, turn, self._ends - self._parts.now(), self._needed),
            body.headers,
            body.path,
            body.content_type,
            body.method,
            turn.credential.reference,
        )

    async def _first_to_answer(self) -> None:
        call, turns = self._call, self.turns
        failures: list[UpstreamError] = []
        unasked: list[MiniLLMError] = []
        turn = turns.next()
        while turn is not None:
            try:
                attempt = await self.prepared(turn, call.body_for, call.receive, call.body_within)
            except MiniLLMError as error:  # no key, not expressible, a wrong header: nothing was sent
                unasked.append(error)
                turn = turns.other_key(turn, error) or turns.next()
                continue
            try:
                content = await attempt.open()
            except TranslationError as error:
                unasked.append(error)
                turn = turns.next()
            except UpstreamError as error:
                failures.append(error)
                self.failed.append(turn.choice)
                turn = await self._turn_after(turn, error)
            else:
                self._commit(attempt, content)
                return
        raise self._with_offer(_verdict(failures, unasked))

    def _with_offer(self, error: MiniLLMError) -> MiniLLMError:
        """Add to *error*'s hint that the wallet could have answered, where only the user's consent was missing."""
        if self._decision.withheld is not None:
            error.hint = f"{error.hint}; or {OFFER}" if error.hint else OFFER
        return error

    async def _turn_after(self, turn: Turn, error: UpstreamError) -> Turn | None:
        """Return who is asked after *turn* failed: another key, the same target once more, the next target, nobody."""
        parts, turns = self._parts, self.turns
        if other := turns.other_key(turn, error):
            return other
        wait = deadlines.wait_before_again(error, turn, self._call, parts, self._ends)
        if wait is not None:
            parts.retrying += 1
            try:
                await parts.sleep(wait)
            finally:
                parts.retrying -= 1
            return turns.again(turn)
        if not turns.goes_on_after(error, turn) or parts.now() >= self._ends:
            return None
        return turns.next()

    def _commit(self, attempt: Attempt[Content], content: Content) -> None:
        """Give the caller what *attempt* received."""
        answer, call = self._answer, self._call
        self.adopt(attempt)
        answer.content = content
        if call.stream and not call.timeout:
            limits = self._decision.timeouts
            self._ends += max(0.0, limits.stream - limits.total)
        if call.recovery is not None and deadlines.recovers(call, self._decision):
            seamless = Recovering(self, call.recovery, self._decision, self._parts).stream(cast(Deltas, content))
            answer.content = cast(Content, seamless)  # with `recovery` a Content is Deltas, see Call
        if call.spoken is not None:
            from mini_llm.dispatch.witness import Witness  # with the history: nothing of it is loaded where it is off

            self._witness = Witness(call.spoken, call, answer, self._parts.clock())
            answer.content = self._witness.watched(answer.content)

    def adopt(self, attempt: Attempt[Any]) -> None:
        """Let *attempt* be the one that answers, from now on."""
        answer = self._answer
        if answer.attempts:
            answer.recovered = True
            cost = self._parts.cost(answer.target, answer.meter)
            answer.spent_nanos = None if cost is None or answer.spent_nanos is None else answer.spent_nanos + cost
        self._attempt = attempt
        answer.target = attempt.turn.choice.target
        answer.attempts = attempt.turn.number
        answer.meter = attempt.meter
        answer.dropped = attempt.body.dropped
        answer.allowance = attempt.allowance

    async def broke(self, error: UpstreamError) -> bool:
        """Close the attempt that answered: it broke in the middle. Return whether another target may do better."""
        turn = self._attempt.turn
        await self._attempt.close(error)
        self.failed.append(turn.choice)
        return self.turns.goes_on_after(error, turn)

    def allow_silence(self, seconds: float) -> None:
        """Let the target that answers be silent for longer."""
        if self._attempt.reply is not None:
            self._attempt.reply.response.allow_silence(seconds)

    @property
    def has_time(self) -> bool:
        """Whether the deadline of the whole call is still ahead."""
        return self._parts.now() < self._ends

    def _needed(self) -> Needs:
        """Return what the call asks of a target, worked out once."""
        if self._needs is None:
            self._needs = needed(self._call.needs)
        return self._needs


def _verdict(failures: list[UpstreamError], unasked: list[MiniLLMError]) -> MiniLLMError:
    """Return the one error that tells the caller why nobody answered."""
    if not failures:
        return unasked[0]
    last = failures[-1]
    if not last.retryable or len({failure.provider for failure in failures}) == 1:
        return last
    return AllTargetsFailedError(failures)
