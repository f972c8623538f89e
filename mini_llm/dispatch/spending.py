"""What an attempt may cost, set aside from the budgets that bind it before it is sent. No budget, no work."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mini_llm import pricing
from mini_llm.dispatch.parts import Parts
from mini_llm.errors import BudgetError
from mini_llm.ledger.budgets import passed
from mini_llm.ledger.entries import Entry, Held
from mini_llm.meter import Meter
from mini_llm.routing import EXPECTED_OUTPUT, Needs, Target
from mini_llm.types import Delta, Price, Usage

USUAL_OUTPUT = 4096  # tokens, where neither the caller nor the catalogue says how many an answer may have
LEAST_OUTPUT = 64  # an answer of fewer tokens is not worth asking for
SURE = 2  # how many times as large as we think a prompt may be: four characters a token is a guess


class Allowance(NamedTuple):
    """Money held for an attempt. `most` is how many tokens its answer may have, None if the caller's own limit fits.

    `watch` ends an answer that goes on though its money is spent.
    """

    held: Held
    most: int | None
    watch: Callable[[Meter, Delta], None] | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Tell which limits that only warn are passed."""
        return tuple(map(passed, self.held.warnings))


class Watch:
    """Works out what an answer has cost so far, at a token a step at least, and ends it once that is too much."""

    def __init__(self, held: int, prompt: int, price: Price | None) -> None:
        self._held = held
        self._prompt = Usage(prompt)
        self._price = price
        self._steps = 0

    def __call__(self, meter: Meter, delta: Delta) -> None:
        """Take note of a step; raises BudgetError. An answer that has come to its end is paid for in any case."""
        if not (delta.text or delta.reasoning or delta.tool_call) or meter.ended:
            return
        self._steps += 1
        told = meter.usage or self._prompt
        cost = pricing.cost_nanos(told._replace(output_tokens=max(told.output_tokens, self._steps)), self._price)
        if cost is not None and cost > self._held:
            raise BudgetError(
                f"the answer has cost the {pricing.dollars(self._held)} that a budget left for it, and was ended",
                hint="ask for fewer tokens, or see `mini-llm budget`",
            )


async def set_aside(
    parts: Parts, row: Entry, target: Target, needs: Callable[[], Needs], *, lasts: float
) -> Allowance | None:
    """Hold what the attempt *row* may cost at most; None where no budget binds it, or it costs nothing.

    What is left is taken where that pays for some answer at least. Raises BudgetError, PriceUnknownError, LedgerError.
    """
    limits = parts.budgets.of(row.tool, row.caller) if parts.budgets is not None else ()
    if parts.budgets is None or not limits or row.paid_by == "local":
        return None
    model = parts.router.model(target)
    price = model.price if model else None
    asked = needs()
    prompt = asked.input_tokens * SURE
    wanted = asked.max_tokens
    if wanted is not None and wanted < 0:  # without end, to some servers
        wanted = None
    output = wanted or (model.max_output if model else 0) or USUAL_OUTPUT
    times = max(1, asked.answers)
    nanos = pricing.estimate(prompt, output * times, price)
    if nanos == 0:
        return None
    least = pricing.estimate(prompt, min(output, LEAST_OUTPUT) * times, price)
    guess = Usage(asked.input_tokens, min(output, EXPECTED_OUTPUT) * times, estimated=True)
    row = row._replace(usage=guess, cost_nanos=pricing.cost_nanos(guess, price))
    held = await parts.budgets.reserve(row, nanos, lasts=lasts, least=least)
    if held is None:
        return None
    if nanos is not None and held.nanos > nanos:  # more than was asked for: there is plenty, and no need of a limit
        return Allowance(held, None)
    most = output if nanos is None or held.nanos >= nanos else _affordable(held.nanos, prompt, price, output, times)
    fits = wanted is not None and most >= wanted
    hard = nanos is not None and any(getattr(limit, "hard", True) for limit in limits)
    watch = Watch(held.nanos, asked.input_tokens, price) if hard else None
    return Allowance(held, None if fits else most, watch)


def _affordable(nanos: int, prompt: int, price: Price | None, output: int, times: int) -> int:
    """Return how many tokens *nanos* pay for beside the prompt in each of the answers, of which there are *times*."""
    full = pricing.estimate(prompt, output * times, price) or 0
    bare = pricing.estimate(prompt, 0, price) or 0
    return max(1, min(output, (nanos - bare) * output // max(1, full - bare)))
