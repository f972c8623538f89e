"""What an attempt may cost, set aside from the budgets that bind it before it is sent. No budget, no work."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mini_llm import pricing
from mini_llm.dispatch.parts import Parts
from mini_llm.ledger.entries import Entry, Held
from mini_llm.routing import EXPECTED_OUTPUT, Needs, Target
from mini_llm.types import Price, Usage

USUAL_OUTPUT = 4096  # tokens, where neither the caller nor the catalogue says how many an answer may have
LEAST_OUTPUT = 64  # an answer of fewer tokens is not worth asking for
SURE = 2  # how many times as large as we think a prompt may be: four characters a token is a guess


class Allowance(NamedTuple):
    """Money held for an attempt. `most` is how many tokens its answer may have, None if the caller's own limit fits."""

    held: Held
    most: int | None


async def set_aside(
    parts: Parts, row: Entry, target: Target, needs: Callable[[], Needs], *, lasts: float
) -> Allowance | None:
    """Hold what the attempt *row* may cost at most; None where no budget binds it, or it costs nothing.

    What is left is taken where that pays for some answer at least. Raises BudgetError, PriceUnknownError, LedgerError.
    """
    if parts.budgets is None or not parts.budgets.of(row.tool, row.caller) or row.paid_by == "local":
        return None
    model = parts.router.model(target)
    price = model.price if model else None
    asked = needs()
    prompt = asked.input_tokens * SURE
    output = asked.max_tokens or (model.max_output if model else 0) or USUAL_OUTPUT
    nanos = pricing.estimate(prompt, output, price)
    if nanos == 0:
        return None
    least = pricing.estimate(prompt, min(output, LEAST_OUTPUT), price)
    guess = Usage(asked.input_tokens, min(output, EXPECTED_OUTPUT), estimated=True)
    row = row._replace(usage=guess, cost_nanos=pricing.cost_nanos(guess, price))
    held = await parts.budgets.reserve(row, nanos, lasts=lasts, least=least)
    if held is None:
        return None
    if nanos is not None and held.nanos > nanos:  # more than was asked for: there is plenty, and no need of a limit
        return Allowance(held, None)
    most = output if nanos is None or held.nanos >= nanos else _affordable(held.nanos, prompt, price, output)
    return Allowance(held, most if asked.max_tokens is None or most < asked.max_tokens else None)


def _affordable(nanos: int, prompt: int, price: Price | None, output: int) -> int:
    """Return how many tokens of output *nanos* pay for beside the prompt."""
    full = pricing.estimate(prompt, output, price) or 0
    bare = pricing.estimate(prompt, 0, price) or 0
    return max(1, min(output, (nanos - bare) * output // max(1, full - bare)))
