"""How sums of the ledger are told: a table with bars, JSON, CSV. The unknown is said so, the estimated marked."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any

from mini_llm import pricing
from mini_llm.cli import chart, output
from mini_llm.cli.flags import Flags
from mini_llm.cli.period import Period
from mini_llm.ledger.entries import UsageRow
from mini_llm.ledger.windows import FOREVER

COLUMNS = ("REQUESTS", "ATTEMPTS", "IN", "OUT", "COST", "SAVED")
NARROW, NARROWEST = 16, 8  # characters left of a name before figures are told shorter, and in any case
FORMULA = ("=", "+", "-", "@")


def table(known: Flags, rows: Sequence[UsageRow], by: str, period: Period) -> None:
    """Write one line a group; on a terminal also their total, and bars."""
    columns, total = (by.upper(), *COLUMNS), _total(rows)
    notes = _notes(total)
    if output.is_terminal(sys.stdout):
        known.say_dim(f"{period.words}\n")
        cells = _fitted(columns, [*rows, total])
        room = chart.room_beside(columns, cells) if len(rows) > 1 else 0  # one alone is compared with nothing
        bars = [*chart.bars(_weights(rows), room), ""]
        *lines, last = [[*row, bar] for row, bar in zip(cells, bars, strict=True)]
        output.table((*columns, ""), lines, color=known.colour(), numbers=COLUMNS, total=last if len(lines) > 1 else ())
        notes = ["", *notes] if notes else []
    else:
        output.table(columns, [_cells(row, str) for row in rows])
    for note in notes:
        known.say_dim(note)


def described(rows: Sequence[UsageRow], by: str, period: Period) -> dict[str, Any]:
    """Return the sums as plain JSON values; the keys are stable."""
    return {
        "by": by,
        "since": _instant(period.since),
        "until": _instant(period.until),
        "rows": [{by: row.name, **_figures(row)} for row in rows],
        "total": _figures(_total(rows)),
    }


def comma_separated(rows: Sequence[UsageRow], by: str) -> str:
    """Return a header and exact figures, the cost also in dollars."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((by, *UsageRow._fields[1:], "cost_dollars"))
    for row in rows:
        cost = _cost(row)
        writer.writerow((_harmless(row.name), *_figures(row).values(), "" if cost is None else pricing.decimal(cost)))
    return text.getvalue()


def _total(rows: Sequence[UsageRow]) -> UsageRow:
    return UsageRow("total", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))


def _cost(row: UsageRow) -> int | None:
    """Return the part of the cost that is known, None if nothing is known of it."""
    return None if row.unpriced and not row.cost_nanos else row.cost_nanos


def _figures(row: UsageRow) -> dict[str, int | None]:
    """Return the figures by their names. `cost_nanos` is without the attempts that are `unpriced`."""
    return {**dict(zip(row._fields[1:], row[1:], strict=True)), "cost_nanos": _cost(row)}


def _cells(row: UsageRow, written: Callable[[int], str]) -> list[str]:
    """Return what a line says: ~ before what is partly estimated, + behind what is partly unknown."""
    cost, guess = _cost(row), "~" if row.estimated else ""
    more = "+" if row.unpriced and cost is not None else ""
    return [
        output.clean(row.name) or "(none)",
        written(row.requests),
        written(row.attempts),
        f"{guess}{written(row.input_tokens)}",
        f"{guess}{written(row.output_tokens)}",
        f"{guess if cost else ''}{pricing.dollars(cost)}{more}",
        pricing.dollars(row.saved_nanos) if row.saved_nanos else "",
    ]


def _notes(total: UsageRow) -> list[str]:
    found = []
    if total.estimated:
        found.append(f"~ the usage of {output.count(total.estimated, 'attempt')} is estimated")
    if total.unpriced:
        sign = "+ " if total.cost_nanos else ""
        found.append(
            f"{sign}the cost of {output.count(total.unpriced, 'attempt')} is unknown, and in none of these sums"
        )
    return found


def _fitted(columns: Sequence[str], rows: Sequence[UsageRow]) -> list[list[str]]:
    """Return the cells as a terminal has room for them: no figure is cut, but told shorter; names, in their middle."""
    retried = any(row.requests != row.attempts for row in rows)
    for attempts, written in ((retried, _grouped), (False, _grouped), (False, _short)):
        cells = [_cells(row, written) for row in rows]
        cells = cells if attempts else [[*row[:2], "", *row[3:]] for row in cells]
        longest = max(len(row[0]) for row in cells)
        width = longest + min(0, chart.room_beside(columns, cells))
        if width >= min(longest, NARROW):
            break
    return [[_shortened(row[0], max(width, NARROWEST)), *row[1:]] for row in cells]


def _grouped(number: int) -> str:
    return f"{number:,}"


def _short(number: int) -> str:
    """Return a count in three or four characters and its unit."""
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            whole, tenth = divmod(number * 10 // size, 10)
            return f"{whole:,}{unit}" if whole >= 100 else f"{whole}.{tenth}{unit}"
    return str(number)


def _shortened(name: str, width: int) -> str:
    ending = width // 2
    return name if len(name) <= width else f"{name[: width - ending - 1]}…{name[-ending:]}"


def _weights(rows: Sequence[UsageRow]) -> list[int]:
    """Return what the bars show: cost, or tokens where nothing is known to cost anything."""
    costs = [row.cost_nanos for row in rows]
    return costs if any(costs) else [row.input_tokens + row.output_tokens for row in rows]


def _instant(unix: float) -> str | None:
    return None if unix in (0.0, FOREVER) else datetime.fromtimestamp(unix, UTC).isoformat()


def _harmless(name: str) -> str:
    """Return a name that no spreadsheet takes for a formula: callers choose some of them themselves."""
    name = output.clean(name)
    return f"'{name}" if name.startswith(FORMULA) else name
