"""How long each phase of an attempt may take, and how long to wait before the same target is asked again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mini_llm.catalogue import traits_of
from mini_llm.dispatch.call import Call
from mini_llm.dispatch.parts import Parts
from mini_llm.dispatch.turns import Turn
from mini_llm.errors import RateLimitError, ResetByPeerError, UpstreamError
from mini_llm.routing import Decision, Needs
from mini_llm.transport import Timeouts

FIRST_CONTENT_WITH_FALLBACK = 10.0
FIRST_CONTENT_ALONE = 120.0
SILENCE = 120.0
SILENCE_WITH_RECOVERY = 20.0
WORTH_WAITING = 2.5
RETRY_SHARE = 0.2
RETRY_FLOOR = 3


def of_turn(call: Call[Any], decision: Decision, turn: Turn, left: float, needs: Callable[[], Needs]) -> Timeouts:
    """Return how long each phase of *turn* may take, with so many seconds *left* for all."""
    limits = decision.timeouts
    quick = turn.others and call.stream and not _thinks(turn, needs)
    left = max(0.001, left)
    if limits.first_content is not None:
        first = limits.first_content
    elif call.stream:
        first = FIRST_CONTENT_WITH_FALLBACK if quick else FIRST_CONTENT_ALONE
    else:  # a whole answer shows nothing before its end, so only long silence tells
        first = FIRST_CONTENT_ALONE if turn.others else limits.total
    recoverable = quick and recovers(call, decision) and turn.number < decision.max_attempts
    first = min(first, left)
    connect = min(limits.connect, left)
    silence = limits.silence or (SILENCE_WITH_RECOVERY if recoverable else SILENCE)
    total = left if call.timeout or not call.stream else max(left, limits.stream)
    return Timeouts(connect, first, silence, total, first)


def recovers(call: Call[Any], decision: Decision) -> bool:
    """Tell whether a stream that breaks may go on at another target."""
    return call.recovery is not None and call.stream and decision.recovery != "off" and len(decision.choices) > 1


def wait_before_again(error: UpstreamError, turn: Turn, call: Call[Any], parts: Parts, ends: float) -> float | None:
    """Return the seconds to wait before the same target is asked once more, None if it is not."""
    if turn.again or call.retried or error.again is None:
        return None
    if isinstance(error, ResetByPeerError) and error.answered:
        return None
    if parts.retrying >= max(RETRY_FLOOR, RETRY_SHARE * parts.active):
        return None
    least, most = error.again
    wait = least + (most - least) * parts.draw()
    if isinstance(error, RateLimitError) and error.retry_after is not None:
        if error.retry_after > WORTH_WAITING:
            return None
        wait = error.retry_after
    return wait if parts.now() + wait < ends else None


def _thinks(turn: Turn, needs: Callable[[], Needs]) -> bool:
    """Tell whether the model will think before it speaks: unasked, or because the caller wants it to."""
    return "reasoning" in traits_of(turn.choice.target.model).has or "reasoning" in needs().capabilities
