"""The order that a plugin's strategy gives. It orders and leaves nothing out: a fallback is never lost to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, TypeAlias

from mini_llm.routing.expectations import Forecast
from mini_llm.routing.words import Choice, Target


class Candidate(NamedTuple):
    """A target as a strategy sees it, for one request.

    `expected_nanos` is what the request would cost there (None: unknown), `latency` the seconds to first content of
    late (None: not measured), `cached_tokens` how much of the conversation is in its prompt cache, `trouble` why it
    would be passed over now. `reason` is for the strategy to fill in: `mini-llm explain` shows it.
    """

    provider: str
    model: str
    expected_nanos: int | None = None
    latency: float | None = None
    cached_tokens: int = 0
    trouble: str = ""
    reason: str = ""


Strategy: TypeAlias = Callable[[Sequence[Candidate]], Iterable[Candidate]]
Latency: TypeAlias = Callable[[Choice], float | None]


def ordered(
    choices: Sequence[Choice], strategy: Strategy, forecasts: Mapping[Target, Forecast], latency: Latency
) -> list[Choice]:
    """Return *choices* in the order of *strategy*; as they were written, with the reason, where that fails."""
    offered = [_candidate(choice, forecasts[choice.target], latency) for choice in choices]
    left = {choice.target: choice for choice in choices}
    order = []
    try:
        for one in islice(strategy(offered), len(offered)):
            if choice := left.pop(Target(one.provider, one.model), None):
                order.append(choice._replace(reason=str(one.reason) or choice.reason))
    except Exception as error:  # somebody else's code; the request is answered all the same
        return [choice._replace(reason=f"{choice.reason}: the strategy failed ({error!r:.200})") for choice in choices]
    return order + list(left.values())


def _candidate(choice: Choice, forecast: Forecast, latency: Latency) -> Candidate:
    target = choice.target
    return Candidate(
        *(target.provider, target.model),
        expected_nanos=choice.expected_nanos,
        latency=latency(choice),
        cached_tokens=forecast.cached,
        trouble=choice.trouble,
    )
