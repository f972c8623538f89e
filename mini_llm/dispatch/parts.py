"""What a dispatch works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mini_llm import pricing
from mini_llm.catalogue import Catalogue
from mini_llm.health import Health
from mini_llm.ledger import Ledger
from mini_llm.ledger.budgets import Budgets
from mini_llm.meter import Meter
from mini_llm.providers import Registry
from mini_llm.routing import Router, Target
from mini_llm.types import Usage
from mini_llm.upstream import Upstream


@dataclass(slots=True)
class Parts:
    """The rooms it knows, its clocks, and how many calls and retries there are just now."""

    router: Router
    registry: Registry
    catalogue: Catalogue
    upstream: Upstream
    health: Health
    ledger: Ledger
    now: Callable[[], float]
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    draw: Callable[[], float]
    budgets: Budgets | None = None
    active: int = 0
    retrying: int = 0

    def price_id(self, target: Target, usage: Usage | None) -> str:
        """Return the name of the price that *target* asks for *usage*: by it the cost can be worked out again."""
        return pricing.price_id(self.router.model(target), usage, self.catalogue.snapshot)

    def cost(self, target: Target, meter: Meter) -> int | None:
        """Return what an attempt costs by what *meter* has seen, None if that is not known."""
        if self.registry.get(target.provider).local:
            return 0
        usage = meter.usage
        if usage is None:
            return None
        if usage.cost_nanos is not None:
            return usage.cost_nanos
        model = self.router.model(target)
        return pricing.cost_nanos(usage, model.price if model else None)
