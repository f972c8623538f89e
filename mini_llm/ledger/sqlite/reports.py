"""What the SQLite book tells of its rows. Sums come from quarters of an hour, and from rows at a range's ends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import apsw
import orjson

from mini_llm.ledger.entries import Grouping, Totals, Unsettled, UsageRow
from mini_llm.ledger.sqlite.schema import SLOT
from mini_llm.ledger.windows import FOREVER
from mini_llm.ledger.written import read_entry

__all__ = ["FOREVER", "totals", "unsettled", "usage"]

Sums = tuple[int, ...]
TIMES = ("day", "week", "month")
WORDS = {"payer": "paid_by", "key": "caller", "member": "caller"}  # where the column has another name than people use

SUMS = """
SELECT {key}, sum(requests), sum(attempts), sum(input_tokens), sum(cache_read_tokens), sum(cache_write_tokens),
       sum(output_tokens), sum(reasoning_tokens), sum(dollars), sum(nanos), sum(unpriced), sum(estimated), sum(saved)
FROM {source} AND (?3 IS NULL OR origin IN (SELECT value FROM json_each(?3))) GROUP BY {key}
"""
ROLLED = "rollup WHERE slot >= ?1 AND slot < ?2"
NOT_ROLLED = "single WHERE id > (SELECT rolled FROM mark) AND slot >= ?1 AND slot < ?2"
EDGE = "single WHERE time >= ?1 AND time < ?2"
ORIGINS = """
SELECT id, route, provider, model, status, tool, caller, credential, paid_by FROM origin
"""
UNSETTLED = """
SELECT request_id, attempt, time, provider, model, cost_nanos FROM attempt AS told
WHERE status = 'unknown' AND NOT EXISTS (
  SELECT 1 FROM entry WHERE entry.request_id = told.request_id AND entry.attempt = told.attempt AND correction = 1
) ORDER BY id
"""
OPEN = "SELECT entry, nanos FROM reservation WHERE state = 'open' ORDER BY id"


def totals(connection: apsw.Connection, since: float, until: float) -> Totals:
    """Sum all rows of a time."""
    found = [row[1:] for row in _sums(connection, "slot", since, until, None)]
    sums = [sum(column) for column in zip(*found, strict=True)] or [0] * 12
    return Totals(sums[0], sums[1], sums[2], sums[5], sums[7] * 10**9 + sums[8], sums[9])


def usage(
    connection: apsw.Connection,
    by: Grouping,
    since: float,
    until: float,
    only: Mapping[str, str],
    day_of: Callable[[float], int],
) -> list[UsageRow]:
    """Sum the rows of each group, in the order of their names. *day_of* tells the calendar day of an instant."""
    origins = _origins(connection)
    kept = None if not only else [number for number, words in origins.items() if _fits(words, only)]
    found = _sums(connection, "slot" if by in TIMES else "origin", since, until, kept)
    name_of = _calendar(by, day_of) if by in TIMES else _word(by, origins)
    groups: dict[str, list[Sums]] = defaultdict(list)
    for key, *sums in found:
        groups[name_of(key)].append(tuple(sums))
    return [_row(name, groups[name]) for name in sorted(groups)]


def unsettled(connection: apsw.Connection) -> list[Unsettled]:
    """Return attempts still under way (or left by a process that ended), and those written as unknown."""
    told = [Unsettled._make((*row, False)) for row in connection.execute(UNSETTLED)]
    for text, nanos in connection.execute(OPEN):
        entry = read_entry(text)
        told.append(Unsettled(entry.request_id, entry.attempt, entry.time, entry.provider, entry.model, nanos, True))
    return told


def _sums(
    connection: apsw.Connection, key: Literal["slot", "origin"], since: float, until: float, kept: Sequence[int] | None
) -> Iterator[tuple[Any, ...]]:
    """Yield (key, sums): of whole slots at once, of the pieces at both ends row by row."""
    origins = None if kept is None else orjson.dumps(kept).decode()
    statement = SUMS.replace("{key}", key)

    def read(source: str, start: float, end: float) -> Iterator[tuple[Any, ...]]:
        if start < end:
            yield from connection.execute(statement.replace("{source}", source), (start, end, origins))

    first, last = int(-(-since // SLOT)), int(until // SLOT)
    if first > last:
        yield from read(EDGE, since, until)
        return
    yield from read(ROLLED, first, last)
    yield from read(NOT_ROLLED, first, last)
    yield from read(EDGE, since, first * SLOT)
    yield from read(EDGE, last * SLOT, until)


def _origins(connection: apsw.Connection) -> dict[int, dict[str, str]]:
    cursor = connection.execute(ORIGINS)
    names = ("route", "provider", "model", "status", "tool", "caller", "credential", "paid_by")
    return {number: dict(zip(names, words, strict=True)) for number, *words in cursor}


def _fits(words: Mapping[str, str], only: Mapping[str, str]) -> bool:
    return all(words[WORDS.get(name, name)] == value for name, value in only.items())


def _word(by: Grouping, origins: Mapping[int, Mapping[str, str]]) -> Callable[[int], str]:
    name = WORDS.get(by, by)
    return lambda origin: origins[origin][name]


def _calendar(by: Grouping, day_of: Callable[[float], int]) -> Callable[[int], str]:
    """Return what names a slot's day, week (by its Monday) or month."""
    from datetime import date

    def name_of(slot: int) -> str:
        day = date.fromordinal(day_of(slot * SLOT))
        if by == "week":
            day = date.fromordinal(day.toordinal() - day.weekday())
        return day.isoformat()[: 7 if by == "month" else 10]

    return name_of


def _row(name: str, found: Sequence[Sums]) -> UsageRow:
    requests, attempts, tokens_in, read, written, tokens_out, reasoning, dollars, nanos, unpriced, estimated, saved = (
        sum(column) for column in zip(*found, strict=True)
    )
    cost = dollars * 10**9 + nanos
    return UsageRow(
        name, requests, attempts, tokens_in, read, written, tokens_out, reasoning, cost, unpriced, estimated, saved
    )
