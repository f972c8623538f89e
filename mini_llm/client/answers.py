"""What the SDK gives back: a whole answer, or one that streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

from mini_llm import pricing
from mini_llm.dispatch import Answer as Dispatched
from mini_llm.errors import UsageError
from mini_llm.meter import Gatherer
from mini_llm.types import ChatResponse, Delta, Json, Reasoning, Refusal, Text, ToolCall, Usage

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer and how it came about.

    `provider` and `model` answered; `route` is the decision in one line, as `mini-llm explain` tells it;
    `attempts` counts every request sent for it; `cost_nanos` is in billionths of a US dollar, None if unknown;
    `seconds` is the time the last attempt took; `dropped` names tuning fields the provider does not take;
    `warnings` is what budgets say that only warn.
    """

    response: ChatResponse
    provider: str
    model: str
    route: str
    attempts: int
    request_id: str
    cost_nanos: int | None
    seconds: float
    dropped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The words of the answer, "" if it has none."""
        return "".join(part.text for part in self._parts if isinstance(part, Text | Refusal))

    @property
    def reasoning(self) -> str:
        """What the model showed of its thinking, "" if nothing."""
        return "".join(part.text for part in self._parts if isinstance(part, Reasoning))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools the model asks for; `arguments` is JSON text."""
        return tuple(part for part in self._parts if isinstance(part, ToolCall))

    @property
    def usage(self) -> Usage | None:
        """Tokens in and out, None where the provider told none."""
        return self.response.usage

    @property
    def finish_reason(self) -> str:
        """Why it ended: "stop", "length", "tool_calls", "content_filter", "refusal", "pause"; "" if it was cut off."""
        return (self.response.choices[0].finish_reason or "") if self.response.choices else ""

    @property
    def cost(self) -> Decimal | None:
        """The cost in US dollars, exactly; None if unknown."""
        from decimal import Decimal  # 8 ms at start-up, for those who ask

        if not self.cost_nanos:
            return None if self.cost_nanos is None else Decimal(0)  # not 0E-9
        return Decimal(self.cost_nanos).scaleb(-9)

    def to_dict(self) -> Json:
        """Return the answer as plain JSON values; the keys are stable."""
        return {
            "text": self.text,
            "reasoning": self.reasoning,
            "tool_calls": [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in self.tool_calls],
            "finish_reason": self.finish_reason,
            "provider": self.provider,
            "model": self.model,
            "route": self.route,
            "attempts": self.attempts,
            "request_id": self.request_id,
            "usage": _usage(self.usage),
            "cost": None if self.cost_nanos is None else pricing.decimal(self.cost_nanos),
            "cost_nanos": self.cost_nanos,
            "seconds": round(self.seconds, 3),
            "dropped": list(self.dropped),
            "warnings": list(self.warnings),
        }

    @property
    def _parts(self) -> tuple[Any, ...]:
        return self.response.choices[0].message.parts if self.response.choices else ()


def _usage(usage: Usage | None) -> Json | None:
    if usage is None:
        return None
    return {name: value for name, value in usage._asdict().items() if name not in ("raw", "cost_nanos")}


def answer_of(dispatched: Dispatched[Any], response: ChatResponse) -> Answer:
    """Return *response* with what dispatch knows of it."""
    return Answer(
        response=response,
        provider=dispatched.target.provider,
        model=dispatched.target.model,
        route=dispatched.decision.line(),
        attempts=dispatched.attempts,
        request_id=dispatched.request_id,
        cost_nanos=dispatched.cost_nanos,
        seconds=dispatched.meter.elapsed,
        dropped=dispatched.dropped,
        warnings=dispatched.warnings,
    )


Opening: TypeAlias = AbstractAsyncContextManager[Dispatched[AsyncGenerator[Delta, None]]]


class AsyncStream:
    """An answer as it comes: `async for delta in stream`. Leaving early, or `aclose()`, stops the model.

    The request goes out when the first delta is asked for.
    """

    def __init__(self, opened: Callable[[], Awaitable[Opening]], *, ended: Callable[[Answer], None]) -> None:
        self._opened = opened
        self._ended = ended
        self._gatherer = Gatherer()
        self._dispatched: Dispatched[AsyncGenerator[Delta, None]] | None = None
        self._answer: Answer | None = None
        self._deltas = self._run()
        self._reader: asyncio.Task[Any] | None = None
        self._rested = asyncio.Event()
        self._stopping = False

    @property
    def answer(self) -> Answer:
        """The answer so far; whole once the loop has ended. Raises UsageError before anything came."""
        if self._answer is not None:
            return self._answer
        if self._dispatched is None:
            raise UsageError("nothing has come yet", hint="loop over the stream first")
        return answer_of(self._dispatched, self._gatherer.response())

    async def _run(self) -> AsyncGenerator[Delta, None]:
        async with await self._opened() as dispatched:
            self._dispatched = dispatched
            try:
                async for delta in dispatched.content:
                    self._gatherer.add(delta)
                    yield delta
                if not dispatched.recovered:  # what two models thought is neither's to be reminded of
                    self._ended(answer_of(dispatched, self._gatherer.response()))
            finally:
                self._answer = answer_of(dispatched, self._gatherer.response())
                await dispatched.content.aclose()

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> Delta:
        task = self._reader = asyncio.current_task()
        try:
            return await anext(self._deltas)
        except asyncio.CancelledError:
            if not self._stopping or task is None or task.uncancel():
                raise
            raise StopAsyncIteration from None
        finally:
            self._reader = None
            self._rested.set()

    async def aclose(self) -> None:
        """Stop: the connection is closed, so the provider stops too. A loop that waits for more ends, in any task."""
        if self._reader not in (None, asyncio.current_task()):
            self._stopping = True
            self._rested.clear()
            self._reader.cancel()
            await self._rested.wait()
        await self._deltas.aclose()

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
