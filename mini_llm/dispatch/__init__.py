"""Get an answer: the loop that every entrance goes through."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from mini_llm.catalogue import Catalogue
from mini_llm.dispatch.answering import Answering
from mini_llm.dispatch.call import Answer, Call, Content, Recovery, Spoken
from mini_llm.dispatch.parts import Parts, Payer, Purse
from mini_llm.health import Health
from mini_llm.ledger import Entry, Ledger
from mini_llm.providers import Registry
from mini_llm.routing import Router
from mini_llm.upstream import Upstream

__all__ = ["Answer", "Answering", "Call", "Dispatch", "Payer", "Purse", "Recovery", "Spoken"]


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
        budgets: Purse | None = None,
        charge: Callable[[Entry], None] | None = None,
        low: Callable[[str, str], Awaitable[str]] | None = None,
        tell: Callable[[Entry], None] | None = None,
    ) -> None:
        self._parts = Parts(
            *(router, registry, catalogue, upstream, health, ledger, now, clock, sleep, draw),
            *(budgets, charge, low, tell),
        )

    def answer(self, call: Call[Content]) -> Answering[Content]:
        """Return a block that opens the first answer of *call*'s route; leaving it closes it and settles its row.

        Raises as `Answering` says.
        """
        return Answering(self._parts, call)
