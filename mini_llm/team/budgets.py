"""Budgets of a team, a member or a key: one each, in windows of days, weeks and months by UTC.

The row of a window keeps what was settled in it and what is reserved. A request belongs to the window in which it was
reserved, also if it ends in the next one. All amounts are nano-dollars.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from mini_llm.ledger.windows import FOREVER, window_at
from mini_llm.team import people
from mini_llm.team.errors import ForbiddenError, InvalidError, MissingError
from mini_llm.team.journal import LARGEST
from mini_llm.team.rights import Allowance
from mini_llm.team.roles import Actor
from mini_llm.team.store import Db

OF = "SELECT nanos, period FROM budget WHERE team = ? AND scope = ?"
PUT = """
INSERT INTO budget (scope, team, period, nanos) VALUES (?, ?, ?, ?)
ON CONFLICT (scope) DO UPDATE SET period = excluded.period, nanos = excluded.nanos
"""
OURS = """
SELECT ?1 = ?2 OR EXISTS (SELECT 1 FROM member WHERE team = ?1 AND id = ?2)
       OR EXISTS (SELECT 1 FROM api_key WHERE team = ?1 AND id = ?2)
"""
TAKE_AWAY = "DELETE FROM budget WHERE team = ? AND scope = ?"
BINDING = "SELECT scope, nanos, period FROM budget WHERE team = ?1 AND scope IN (?1, ?2, ?3)"
EVERY = """
SELECT scope, nanos, period FROM budget WHERE team = ?1
   AND NOT EXISTS (SELECT 1 FROM member WHERE team = ?1 AND id = scope AND removed_at IS NOT NULL)
   AND NOT EXISTS (SELECT 1 FROM api_key WHERE team = ?1 AND id = scope AND revoked_at IS NOT NULL)
