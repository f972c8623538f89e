"""The double-entry journal: every movement of credits is one row that takes from one purse and gives to another.

A team has five purses: `wallet` (what it may spend), `grant`, `top_up` and `refund` (where credits come from) and
`revenue` (where charges go). Together they come to zero, at every moment. Amounts are nano-dollars.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from mini_llm.team.errors import ConflictError, ForbiddenError, InvalidError, MissingError
from mini_llm.team.roles import Operator
from mini_llm.team.store import Db

Purse = Literal["wallet", "grant", "top_up", "refund", "revenue"]

LARGEST = 10**17  # a hundred million dollars; sums of many stay within 64 bits
LONGEST_NOTE = 200
MOST_ROWS = 1000
NEWEST = 2**63 - 1  # what comes before it is everything

OPEN = "INSERT INTO purse (team, kind) VALUES (?, ?)"
BALANCE = "SELECT balance, held FROM purse WHERE team = ? AND kind = 'wallet'"
MOVE = """
INSERT INTO transfer (time, team, source, target, nanos, charge, reference, made_by, note)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
MADE = "SELECT team, nanos FROM transfer WHERE source = ? AND reference = ?"
TRANSFERS = """
SELECT id, time, source, target, nanos, charge, reference, made_by, note FROM transfer
WHERE team = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3
"""
GIVEN = """
SELECT id, time, source, target, nanos, charge, reference, made_by, note FROM transfer
WHERE team = ?1 AND charge IS NULL AND id < ?2 ORDER BY id DESC LIMIT ?3
"""


class Balance(NamedTuple):
    """A wallet: its balance, and what of it is set aside for requests under way."""

    nanos: int
    held: int

    @property
    def available(self) -> int:
        """Return what a new request may take."""
        return self.nanos - self.held


class Transfer(NamedTuple):
    """One row of the journal. `charge` is the charge it paid, `reference` what it can't be made twice for."""

    id: int
    time: float
    source: Purse
    target: Purse
    nanos: int
    charge: int | None
    reference: str | None
    made_by: str
    note: str


def open_purses(db: Db, team: str) -> None:
    """Give a new team its purses."""
    for kind in ("wallet", "grant", "top_up", "refund", "revenue"):
        db.execute(OPEN, (team, kind))


def balance(db: Db, team: str) -> Balance:
    """Return what is in the team's wallet."""
    found = db.row(BALANCE, (team,))
    if found is None:
        raise MissingError("there is no such team")
    return Balance(*found)


def grant(db: Db, team: str, nanos: int, account: str, now: float) -> bool:
    """Give the credits that a new account brings: once for each account, whichever team it joins."""
    return _once(db, team, "grant", nanos, account, "server", "for a new account", now)


def top_up(db: Db, by: Operator, nanos: int, reference: str, now: float, *, note: str = "") -> bool:
    """Add credits that were paid for. *reference* names the payment: the same one again changes nothing.

    Only the operator adds credits: a member who could would print money. ConflictError if the payment was for another
    team or amount. Returns whether the balance changed.
    """
    return _once(db, _operated(by), "top_up", nanos, reference, by.id, note, now)


def refund(db: Db, by: Operator, nanos: int, reference: str, now: float, *, note: str = "") -> bool:
    """Give credits back; *reference* names what for (a request), and is refunded once."""
    return _once(db, _operated(by), "refund", nanos, reference, by.id, note, now)


def transfers(db: Db, team: str, *, before: int | None = None, charges: bool = True, most: int = 100) -> list[Transfer]:
    """Return the journal of *team*, newest first; *before* is the id of the last one seen. Without *charges*: what came
    in and what was given back."""
    asked = (team, NEWEST if before is None else before, max(0, min(most, MOST_ROWS)))
    return [Transfer._make(row) for row in db.rows(TRANSFERS if charges else GIVEN, asked)]


def move(db: Db, team: str, source: Purse, target: Purse, nanos: int, charge: int, now: float) -> None:
    """Pay a charge, or give back what was too much. Nothing is written where nothing moves."""
    if nanos:
        db.execute(MOVE, (now, team, source, target, nanos, charge, None, "server", ""))


def _operated(by: Operator) -> str:
    """Return the team of *by*, who must not be a member, whatever a caller hands in."""
    if not isinstance(by, Operator):
        raise ForbiddenError("only the server's operator adds credits")
    return by.team


def _once(db: Db, team: str, source: Purse, nanos: int, reference: str, by: str, note: str, now: float) -> bool:
    if not 0 < nanos <= LARGEST:
        raise InvalidError("credits are an amount above zero")
    if not reference or len(reference) > LONGEST_NOTE:
        raise InvalidError("credits need a reference: the payment they come from")
    made = db.row(MADE, (source, reference))
    if made is not None:
        if made != (team, nanos):
            raise ConflictError(f"{reference} was booked before, for another team or amount")
        return False
    balance(db, team)
    db.execute(MOVE, (now, team, source, "wallet", nanos, None, reference, by, note[:LONGEST_NOTE]))
    return True
