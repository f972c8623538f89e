"""What a request will come to at a target: how long its answers are, and the price by that. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from mini_llm import pricing
from mini_llm.routing.words import Target
from mini_llm.types import Price, Usage

EXPECTED_INPUT = 1000  # where nobody told how long the prompt is
EXPECTED_OUTPUT = 500  # where no answer of a target was seen
SURE_AFTER = 10  # as many answers as that guess weighs
RECENT = 1000  # answers that count: models and what they are asked change
MOST_KNOWN = 2000  # names come from callers: what is remembered of them must end


class Forecast(NamedTuple):
    """What a request is expected to cost at a target; `cached` tokens of its prompt are in a cache there."""

    input_tokens: int
    output_tokens: int
    cached: int
    nanos: int | None

    def line(self) -> str:
        """Tell the price and what it was worked out from."""
        cache = f", {self.cached:,} of them from its cache" if self.cached else ""
        sizes = f"about {self.input_tokens:,} tokens in{cache}, {self.output_tokens:,} out"
        return f"expected {pricing.dollars(self.nanos)} for {sizes}"


def forecast(price: Price | None, input_tokens: int, output_tokens: int, cached: int = 0) -> Forecast:
    """Return what a request of these sizes will cost at *price*; at full price where reading a cache has none."""
    cached = min(cached, input_tokens)
    nanos = pricing.cost_nanos(Usage(input_tokens, output_tokens, cache_read_tokens=cached), price)
    if nanos is None:
        nanos = pricing.estimate(input_tokens, output_tokens, price)
    return Forecast(input_tokens, output_tokens, cached, nanos)


class Expectations:
    """The mean length of each target's answers, a guess at first.

    *seen* tells of answers before, as (target, tokens, answers); it is asked once, where a price decides.
    """

    def __init__(self, seen: Callable[[], Iterable[tuple[Target, int, int]]] | None = None) -> None:
        self._before = seen
        self._seen: dict[Target, tuple[int, int]] = {}

    def begin(self) -> None:
        """Take note of the answers before, unless that was done."""
        before, self._before = self._before, None
        for target, tokens, answers in list(before()) if before else ():
            self.learn(target, tokens, answers)

    def output(self, target: Target) -> int:
        """Return how many tokens *target* will answer with."""
        answers, tokens = self._seen.get(target, (0, 0))
        return (EXPECTED_OUTPUT * SURE_AFTER + tokens) // (SURE_AFTER + answers)

    def learn(self, target: Target, tokens: int, answers: int = 1) -> None:
        """Take note of *answers* that had so many *tokens* in all. The newest count."""
        before, sum_before = self._seen.get(target, (0, 0))
        if not before and len(self._seen) >= MOST_KNOWN:
            del self._seen[next(iter(self._seen))]
        answers, tokens = before + answers, sum_before + tokens
        if answers > RECENT:
            answers, tokens = RECENT, tokens * RECENT // answers
        self._seen[target] = (answers, tokens)