ORDER BY scope
"""
LATEST = """
SELECT id, settled, reserved, ends FROM budget_window WHERE scope = ? AND period = ? ORDER BY number DESC LIMIT 1
"""
AT = "SELECT id FROM budget_window WHERE scope IN (?1, ?2, ?3) AND starts <= ?4 AND ends > ?4"
OPEN = """
INSERT INTO budget_window (scope, period, number, starts, ends, settled, reserved) VALUES (?, ?, ?, ?, ?, ?, 0)
ON CONFLICT (scope, period, number) DO UPDATE SET settled = excluded.settled, reserved = 0
RETURNING id
"""
SPENT = """
SELECT ifnull(sum(paid), 0) FROM daily
WHERE team = ?1 AND day >= ?2 AND (?3 = ?1 OR member = ?3 OR api_key = ?3)
"""
UNDER_WAY = """
SELECT request, attempt, begun, iif(state = 'open', nanos, 0), windows FROM reservation
WHERE team = ?1 AND (?2 = ?1 OR member = ?2 OR api_key = ?2)
"""
TAKE_IN = "UPDATE reservation SET windows = ? WHERE team = ? AND request = ? AND attempt = ?"
RESERVE = "UPDATE budget_window SET reserved = reserved + ?1 WHERE id = ?2 AND settled + reserved + ?1 <= ?3"
HOLD = "UPDATE budget_window SET reserved = reserved + ? WHERE id = ?"
SETTLE = "UPDATE budget_window SET reserved = reserved - ?, settled = settled + ? WHERE id = ?"


class Standing(NamedTuple):
    """How a budget stands. `scope` is the id of the team, member or key; `resets_at` None: it never starts anew."""

    scope: str
    limit: int
    period: str
    spent: int
    held: int
    resets_at: float | None

    @property
    def left(self) -> int:
        """Return what a new request may take."""
        return self.limit - self.spent - self.held


class Bound(NamedTuple):
    """A budget that binds a request, with the row of its window."""

    window: int
    standing: Standing


def set(db: Db, by: Actor, scope: str, allowance: Allowance | None, now: float) -> None:
    """Give the team (*scope* is its id) or one of its members a budget, or take it away. Keys: `keys.edit`."""
    if scope != by.team:
        people.managed(db, by, scope)
    elif not by.is_admin:
        raise ForbiddenError("only an admin sets budgets")
    put(db, by.team, scope, allowance, now)


def put(db: Db, team: str, scope: str, allowance: Allowance | None, now: float) -> None:
    """Write a budget of the team, or of one of its members or keys. Whoever calls has asked whether it may be."""
    if allowance is None:
        db.execute(TAKE_AWAY, (team, scope))
        return
    if not 0 <= allowance.nanos <= LARGEST:
        raise InvalidError("a budget is an amount, and not below zero")
    if allowance.period not in ("daily", "weekly", "monthly", "total"):
        raise InvalidError("a budget is daily, weekly, monthly or total")
    if not db.row(OURS, (team, scope))[0]:
        raise MissingError("there is nobody in this team to have that budget")
    db.execute(PUT, (scope, team, allowance.period, allowance.nanos))
    _open(db, team, scope, allowance, now)


def of(db: Db, team: str, scope: str) -> Allowance | None:
    """Return the budget of the team, or of one of its members or keys."""
    found = db.row(OF, (team, scope))
    return Allowance(*found) if found else None


def standing(db: Db, team: str, scope: str, now: float) -> Standing | None:
    """Tell how the budget of the team, a member or a key stands; None if there is none. Writes nothing."""
    allowance = of(db, team, scope)
    return None if allowance is None else _standing(db, team, scope, allowance, now)


def standings(db: Db, team: str, now: float) -> list[Standing]:
    """Tell how every budget in *team* stands, but those of members and keys that are gone."""
    found = db.rows(EVERY, (team,))
    return [_standing(db, team, scope, Allowance(nanos, period), now) for scope, nanos, period in found]


def tightest(db: Db, team: str, member: str, key: str, now: float) -> Standing | None:
    """Return the budget that will stop a request of this key first; None if nothing limits it."""
    found = db.rows(BINDING, (team, member, key))
    told = [_standing(db, team, scope, Allowance(nanos, period), now) for scope, nanos, period in found]
    return min(told, key=lambda each: each.left, default=None)


def binding(db: Db, team: str, member: str, key: str, now: float) -> list[Bound]:
    """Return the budgets that bind a request, in one order for all: the windows that have begun are opened."""
    found = db.rows(BINDING, (team, member, key))
    return [_bound(db, team, scope, Allowance(nanos, period), now) for scope, nanos, period in found]


def reserve(db: Db, bound: Bound, nanos: int) -> bool:
    """Set money aside in one window; False, and nothing is changed, if it does not fit."""
    db.execute(RESERVE, (nanos, bound.window, bound.standing.limit))
    return db.changes() == 1


def settle(db: Db, window: int, held: int, paid: int) -> None:
    """Turn what was held in a window into what was paid."""
    db.execute(SETTLE, (held, paid, window))


def windows_at(db: Db, team: str, member: str, key: str, instant: float) -> list[int]:
    """Return the windows that a charge of that instant counts in."""
    return [row[0] for row in db.rows(AT, (team, member, key, instant))]


def day_of(now: float) -> str:
    """Return the day of an instant, by UTC: 2026-11-22."""
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def _bound(db: Db, team: str, scope: str, allowance: Allowance, now: float) -> Bound:
    found = db.row(LATEST, (scope, allowance.period))
    if found is None or found[3] <= now:
        _open(db, team, scope, allowance, now)
        found = db.row(LATEST, (scope, allowance.period))
    window, settled, reserved, ends = found
    return Bound(window, Standing(scope, allowance.nanos, allowance.period, settled, reserved, _reset(ends)))


def _standing(db: Db, team: str, scope: str, allowance: Allowance, now: float) -> Standing:
    found = db.row(LATEST, (scope, allowance.period))
    if found is not None and now < found[3]:
        return Standing(scope, allowance.nanos, allowance.period, found[1], found[2], _reset(found[3]))
    window = window_at(allowance.period, now, UTC)
    spent = db.execute(SPENT, (team, day_of(window.starts), scope)).get
    return Standing(scope, allowance.nanos, allowance.period, spent, 0, _reset(window.ends))


def _open(db: Db, team: str, scope: str, allowance: Allowance, now: float) -> None:
    """Write the row of the window of *now*, with what was spent in it and what is under way or may be corrected yet."""
    window = window_at(allowance.period, now, UTC)
    spent = db.execute(SPENT, (team, day_of(window.starts), scope)).get
    row = (scope, allowance.period, window.id, window.starts, window.ends, spent)
    id = db.execute(OPEN, row).get
    for request, attempt, begun, nanos, written in db.rows(UNDER_WAY, (team, scope)):
        windows = orjson.loads(written)
        if id not in windows and begun < window.starts:
            continue  # it is yesterday's
        if id not in windows:
            db.execute(TAKE_IN, (orjson.dumps([*windows, id]).decode(), team, request, attempt))
        db.execute(HOLD, (nanos, id))


def _reset(ends: float) -> float | None:
    return ends if ends < FOREVER else None
