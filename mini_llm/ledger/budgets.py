"""Budgets: set money aside before an attempt is sent, settle it after. Without limits nothing here does anything.

What dispatch does with a budgeted attempt: `reserve` before it is sent; append its one row with the reservation's id,
which settles it; or `void` it if it was never sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, tzinfo

from mini_llm.config import build
from mini_llm.config.settings import Budget
from mini_llm.errors import BudgetError, LedgerError, PriceUnknownError
from mini_llm.ledger import Ledger
from mini_llm.ledger.entries import Entry, Held, Hold, Limit, Refused, Standing, Window
from mini_llm.ledger.windows import window_at
from mini_llm.pricing import decimal, dollars

LARGEST = 4 * 10**18  # nano-dollars: more is no limit, and would not fit the database's sums
LOW_PERCENT = 20
LOOK_SECONDS = 1.0  # between two looks at what is left
NAMES = {"daily": "a day", "weekly": "a week", "monthly": "a month", "total": "in all"}


class Budgets:
    """The limits that are set, and the money held against them."""

    def __init__(
        self,
        ledger: Ledger,
        limits: Iterable[Limit] = (),
        *,
        zone: tzinfo | None = None,
        clock: Callable[[], float] = time.time,
        low: int = LOW_PERCENT,
    ) -> None:
        self._ledger = ledger
        self._zone = zone
        self._clock = clock
        self._low = low
        self._looked = -LOOK_SECONDS
        self._seen: tuple[Standing, ...] = ()
        self._limits: dict[str, tuple[Limit, ...]] = {}
        for limit in sorted(limits):  # one order for all, so that no two requests wait for each other
            self._limits[limit.scope] = (*self._limits.get(limit.scope, ()), limit)

    def of(self, tool: str = "", caller: str = "") -> tuple[Limit, ...]:
        """Return the limits that bind a request of *tool* and *caller*; none is the usual case, and costs nothing."""
        if not self._limits:
            return ()
        found = self._limits
        return (*found.get("all", ()), *found.get(f"key:{caller}", ()), *found.get(f"tool:{tool}", ()))

    async def reserve(self, entry: Entry, nanos: int | None, *, lasts: float, least: int | None = None) -> Held | None:
        """Set *nanos* aside for the attempt *entry*, which may take *lasts* seconds; None if no limit binds it.

        With *least*, what is left is taken if it is at least that much: `Held.nanos` says how much it was. *entry* is
        the row that is written should this process die: status `unknown`, its cost and usage the best estimate.
        Raises BudgetError, PriceUnknownError (nanos is None and a limit is hard), LedgerError.
        """
        limits = self.of(entry.tool, entry.caller)
        if not limits:
            return None
        if nanos is None:
            if any(limit.hard for limit in limits):
                raise PriceUnknownError(
                    f"{entry.provider}/{entry.model} has no known price, so its cost can't be kept within the budget",
                    hint=f'set its price under "prices" in the config: "{entry.provider}/{entry.model}"',
                )
            nanos = 0
        hold = Hold(entry, nanos, nanos if least is None else least, self._windows(limits))
        outcome = await self._ledger.hold(hold, lasts)
        if isinstance(outcome, Refused):
            raise self._refusal(outcome.standing, nanos if least is None else least)
        return outcome

    def void(self, held: Held | None) -> None:
        """Give back what was set aside for an attempt that was never sent."""
        if held is not None:
            self._ledger.void(held.id)

    async def low(self, tool: str = "", caller: str = "") -> str:
        """Say which limit of a request is low, "" if none; what is known of them is a second old at most."""
        limits = self.of(tool, caller)
        if limits and abs(self._clock() - self._looked) >= LOOK_SECONDS:
            await asyncio.to_thread(self._look)
        return self._lowest(limits)

    def low_now(self, tool: str = "", caller: str = "") -> str:
        """Say it at once. Reads the disk."""
        limits = self.of(tool, caller)
        if limits:
            self._look()
        return self._lowest(limits)

    def _look(self) -> None:
        with suppress(LedgerError):  # told elsewhere, and no reason to ask for another model
            self._seen = tuple(self.standings())
        self._looked = self._clock()

    def _lowest(self, limits: Iterable[Limit]) -> str:
        among = set(limits)
        for standing in self._seen:
            limit = standing.limit
            if limit in among and (limit.nanos - standing.spent - standing.held) * 100 < limit.nanos * self._low:
                return f"the budget of {dollars(limit.nanos)} {NAMES[limit.period]}{_whose(limit.scope)} is low"
        return ""

    def standings(self) -> list[Standing]:
        """Tell how every limit stands now. Reads the disk."""
        return list(self._ledger.standings(self._windows(limit for found in self._limits.values() for limit in found)))

    def _windows(self, limits: Iterable[Limit]) -> tuple[tuple[Limit, Window], ...]:
        now = self._clock()
        return tuple((limit, window_at(limit.period, now, self._zone)) for limit in limits)

    def _refusal(self, standing: Standing, asked: int) -> BudgetError:
        limit = standing.limit
        held = f" and {dollars(standing.held)} held for requests under way" if standing.held else ""
        return BudgetError(
            f"the budget of {dollars(limit.nanos)} {NAMES[limit.period]}{_whose(limit.scope)} is spent:"
            f" {dollars(standing.spent)}{held}, and this request may cost {dollars(asked)}{self._anew(standing)}",
            hint=f"raise it: `{raising(limit)}`; or ask for fewer tokens",
            limit=limit.nanos,
            spent=standing.spent,
            held=standing.held,
            resets_at=standing.resets_at,
        )

    def _anew(self, standing: Standing) -> str:
        if standing.resets_at is None:
            return ""
        instant = datetime.fromtimestamp(standing.resets_at, self._zone or UTC).astimezone(self._zone)
        return f"; it starts anew at {instant:%Y-%m-%d %H:%M %Z}"


def limit_of(told: Budget) -> Limit:
    """Return the limit that a line of the config sets."""
    return Limit(told.scope, told.period, min(build.nanos(told.dollars), LARGEST), told.hard)


def passed(standing: Standing) -> str:
    """Tell that a limit which only warns is passed."""
    limit = standing.limit
    whole = dollars(standing.spent + standing.held)
    return (
        f"the budget of {dollars(limit.nanos)} {NAMES[limit.period]}{_whose(limit.scope)} is passed, with {whole} spent"
    )


def raising(limit: Limit) -> str:
    """Return the command that raises a budget, to twice what it is."""
    from shlex import quote  # 3 ms, and few need it

    whom = "" if limit.scope == "all" else f" --for {quote(limit.scope.removeprefix('tool:'))}"
    return f"mini-llm budget set {limit.period} {decimal(max(limit.nanos * 2, 10**9))}{whom}"


def _whose(scope: str) -> str:
    kind, _, name = scope.partition(":")
    return f" for the {kind} {name}" if name else ""
