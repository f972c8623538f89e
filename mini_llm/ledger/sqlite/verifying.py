"""Compare every figure of the SQLite book with what it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw

from mini_llm.ledger.entries import CostOf, Difference, Findings
from mini_llm.types import Usage

# A row, or the row that corrected it with the counts of both.
ROWS = """
SELECT told.request_id, told.attempt, told.status, told.paid_by, told.provider, told.model, told.price_snapshot,
       told.cost_nanos + ifnull(first.cost_nanos, 0), told.reported_nanos,
       told.input_tokens + ifnull(first.input_tokens, 0),
       told.output_tokens + ifnull(first.output_tokens, 0),
       told.cache_read_tokens + ifnull(first.cache_read_tokens, 0),
       told.cache_write_5m_tokens + ifnull(first.cache_write_5m_tokens, 0),
       told.cache_write_1h_tokens + ifnull(first.cache_write_1h_tokens, 0),
       told.input_audio_tokens + ifnull(first.input_audio_tokens, 0),
       told.input_image_tokens + ifnull(first.input_image_tokens, 0),
       told.reasoning_tokens + ifnull(first.reasoning_tokens, 0),
       told.output_audio_tokens + ifnull(first.output_audio_tokens, 0),
       ifnull(told.cache_read_audio_tokens, 0) + ifnull(first.cache_read_audio_tokens, 0),
       ifnull(told.web_searches, 0) + ifnull(first.web_searches, 0),
       told.estimated
FROM attempt AS told
LEFT JOIN entry AS first ON told.correction = 1 AND first.request_id = told.request_id
     AND first.attempt = told.attempt AND first.correction = 0
WHERE NOT (told.correction = 0 AND told.status = 'unknown')
"""
ROLLED = """
SELECT count(*) FROM (
  SELECT slot, origin, sum(requests), sum(attempts), sum(input_tokens), sum(cache_read_tokens),
         sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), sum(dollars), sum(nanos), sum(unpriced),
         sum(estimated), sum(saved)
  FROM single WHERE id <= (SELECT rolled FROM mark) GROUP BY slot, origin
  EXCEPT SELECT * FROM rollup
)
"""
STRAY = "SELECT count(*) FROM rollup WHERE NOT EXISTS (SELECT 1 FROM entry WHERE entry.origin = rollup.origin)"
SETTLED = """
SELECT scope, period, settled, (SELECT ifnull(sum(nanos), 0) FROM charge WHERE charge.budget = budget.id) AS charged
FROM budget WHERE settled != charged
"""
RESERVED = """
SELECT scope, period, reserved, (
  SELECT ifnull(sum(nanos), 0) FROM reservation
  WHERE state = 'open' AND budget.id IN (SELECT value FROM json_each(reservation.budgets))
) AS held FROM budget WHERE reserved != held
"""


def verify(connection: apsw.Connection, cost_of: CostOf) -> Findings:
    """Compute each row's cost, and compare each sum. The caller holds one moment."""
    rows = recomputed = 0
    differences: list[Difference] = []
    for request_id, attempt, written, computed in _costs(connection, cost_of):
        rows += 1
        recomputed += computed is not UNKNOWABLE
        if computed is not UNKNOWABLE and computed != written:
            differences.append(Difference(request_id, attempt, written, computed))
    return Findings(rows, recomputed, tuple(differences), tuple(_problems(connection)))


UNKNOWABLE: Any = object()  # None is a cost too: the price is known to be unknown


def _costs(connection: apsw.Connection, cost_of: CostOf) -> Iterator[tuple[str, int, int | None, Any]]:
    """Yield (request id, attempt, written cost, computed cost)."""
    for request_id, attempt, status, payer, provider, model, snapshot, cost, reported, *counts in connection.execute(
        ROWS
    ):
        yield (
            request_id,
            attempt,
            cost,
            _computed((status, payer, provider, model, snapshot), reported, counts, cost_of),
        )


def _computed(words: tuple[str, ...], reported: int | None, counts: list[Any], cost_of: CostOf) -> Any:
    status, payer, provider, model, snapshot = words
    if payer == "local":
        return 0
    if reported is not None:
        return reported
    if counts[0] is None:
        return 0 if status == "failed" else None
    try:
        sound, searches, estimated = counts[9:]
        usage = Usage(*counts[:9])._replace(
            cache_read_audio_tokens=sound, web_searches=searches, estimated=bool(estimated)
        )
        return cost_of(provider, model, snapshot, usage)
    except LookupError:
        return UNKNOWABLE


def _problems(connection: apsw.Connection) -> Iterator[str]:
    found = connection.execute("PRAGMA integrity_check(1)").get
    if found != "ok":
        yield f"the file is damaged: {found}"
    wrong = connection.execute(ROLLED).get + connection.execute(STRAY).get
    if wrong:
        yield f"{wrong} sums of a quarter of an hour are not those of their rows"
    for scope, period, settled, charged in connection.execute(SETTLED):
        yield f"budget {scope} {period}: {settled} nano-dollars settled, its charges come to {charged}"
    for scope, period, reserved, held in connection.execute(RESERVED):
        yield f"budget {scope} {period}: {reserved} nano-dollars reserved, its reservations come to {held}"
