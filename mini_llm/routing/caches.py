"""Which target has the beginning of a conversation in its prompt cache. Pure, in memory, and bounded."""

from __future__ import annotations

from typing import NamedTuple

from mini_llm.routing.words import Target
from mini_llm.types import Price, Usage

WARM_SECONDS = 300.0  # what providers promise at least, anew with each use
WARM_HOUR = 3600.0
MOST_CONVERSATIONS = 4096


class Holder(NamedTuple):
    """A target that has `tokens` of a conversation in its cache, until then."""

    target: Target
    tokens: int
    until: float


class Caches:
    """Remember who answered a conversation's last turn, and how much of it is in the cache there."""

    def __init__(self) -> None:
        self._holders: dict[int, Holder] = {}

    def holder(self, conversation: int, now: float) -> Holder | None:
        """Return who has *conversation* in its cache now, None if nobody is known to."""
        found = self._holders.get(conversation) if conversation else None
        return found if found is not None and now < found.until else None

    def note(self, conversation: int, target: Target, usage: Usage, price: Price | None, now: float) -> None:
        """Take note of what a turn left in the cache of *target*."""
        before = self._holders.pop(conversation, None)
        tokens = _kept(usage, price)
        if tokens:
            lasts = WARM_HOUR if usage.cache_write_1h_tokens else WARM_SECONDS
            self._holders[conversation] = Holder(target, tokens, now + lasts)
        elif before is not None and before.target != target:
            self._holders[conversation] = before
        if len(self._holders) > MOST_CONVERSATIONS:
            del self._holders[next(iter(self._holders))]


def _kept(usage: Usage, price: Price | None) -> int:
    """Return how many tokens of a prompt are in the cache after it was answered.

    Who sells reading but not writing keeps all by itself; of the others only what they tell is sure.
    """
    if price is not None and price.cache_read is not None and price.cache_write_5m is None:
        return usage.input_tokens
    return usage.cache_read_tokens + usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
