"""What a dispatch works with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from mini_llm import pricing
from mini_llm.catalogue import Catalogue
from mini_llm.health import Health
from mini_llm.ledger import Entry, Ledger
from mini_llm.ledger.entries import Held
from mini_llm.meter import Meter
from mini_llm.providers import Registry
from mini_llm.routing import Router, Target
from mini_llm.types import Usage
from mini_llm.upstream import Upstream


class Purse(Protocol):
    """Whose money attempts cost. `Budgets` is one, and says there what each of these promises."""

    def of(self, tool: str = "", caller: str = "") -> Collection[object]: ...

    async def reserve(
        self, entry: Entry, nanos: int | None, *, lasts: float, least: int | None = None
    ) -> Held | None: ...

    def void(self, held: Held | None) -> None: ...


class Payer(Purse, Protocol):
    """Who pays in the place of the gateway's user."""

    def charge(self, entry: Entry) -> None:
        """Take note of an attempt that has ended: what was held for it is settled. May not wait."""


@dataclass(slots=True)
class Parts:
    """The rooms it knows, its clocks, and how many calls and retries there are just now.

    `charge` hears of every attempt that has ended, where somebody else than the gateway's user pays. `low` tells which
    budget of a tool and a caller is low, `tell` hands rows to plugins.
    """

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
    budgets: Purse | None = None
    charge: Callable[[Entry], None] | None = None
    low: Callable[[str, str], Awaitable[str]] | None = None
    tell: Callable[[Entry], None] | None = None
    active: int = 0
    retrying: int = 0

    def write_down(self, entry: Entry) -> None:
        """Hand the row of an attempt to all who keep books."""
        if self.charge is not None:
            self.charge(entry)
            entry = entry._replace(reservation="")  # which is in the books of who pays, not in the ledger
        self.ledger.append(entry)
        if self.tell is not None:
            self.tell(entry)

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
