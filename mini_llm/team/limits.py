"""How often somebody may try: counted in memory, by what is tried and by who tries."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple

from mini_llm.team.errors import TooManyTriesError

MOST_KEPT = 50_000  # who tried; of more than these, the ones who were quiet longest are forgotten


class Rule(NamedTuple):
    """So many tries within so many seconds."""

    times: int
    seconds: float


RULES: Mapping[str, Rule] = {
    "sign_in_here": Rule(30, 60.0),  # from one address
    "sign_in_as": Rule(6, 60.0),  # into one account from one address
    "sign_in_anywhere": Rule(100, 3600.0),  # into one account, from wherever
    "invite_here": Rule(60, 60.0),
    "company_here": Rule(20, 60.0),
}


class Limits:
    """Count tries, and refuse what is too often. One process keeps the count."""

    def __init__(self, rules: Mapping[str, Rule] = RULES, *, now: Callable[[], float] = time.monotonic) -> None:
        self._rules = rules
        self._now = now
        self._tries: dict[tuple[str, str], deque[float]] = {}

    def take(self, name: str, who: str) -> None:
        """Count a try. Raises TooManyTriesError if there were enough already: that one does not count."""
        rule, now = self._rules[name], self._now()
        tries = self._tries.pop((name, who), None) or deque(maxlen=rule.times)
        while tries and now - tries[0] >= rule.seconds:
            tries.popleft()
        self._tries[name, who] = tries  # anew at the end: who was quiet longest stands first
        if len(tries) >= rule.times:
            wait = max(1.0, tries[0] + rule.seconds - now)
            raise TooManyTriesError("too many tries", hint="wait a moment, then try again", retry_after=wait)
        tries.append(now)
        if len(self._tries) > MOST_KEPT:
            del self._tries[next(iter(self._tries))]

    def give_back(self, name: str, who: str) -> None:
        """Take back the last try: it was a good one."""
        if tries := self._tries.get((name, who)):
            tries.pop()


def network_of(address: str) -> str:
    """Return what counts as one place: an IPv4 address, of IPv6 the /64 that one customer has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    plain = parsed.ipv4_mapped
    return str(plain) if plain else str(ip_network((int(parsed) >> 64 << 64, 64)))
