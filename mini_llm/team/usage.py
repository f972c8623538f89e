"""What was used and paid: sums by day, model, provider, member, key or tool. Members see their own, admins all.

Days are UTC's. A charge counts on the day on which its request was reserved.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple

from mini_llm.team import budgets
from mini_llm.team.errors import InvalidError
from mini_llm.team.journal import NEWEST
from mini_llm.team.roles import Actor
from mini_llm.team.store import Db

Grouping = Literal["day", "model", "provider", "member", "key", "tool"]

MOST_ROWS = 1000
MOST_CHARGES = 500
COLUMNS = {"day": "day", "model": "model", "provider": "provider", "member": "member", "key": "api_key", "tool": "tool"}

SUMS = """
SELECT {column}, sum(requests), sum(input_tokens), sum(output_tokens), sum(cached_tokens), sum(paid), sum(saved)
FROM daily WHERE team = ?1 AND day BETWEEN ?2 AND ?3 AND (?4 IS NULL OR member = ?4)
GROUP BY {column} ORDER BY {order} LIMIT ?5
"""
TOTAL = """
SELECT ifnull(sum(requests), 0), ifnull(sum(input_tokens), 0), ifnull(sum(output_tokens), 0),
       ifnull(sum(cached_tokens), 0), ifnull(sum(paid), 0), ifnull(sum(saved), 0)
FROM daily WHERE team = ?1 AND day BETWEEN ?2 AND ?3 AND (?4 IS NULL OR member = ?4)
"""
MEMBER_NAMES = """
SELECT member.id, account.email FROM member JOIN account ON account.id = member.account WHERE member.team = ?
"""
KEY_NAMES = "SELECT id, name FROM api_key WHERE team = ?"
CHARGES = """
SELECT id, time, request, attempt, correction, member, api_key, tool, provider, model, status, input_tokens,
       output_tokens, cached_tokens, price, cost, discount_percent, saved, paid
FROM charge WHERE team = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3
"""
CHARGES_OF = """
SELECT id, time, request, attempt, correction, member, api_key, tool, provider, model, status, input_tokens,
       output_tokens, cached_tokens, price, cost, discount_percent, saved, paid
FROM charge WHERE team = ?1 AND id < ?2 AND member = ?4 ORDER BY id DESC LIMIT ?3
"""


class Row(NamedTuple):
    """What one day, model, member … used. `name` is what was grouped by (an id, for members and keys), `label` what
    people call it. `paid` and `saved` are nano-dollars: charged, and what the discount took off."""

    name: str
    label: str
    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    paid: int
    saved: int


class Usage(NamedTuple):
    """Rows (days in their order, others with the dearest first) and their sum."""

    rows: list[Row]
    total: Row


class Spending(NamedTuple):
    """What somebody paid today and this month, in nano-dollars, and how many requests they made today."""

    today: int
    month: int
    requests_today: int


class ChargeRow(NamedTuple):
    """One charge as it was written. `correction` 1 puts right the one before it."""

    id: int
    time: float
    request: str
    attempt: int
    correction: int
    member: str
    key: str
    tool: str
    provider: str
    model: str
    status: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    price: str
    cost: int
    discount_percent: int
    saved: int
    paid: int


def usage(db: Db, viewer: Actor, since: date, until: date, by: Grouping = "day", *, member: str | None = None) -> Usage:
    """Sum what was used from *since* to *until*, both with them. An admin may look at one *member*."""
    if by not in COLUMNS:
        raise InvalidError(f'usage has no "{by[:40]}"', hint=f"group_by is one of {', '.join(COLUMNS)}")
    asked = (viewer.team, since.isoformat(), until.isoformat(), _whose(viewer, member))
    statement = SUMS.replace("{column}", COLUMNS[by]).replace("{order}", "1" if by == "day" else "6 DESC, 1")
    labels = _labels(db, viewer.team, by)
    rows = [Row(row[0], labels.get(row[0], row[0]), *row[1:]) for row in db.rows(statement, (*asked, MOST_ROWS))]
    return Usage(rows, Row("", "", *db.row(TOTAL, asked)))


def spending(db: Db, team: str, member: str | None, now: float) -> Spending:
    """Return what a member, or with None the whole team, spent today and this month."""
    today = budgets.day_of(now)
    day = db.row(TOTAL, (team, today, today, member))
    month = db.row(TOTAL, (team, f"{today[:8]}01", today, member))
    return Spending(day[4], month[4], day[0])


def charges(
    db: Db, viewer: Actor, *, member: str | None = None, before: int | None = None, most: int = 100
) -> list[ChargeRow]:
    """Return single charges, newest first; *before* is the id of the last one seen."""
    asked = (viewer.team, NEWEST if before is None else before, max(0, min(most, MOST_CHARGES)))
    whose = _whose(viewer, member)
    found = db.rows(CHARGES, asked) if whose is None else db.rows(CHARGES_OF, (*asked, whose))
    return [ChargeRow._make(row) for row in found]


def _whose(viewer: Actor, member: str | None) -> str | None:
    """Return the only member whose rows the viewer sees, None for all."""
    return member if viewer.is_admin else viewer.id


def _labels(db: Db, team: str, by: Grouping) -> dict[str, str]:
    if by == "member":
        return dict(db.rows(MEMBER_NAMES, (team,)))
    return dict(db.rows(KEY_NAMES, (team,))) if by == "key" else {}
