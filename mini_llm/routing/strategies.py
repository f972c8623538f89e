"""The order of a route's targets, and why each stands where it stands. Pure: what is known of them is handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mini_llm import pricing
from mini_llm.routing.caches import Holder
from mini_llm.routing.expectations import Forecast
from mini_llm.routing.words import Choice, Target

EXPLORE = 0.05

Forecasts = Mapping[Target, Forecast]


def by_cost(choices: Sequence[Choice], forecasts: Forecasts) -> list[Choice]:
    """Put what this request will cost least first, unknown prices last."""

    def rank(choice: Choice) -> tuple[bool, int]:
        return choice.expected_nanos is None, choice.expected_nanos or 0

    return [choice._replace(reason=forecasts[choice.target].line()) for choice in sorted(choices, key=rank)]


def by_latency(
    choices: Sequence[Choice], latency: Callable[[Choice], float | None], draw: Callable[[], float]
) -> list[Choice]:
    """Order by seconds to first content; a target nobody measured goes first, a slow one now and then."""
    timed = [(latency(choice), choice) for choice in choices]
    ranked = [
        choice._replace(reason="not measured yet" if seconds is None else f"first content after {seconds:.2f} s")
        for seconds, choice in sorted(timed, key=lambda pair: -1.0 if pair[0] is None else pair[0])
    ]
    if len(ranked) > 1 and draw() < EXPLORE:
        slower = ranked.pop(1 + int(draw() * (len(ranked) - 1)))
        ranked.insert(0, slower._replace(reason=f"{slower.reason}, measured anew now and then"))
    return ranked


def balanced(choices: Sequence[Choice], draw: Callable[[], float]) -> list[Choice]:
    """Shuffle: each has the same share, and takes the same share of one that fails."""
    left, order = list(choices), []
    while left:
        order.append(left.pop(int(draw() * len(left))))
    share = f"its turn, one in {len(order)}"
    return [choice._replace(reason="after it" if place else share) for place, choice in enumerate(order)]


def stay(choices: list[Choice], holder: Holder, forecasts: Forecasts, *, by_price: bool) -> list[Choice]:
    """Let the target that has the conversation in its cache go on, unless the one that is due is cheaper.

    *by_price*: one whose price is unknown does not.
    """
    here = next((choice for choice in choices if choice.target == holder.target), None)
    if here is None or len(choices) == 1 or (by_price and here.expected_nanos is None):
        return choices
    due = next(choice for choice in choices if choice is not here) if choices[0] is here else choices[0]
    sums = f"{pricing.dollars(here.expected_nanos)} at {here.target}, {pricing.dollars(due.expected_nanos)} at "
    cached = f"{forecasts[here.target].cached:,} tokens of the conversation"
    if due is choices[0] and _cheaper(due, here):
        return [
            due._replace(reason=f"{due.reason}; cheaper than a cache with {cached}: {sums}{due.target}"),
            *choices[1:],
        ]
    stays = here._replace(reason=f"has {cached} in its cache: {sums}{due.target}")
    return [stays, *(choice for choice in choices if choice is not here)]


def _cheaper(one: Choice, other: Choice) -> bool:
    if one.expected_nanos is None or other.expected_nanos is None:
        return False
    return one.expected_nanos < other.expected_nanos
