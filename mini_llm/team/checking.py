"""Compare every figure of a team's file with what it was made from. Reads all of it: for the operator and for tests."""

from __future__ import annotations

from collections.abc import Iterator

from mini_llm.team.store import Db

NOT_ZERO = "SELECT team, sum(balance) FROM purse GROUP BY team HAVING sum(balance) != 0"
JOURNAL = """
SELECT team, kind, balance, (
  SELECT ifnull(sum(nanos), 0) FROM posting WHERE posting.team = purse.team AND posting.purse = purse.kind
) AS booked FROM purse WHERE balance != booked
"""
HELD = """
SELECT team, held, (
  SELECT ifnull(sum(nanos), 0) FROM reservation WHERE reservation.team = purse.team AND state = 'open'
) AS reserved FROM purse WHERE kind = 'wallet' AND held != reserved
"""
PAID = """
SELECT request, paid, (
  SELECT ifnull(sum(iif(source = 'wallet', nanos, -nanos)), 0) FROM transfer WHERE transfer.charge = charge.id
) AS booked FROM charge WHERE paid != booked
"""
RESERVED = """
SELECT scope, reserved, (
  SELECT ifnull(sum(nanos), 0) FROM reservation
  WHERE state = 'open' AND budget_window.id IN (SELECT value FROM json_each(windows))
) AS held FROM budget_window WHERE reserved != held
"""
# A window whose budget was taken away rests, until the budget comes back.
SETTLED = """
SELECT scope, settled, (
  SELECT ifnull(sum(paid), 0) FROM charge
  WHERE charge.team = budget.team AND time >= starts AND time < ends AND scope IN (charge.team, member, api_key)
) AS charged FROM budget_window JOIN budget USING (scope, period)
WHERE settled != charged
  AND number = (SELECT max(number) FROM budget_window AS other WHERE other.scope = scope AND other.period = period)
"""
SUMS = """
SELECT team, date(time, 'unixepoch') AS day, member, api_key, provider, model, tool,
       sum(input_tokens), sum(output_tokens), sum(cached_tokens), sum(paid), sum(saved)
FROM charge GROUP BY 1, 2, 3, 4, 5, 6, 7
EXCEPT
SELECT team, day, member, api_key, provider, model, tool, input_tokens, output_tokens, cached_tokens, paid, saved
FROM daily
"""
REQUESTS = """
SELECT (SELECT count(*) FROM (SELECT DISTINCT team, request FROM charge)), (SELECT ifnull(sum(requests), 0) FROM daily)
"""


def problems(db: Db) -> list[str]:
    """Return what does not agree, nothing if all does."""
    return list(_problems(db))


def _problems(db: Db) -> Iterator[str]:
    found = db.execute("PRAGMA integrity_check(1)").get
    if found != "ok":
        yield f"the file is damaged: {found}"
    for team, total in db.rows(NOT_ZERO):
        yield f"{team}: its purses come to {total} nano-dollars together, not to nothing"
    for team, kind, balance, booked in db.rows(JOURNAL):
        yield f"{team}: {kind} has {balance} nano-dollars, its journal comes to {booked}"
    for team, held, reserved in db.rows(HELD):
        yield f"{team}: {held} nano-dollars are held, its reservations come to {reserved}"
    for request, paid, booked in db.rows(PAID):
        yield f"{request}: {paid} nano-dollars are charged, {booked} were booked"
    for scope, reserved, held in db.rows(RESERVED):
        yield f"budget of {scope}: {reserved} nano-dollars reserved, its reservations come to {held}"
    for scope, settled, charged in db.rows(SETTLED):
        yield f"budget of {scope}: {settled} nano-dollars settled, its charges come to {charged}"
    for row in db.rows(SUMS):
        yield f"the sums of {row[1]} for {row[2]} are not those of its charges"
    counted, summed = db.row(REQUESTS)
    if counted != summed:
        yield f"{counted} requests were charged, the days count {summed}"
