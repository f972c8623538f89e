"""How budgets are told: a table with gauges, JSON, one line for `status`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from mini_llm import pricing
from mini_llm.cli import chart, output
from mini_llm.cli.flags import Flags
from mini_llm.ledger.entries import Limit, Standing
from mini_llm.ledger.windows import day_of, zone_named

COLUMNS = ("BUDGET", "PERIOD", "LIMIT", "SPENT", "HELD", "LEFT", "ANEW", "OVER IT")
NUMBERS = ("LIMIT", "SPENT", "HELD", "LEFT")
WIDEST = 20


def table(known: Flags, found: Sequence[Standing]) -> None:
    """Write one line a budget, with a gauge on a terminal."""
    zone = zone_named(known.load().config.budget_zone)
    rows = [_cells(one, zone) for one in found]
    columns: tuple[str, ...] = COLUMNS
    if output.is_terminal(sys.stdout):
        if all(one.limit.hard for one in found):  # as people expect
            rows = [[*row[:-1], ""] for row in rows]
        room = min(chart.room_beside(columns, rows), WIDEST)
        rows = [[*row, chart.gauge(used(one), one.limit.nanos, room)] for row, one in zip(rows, found, strict=True)]
        columns = (*columns, "")
    output.table(columns, rows, color=known.colour(), numbers=NUMBERS)


def described(one: Standing) -> dict[str, Any]:
    """Return a budget as plain JSON values; the keys are stable."""
    anew = None if one.resets_at is None else datetime.fromtimestamp(one.resets_at, UTC).isoformat()
    return {
        "scope": one.limit.scope,
        "period": one.limit.period,
        "limit_nanos": one.limit.nanos,
        "spent_nanos": one.spent,
        "held_nanos": one.held,
        "left_nanos": left(one),
        "hard": one.limit.hard,
        "resets_at": anew,
    }


def used(one: Standing) -> int:
    """Return what is spent and held of a budget."""
    return one.spent + one.held


def left(one: Standing) -> int:
    """Return what may still be spent, never less than nothing."""
    return max(0, one.limit.nanos - used(one))


def named(scope: str, period: str) -> str:
    """Return what people call a budget."""
    return f"the {period} budget{whose(scope)}"


def whose(scope: str) -> str:
    """Return whom a budget binds, "" for everybody."""
    kind, _, name = scope.partition(":")
    return output.clean(f" for the {kind} {name}") if name else ""


def _cells(one: Standing, zone: tzinfo | None) -> list[str]:
    return [
        _whose(one.limit),
        one.limit.period,
        pricing.dollars(one.limit.nanos),
        pricing.dollars(one.spent),
        pricing.dollars(one.held) if one.held else "",
        pricing.dollars(left(one)),
        _anew(one, zone),
        "refused" if one.limit.hard else "warned",
    ]


def _whose(limit: Limit) -> str:
    kind, _, name = limit.scope.partition(":")
    return output.clean(f"{kind} {name}") if name else "everything"


def _anew(one: Standing, zone: tzinfo | None) -> str:
    """Return the day on which a budget starts anew: it does so at midnight."""
    if one.resets_at is None:
        return "never"
    day: date = day_of(one.resets_at, zone)
    return day.isoformat()
