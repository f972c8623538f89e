"""THE loop: ask a route's targets in turn until one answers. Every entrance goes through it.

While nothing has reached the caller the answer is *open* and any target may be tried. `receive` decides what
"answered" means: it returns once the first content is there (a stream) or all of it (a whole answer).
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Generic, NamedTuple, TypeVar

from mini_llm import pricing
from mini_llm.catalogue import Catalogue, traits_of
from mini_llm.errors import (
    AllTargetsFailedError,
    ContextLengthError,
    DeadlineError,
    MiniLLMError,
    RateLimitError,
    ResetByPeerError,
    TranslationError,
    UpstreamError,
)
from mini_llm.health import Health
from mini_llm.ledger import Entry, Ledger, Payer, Status
from mini_llm.meter import Meter
from mini_llm.providers import WALLET, Provider, Registry
from mini_llm.routing import Choice, Decision, Needs, Router, Target
from mini_llm.translation import Body
from mini_llm.transport import Timeouts
from mini_llm.upstream import Reply, Request, Sending, Upstream

Content = TypeVar("Content")

FIRST_CONTENT_WITH_FALLBACK = 10.0
FIRST_CONTENT_ALONE = 120.0
SILENCE = 120.0
WORTH_WAITING = 2.5
RETRY_SHARE = 0.2
RETRY_FLOOR = 3


class Call(NamedTuple, Generic[Content]):
    """What an entrance wants: `body_for` writes the request for one target, `receive` takes its reply.

    `timeout` bounds the whole call in seconds; `retried` tells that the caller itself is on a second try.
    """

    model: str
    needs: Needs
    stream: bool
    body_for: Callable[[Provider, Target], Body]
    receive: Callable[[Reply, Body, Meter], Awaitable[Content]]
    request_id: str = ""
    tool: str = ""
    timeout: float | None = None
    retried: bool = False


class Answer(NamedTuple, Generic[Content]):
    """The target that answered and what it gave. `cost_nanos` is known after the content has ended."""

    target: Target
    decision: Decision
    attempts: int
    request_id: str
    content: Content
    meter: Meter
    dropped: tuple[str, ...]
    price_of: Callable[[Meter], int | None]

    @property
    def cost_nanos(self) -> int | None:
        """What this attempt costs by the usage seen so far, None if its price or usage is unknown."""
        return self.price_of(self.meter)


class _Turn(NamedTuple):
    """One attempt at one target."""

    number: int
    choice: Choice
    credential: str
    others: bool
    asked_before: bool

    @property
    def key(self) -> str:
        return str(self.choice.target)


class Dispatch:
    """Try targets until one answers, and write down each try."""

    def __init__(
        self,
        router: Router,
        registry: Registry,
        catalogue: Catalogue,
        upstream: Upstream,
        health: Health,
        ledger: Ledger,
        *,
        now: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._router = router
        self._registry = registry
        self._catalogue = catalogue
        self._upstream = upstream
        self._health = health
        self._ledger = ledger
        self._now = now
        self._clock = clock
        self._sleep = sleep
        self._draw = draw
        self._active = 0
        self._retrying = 0

    @asynccontextmanager
    async def answer(self, call: Call[Content]) -> AsyncIterator[Answer[Content]]:
        """Open the first answer of *call*'s route; leaving the block closes it and settles its row.

        Raises UpstreamError (AllTargetsFailedError when several were tried), CredentialError, UnknownModelError;
        LedgerError, before anything is sent, when no more rows can be kept.
        """
        self._ledger.check()
        decision = self._router.decide(call.model, call.needs, self._now())
        request_id = call.request_id or f"ml-{secrets.token_hex(12)}"
        call = call._replace(request_id=request_id)
        self._active += 1
        try:
            async with AsyncExitStack() as stack:
                turn, attempt = await self._first_to_answer(call, decision, stack)
                yield Answer(
                    target=turn.choice.target,
                    decision=decision,
                    attempts=turn.number,
                    request_id=request_id,
                    content=attempt.content,
                    meter=attempt.meter,
                    dropped=attempt.dropped,
                    price_of=lambda meter: self._cost(turn.choice.target, meter),
                )
        finally:
            self._active -= 1

    async def _first_to_answer(
        self, call: Call[Content], decision: Decision, stack: AsyncExitStack
    ) -> tuple[_Turn, _Opened[Content]]:
        ends = self._now() + (call.timeout or decision.timeouts.total)
        failures: list[UpstreamError] = []
        unasked: list[MiniLLMError] = []
        turn = self._next_turn(decision, None)
        while turn is not None:
            again = False
            try:
                ready = await self._ready(call, decision, turn, ends)
            except MiniLLMError as error:  # no key, not expressible, a wrong header: nothing was sent
                unasked.append(error)
                turn = self._next_turn(decision, turn, asked=False)
                continue
            try:
                return turn, await stack.enter_async_context(self._attempt(call, decision, turn, ready))
            except TranslationError as error:
                unasked.append(error)
            except UpstreamError as error:
                failures.append(error)
                wait = self._wait_before_again(error, turn, call, ends)
                again = wait is not None
                if wait is not None:
                    await self._pause(wait)
                elif not error.retryable or self._now() >= ends:
                    break
            turn = self._next_turn(decision, turn, again=again, after=failures[-1] if failures else None)
        raise _verdict(failures, unasked)

    def _next_turn(
        self,
        decision: Decision,
        last: _Turn | None,
        *,
        again: bool = False,
        asked: bool = True,
        after: UpstreamError | None = None,
    ) -> _Turn | None:
        """Return the turn after *last*: the same target, or the next that may be asked; None when all is spent."""
        number = last.number + asked if last else 1
        if number > decision.max_attempts:
            return None
        if last is not None and again:
            return last._replace(number=number, asked_before=True)
        position = decision.choices.index(last.choice) + 1 if last else 0
        left = list(decision.choices[position:])
        if isinstance(after, ContextLengthError) and last is not None:
            left = [choice for choice in left if self._holds_more(choice.target, last.choice.target)]
        for offset, choice in enumerate(left):
            others = left[offset + 1 :]
            credential = self._router.credential(choice.target)
            if others and self._health.trouble(str(choice.target), self._now()):
                continue
            if others and self._health.resting(credential, self._now()):
                continue
            healthy = any(not self._health.trouble(str(other.target), self._now()) for other in others)
            return _Turn(number, choice, credential, others=healthy, asked_before=False)
        return None

    async def _ready(self, call: Call[Content], decision: Decision, turn: _Turn, ends: float) -> _Ready:
        """Do all that can fail before anything is sent."""
        target = turn.choice.target
        body = call.body_for(self._registry.get(target.provider), target)
        request = Request(body.content, call.stream, self._deadlines(call, decision, turn, ends), path=body.path)
        return _Ready(await self._upstream.prepare(target, request), request.timeouts.first_byte, body)

    @asynccontextmanager
    async def _attempt(
        self, call: Call[Content], decision: Decision, turn: _Turn, ready: _Ready
    ) -> AsyncIterator[_Opened[Content]]:
        """Ask once. However it ends, health learns of it and the ledger gets its one row."""
        meter = Meter(now=self._now)
        status: Status = "cancelled"
        code = ""
        opened = False
        self._health.begin(turn.key, self._now())
        self._retrying += turn.asked_before
        try:
            async with AsyncExitStack() as stack:
                content = await self._first_content(call, ready, meter, stack)
                opened = True
                self._retrying -= turn.asked_before
                self._health.answer(turn.key, first_content=meter.first_content)
                yield _Opened(content, meter, ready.body.dropped)
                status = "ok" if meter.ended else "cancelled"
        except MiniLLMError as error:
            status, code = ("partial" if opened else "failed"), error.code
            if isinstance(error, UpstreamError):
                self._health.fail(turn.key, turn.credential, error, self._now())
            raise
        finally:
            if not opened:
                self._retrying -= turn.asked_before
                self._health.abandon(turn.key)
            elif status != "partial":  # a caller who left found nothing wrong
                self._health.succeed(turn.key, self._now())
            self._ledger.append(self._entry(call, decision, turn, meter, status, code))

    async def _first_content(self, call: Call[Content], ready: _Ready, meter: Meter, stack: AsyncExitStack) -> Content:
        """Return what was received; *stack* holds the reply open. A head that never ends is as late as none."""
        try:
            async with asyncio.timeout(ready.patience) as patience:
                reply = await stack.enter_async_context(ready.sending.open())
                meter.request_id = reply.request_id
                if not call.stream:  # a whole answer shows nothing before its end
                    patience.reschedule(None)
                return await call.receive(reply, ready.body, meter)
        except TimeoutError:
            name = ready.sending.provider.name
            raise DeadlineError(
                f"{name} sent no content within {ready.patience:g} s", phase="first content", provider=name
            ) from None

    def _deadlines(self, call: Call[Content], decision: Decision, turn: _Turn, ends: float) -> Timeouts:
        """Return how long each phase of this turn may take."""
        limits = decision.timeouts
        left = max(0.001, ends - self._now())
        if limits.first_content is not None:
            first = limits.first_content
        elif not call.stream:  # a whole answer shows nothing before its end, so only long silence tells
            first = FIRST_CONTENT_ALONE if turn.others else limits.total
        else:
            first = (
                FIRST_CONTENT_WITH_FALLBACK if turn.others and not _thinks(turn, call.needs) else FIRST_CONTENT_ALONE
            )
        total = left if call.timeout or not call.stream else max(left, limits.stream)
        return Timeouts(
            connect=min(limits.connect, left),
            first_byte=min(first, left),
            silence=limits.silence or SILENCE,
            total=total,
        )

    def _wait_before_again(self, error: UpstreamError, turn: _Turn, call: Call[Content], ends: float) -> float | None:
        """Return the seconds to wait before the same target is asked once more, None if it is not."""
        if turn.asked_before or call.retried or error.again is None:
            return None
        if isinstance(error, ResetByPeerError) and error.answered:
            return None
        if self._retrying >= max(RETRY_FLOOR, RETRY_SHARE * self._active):
            return None
        least, most = error.again
        wait = least + (most - least) * self._draw()
        if isinstance(error, RateLimitError) and error.retry_after is not None:
            if error.retry_after > WORTH_WAITING:
                return None
            wait = error.retry_after
        return wait if self._now() + wait < ends else None

    async def _pause(self, seconds: float) -> None:
        self._retrying += 1
        try:
            await self._sleep(seconds)
        finally:
            self._retrying -= 1

    def _holds_more(self, target: Target, than: Target) -> bool:
        """Tell whether *target*'s window is larger than that of *than*, or unknown."""
        model, last = self._router.model(target), self._router.model(than)
        if model is None or not model.context_window or last is None:
            return True
        return model.context_window > last.context_window

    def _cost(self, target: Target, meter: Meter) -> int | None:
        if self._registry.get(target.provider).local:
            return 0
        if meter.usage is None:
            return None
        if meter.usage.cost_nanos is not None:
            return meter.usage.cost_nanos
        model = self._router.model(target)
        return pricing.cost_nanos(meter.usage, model.price if model else None)

    def _entry(
        self, call: Call[Content], decision: Decision, turn: _Turn, meter: Meter, status: Status, code: str
    ) -> Entry:
        target = turn.choice.target
        provider = self._registry.get(target.provider)
        paid_by: Payer = "wallet" if target.provider == WALLET else "local" if provider.local else "own"
        return Entry(
            time=self._clock(),
            request_id=call.request_id,
            attempt=turn.number,
            route=decision.line(),
            provider=target.provider,
            model=target.model,
            status=status,
            error=code,
            tool=call.tool,
            usage=meter.usage,
            price_snapshot=self._catalogue.snapshot,
            cost_nanos=0 if status == "failed" and meter.usage is None else self._cost(target, meter),
            paid_by=paid_by,
            first_content=meter.first_content,
            seconds=meter.elapsed,
        )


class _Ready(NamedTuple):
    """A request that only has to be sent; `patience` is how many seconds its first content may take."""

    sending: Sending
    patience: float
    body: Body


class _Opened(NamedTuple, Generic[Content]):
    """What an attempt gave, and the meter that watches the rest of it."""

    content: Content
    meter: Meter
    dropped: tuple[str, ...]


def _thinks(turn: _Turn, needs: Needs) -> bool:
    """Tell whether the model will think before it speaks: unasked, or because the caller wants it to."""
    return "reasoning" in needs.capabilities or "reasoning" in traits_of(turn.choice.target.model).has


def _verdict(failures: list[UpstreamError], unasked: list[MiniLLMError]) -> MiniLLMError:
    """Return the one error that tells the caller why nobody answered."""
    if not failures:
        return unasked[0]
    last = failures[-1]
    if not last.retryable or len({failure.provider for failure in failures}) == 1:
        return last
    return AllTargetsFailedError(failures)
