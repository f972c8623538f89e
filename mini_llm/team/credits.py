"""Credits: set aside before a request is sent, settled after. Wallet and budgets go together: all or none.

`reserve` → `settle` with what it cost, or `void` if nothing was sent or came. A reservation that nobody ends is charged
its best estimate: `sweep` finds those that are overdue, or whose process has ended. The wallet goes below zero by no
more than what requests under way cost above what was set aside for them.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal, NamedTuple

import orjson

from mini_llm.errors import PriceUnknownError
from mini_llm.pricing import less
from mini_llm.team import budgets, journal
from mini_llm.team.budgets import Standing
from mini_llm.team.errors import ConflictError, MissingError
from mini_llm.team.journal import LARGEST
from mini_llm.team.store import Db, Store

Status = Literal["ok", "partial", "cancelled", "unknown"]

GRACE_SECONDS = 60.0  # that a reservation outlives its request's deadline
KEPT_SECONDS = 86400.0  # that one which expired waits for a late word
MOST_TOKENS = 10**12

WALLET = """
SELECT balance - held, discount_percent FROM purse JOIN team ON team.id = purse.team
WHERE team = ? AND kind = 'wallet'
"""
ADD = """
INSERT INTO reservation (team, request, attempt, owner, state, begun, ends, member, api_key, tool, provider, model,
                         discount_percent, nanos, covers, estimate, windows)
VALUES (?, ?, ?, ?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
FIND = """
SELECT state, begun, member, api_key, tool, provider, model, discount_percent, nanos, covers, estimate, windows
FROM reservation WHERE team = ? AND request = ? AND attempt = ?
"""
REMOVE = "DELETE FROM reservation WHERE team = ? AND request = ? AND attempt = ?"
GIVE_UP = "UPDATE reservation SET state = 'expired' WHERE team = ? AND request = ? AND attempt = ?"
HOLD = """
UPDATE purse SET held = held + ?1 WHERE team = ?2 AND kind = 'wallet' AND (balance - held >= ?1 OR ?1 = 0)
"""
FREE = "UPDATE purse SET held = held - ? WHERE team = ? AND kind = 'wallet'"
CHARGED = "SELECT id, paid, saved FROM charge WHERE team = ? AND request = ? AND attempt = ? AND correction = ?"
FIRST = "SELECT NOT EXISTS (SELECT 1 FROM charge WHERE team = ? AND request = ?)"
CHARGE = """
INSERT INTO charge (time, team, request, attempt, correction, member, api_key, tool, provider, model, status,
                    input_tokens, output_tokens, cached_tokens, price, cost, discount_percent, saved, paid)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
SUM_UP = """
INSERT INTO daily (team, day, member, api_key, provider, model, tool, requests, input_tokens, output_tokens,
                   cached_tokens, paid, saved)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET requests = requests + excluded.requests,
  input_tokens = input_tokens + excluded.input_tokens, output_tokens = output_tokens + excluded.output_tokens,
  cached_tokens = cached_tokens + excluded.cached_tokens, paid = paid + excluded.paid, saved = saved + excluded.saved
"""
OWNERS = "SELECT DISTINCT owner FROM reservation WHERE state = 'open'"
OVER = "SELECT team, request, attempt FROM reservation WHERE state = 'open' AND (ends <= ? OR owner = ?)"
FORGET = "DELETE FROM reservation WHERE state = 'expired' AND ends <= ?"


class Ask(NamedTuple):
    """A wish to set credits aside for one attempt, which may run *lasts* seconds.

    `nanos` is the most that it can cost at list price, None if nobody knows. With `least`, less is taken too where that
    much is left: `Held.covers` tells. `estimate` is what it is charged, at list price, if nobody ever tells how it
    ended; None: all that was set aside. `request` and `attempt` together are used once.
    """

    team: str
    member: str
    key: str
    request: str
    nanos: int | None
    lasts: float
    attempt: int = 1
    least: int | None = None
    estimate: int | None = None
    provider: str = ""
    model: str = ""
    tool: str = ""


class Held(NamedTuple):
    """Credits set aside: `nanos` of the wallet, enough for `covers` at list price.

    From `reserve`: there were `available` in the wallet before, and a next request may have what is `left` now.
    """

    team: str
    member: str
    key: str
    request: str
    attempt: int
    begun: float
    tool: str
    discount_percent: int
    nanos: int
    covers: int
    available: int = 0
    left: int = 0


class Refused(NamedTuple):
    """Nothing was set aside: the wallet has `available` left, or the budget `standing` stood against it."""

    reason: Literal["credits", "budget"]
    available: int
    standing: Standing | None = None


class Charge(NamedTuple):
    """What an attempt used. `cost` is its list price; None, where that is unknown: all that was set aside."""

    provider: str
    model: str
    cost: int | None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    price: str = ""
    status: Status = "ok"


class Settled(NamedTuple):
    """What was paid, what the discount saved, and the wallet's balance after it."""

    paid: int
    saved: int
    balance: int


async def hold(store: Store, ask: Ask) -> Held | Refused:
    """Reserve, and return once that is on disk. A caller that goes away meanwhile holds nothing."""
    begun = store.now()
    try:
        return await store.write(lambda db: reserve(db, ask, begun))
    except asyncio.CancelledError:
        store.later(lambda db: void_request(db, ask.team, ask.request, ask.attempt))
        raise


def reserve(db: Db, ask: Ask, now: float) -> Held | Refused:
    """Set credits aside in the wallet and in every budget that binds, or in none. Asked twice, it counts once.

    Raises PriceUnknownError (nothing is free because nobody knows its price), ConflictError where it has ended already.
    """
    if ask.nanos is None:
        raise PriceUnknownError(f"{ask.model} has no known price, so it can't be charged", hint="ask your admin")
    found = _there(db, ask)
    if found is not None:
        return found
    wallet = db.row(WALLET, (ask.team,))
    if wallet is None:
        raise MissingError("there is no such team")
    available, discount = wallet
    wanted = less(min(ask.nanos, LARGEST), discount)
    least = wanted if ask.least is None else min(wanted, less(ask.least, discount))
    bounds = budgets.binding(db, ask.team, ask.member, ask.key, now)
    granted = min(wanted, available) if wanted else 0
    if granted < least:
        return Refused("credits", available)
    for bound in bounds:
        granted = min(granted, bound.standing.left)
        if granted < least:
            return Refused("budget", available, bound.standing)
    left = min([available, *(bound.standing.left for bound in bounds)]) - granted
    return _take(db, ask, now, granted, wanted, discount, bounds)._replace(available=available, left=left)


def settle(db: Db, held: Held, charge: Charge) -> Settled:
    """Charge what it cost, and free the rest. Told twice, it counts once; told late, the estimate is put right."""
    book(db, held, charge)
    name = (held.team, held.request, held.attempt)
    first, second = (db.row(CHARGED, (*name, correction)) or (0, 0, 0) for correction in (0, 1))
    return Settled(first[1] + second[1], first[2] + second[2], journal.balance(db, held.team).nanos)


def book(db: Db, held: Held, charge: Charge) -> None:
    """Do the same, where nobody asks what it came to."""
    name = (held.team, held.request, held.attempt)
    found = db.row(FIND, name)
    if found is None:
        if db.row(CHARGED, (*name, 0)) is None:
            windows = budgets.windows_at(db, held.team, held.member, held.key, held.begun)
            _charge(db, held, charge, windows=windows, freed=0)  # it was given back, and was sent all the same
    elif found[0] == "open":
        _end(db, name, found)
        _charge(db, held, charge, windows=orjson.loads(found[11]), freed=found[8])
    else:
        db.execute(REMOVE, name)
        _correct(db, held, charge, orjson.loads(found[11]))


def void(db: Db, held: Held) -> None:
    """Give back what was set aside: nothing was sent, or nothing came."""
    void_request(db, held.team, held.request, held.attempt)


def void_request(db: Db, team: str, request: str, attempt: int) -> None:
    """Give back what is set aside under this name, if anything is."""
    name = (team, request, attempt)
    found = db.row(FIND, name)
    if found is not None and found[0] == "open":
        _end(db, name, found)
        for window in orjson.loads(found[11]):
            budgets.settle(db, window, found[8], 0)


def sweep(db: Db, now: float) -> int:
    """Charge the best estimate for what is overdue, or was left by processes that ended; return how many.

    Call it when the server starts and every few seconds.
    """
    dead = db.ended({row[0] for row in db.rows(OWNERS)})
    over = [name for owner in (dead or {""}) for name in db.rows(OVER, (now, owner))]
    for name in dict.fromkeys(over):
        _expire(db, name)
    db.execute(FORGET, (now - KEPT_SECONDS,))
    return len(set(over))


def _there(db: Db, ask: Ask) -> Held | None:
    """Return what is set aside under this name already. ConflictError if it has ended."""
    found = db.row(FIND, (ask.team, ask.request, ask.attempt))
    if found is None:
        if db.row(CHARGED, (ask.team, ask.request, ask.attempt, 0)) is not None:
            raise ConflictError(f"the request {ask.request} is settled already")
        return None
    if found[0] != "open":
        raise ConflictError(f"the request {ask.request} has expired")
    return _held(ask.team, ask.request, ask.attempt, found)


def _take(db: Db, ask: Ask, now: float, granted: int, wanted: int, discount: int, bounds: list[budgets.Bound]) -> Held:
    covers = ask.nanos if granted == wanted else _more(granted, discount)
    assert covers is not None
    db.execute(HOLD, (granted, ask.team))
    if db.changes() != 1 or not all(budgets.reserve(db, bound, granted) for bound in bounds):
        raise ConflictError("credits changed while they were looked at")  # cannot be: nobody else writes while we do
    estimate = covers if ask.estimate is None else max(0, min(ask.estimate, covers))
    windows = orjson.dumps([bound.window for bound in bounds]).decode()
    ends = now + ask.lasts + GRACE_SECONDS
    words = (ask.member, ask.key, ask.tool, ask.provider, ask.model)
    owner = (ask.team, ask.request, ask.attempt, db.owner)
    db.execute(ADD, (*owner, now, ends, *words, discount, granted, covers, estimate, windows))
    place = (ask.team, ask.member, ask.key, ask.request, ask.attempt, now, ask.tool)
    return Held(*place, discount, granted, covers)


def _end(db: Db, name: tuple[str, str, int], found: Any) -> None:
    """Take the reservation away, and free its part of the wallet."""
    db.execute(REMOVE, name)
    db.execute(FREE, (found[8], name[0]))


def _expire(db: Db, name: tuple[str, str, int]) -> None:
    found = db.row(FIND, name)
    db.execute(GIVE_UP, name)
    db.execute(FREE, (found[8], name[0]))
    held = _held(*name, found)
    told = Charge(found[5], found[6], found[10], status="unknown")
    _charge(db, held, told, windows=orjson.loads(found[11]), freed=found[8])


def _charge(db: Db, held: Held, charge: Charge, *, windows: list[int], freed: int) -> None:
    cost = held.covers if charge.cost is None else max(0, min(charge.cost, LARGEST))
    paid = less(cost, held.discount_percent)
    _write(db, held, charge, 0, cost, cost - paid, paid)
    for window in windows:
        budgets.settle(db, window, freed, paid)


def _correct(db: Db, held: Held, charge: Charge, windows: list[int]) -> None:
    """Put right what was charged while nobody knew better, as a row of its own."""
    _, guessed, guessed_saved = db.row(CHARGED, (held.team, held.request, held.attempt, 0))
    if charge.cost is None:
        return
    cost = max(0, min(charge.cost, LARGEST))
    paid = less(cost, held.discount_percent)
    difference, saved = paid - guessed, cost - paid - guessed_saved
    _write(db, held, charge, 1, difference + saved, saved, difference)
    for window in windows:
        budgets.settle(db, window, 0, difference)


def _write(db: Db, held: Held, charge: Charge, correction: int, cost: int, saved: int, paid: int) -> None:
    """Write the charge, pay it, and add it to the sums of its day: the day on which it was reserved."""
    first = 0 if correction else db.execute(FIRST, (held.team, held.request)).get
    counts = tuple(max(0, min(count, MOST_TOKENS)) for count in charge[3:6])
    who = (held.member, held.key)
    place = (held.begun, held.team, held.request, held.attempt, correction, *who, held.tool)
    told = (charge.provider, charge.model, charge.status, *counts, charge.price)
    db.execute(CHARGE, (*place, *told, cost, held.discount_percent, saved, paid))
    charged = db.last_insert_rowid()
    source, target = ("wallet", "revenue") if paid >= 0 else ("revenue", "wallet")
    journal.move(db, held.team, source, target, abs(paid), charged, held.begun)  # type: ignore[arg-type]  # both are purses
    day = budgets.day_of(held.begun)
    words = (charge.provider, charge.model, held.tool)
    db.execute(SUM_UP, (held.team, day, *who, *words, first, *counts, paid, saved))


def _held(team: str, request: str, attempt: int, found: Any) -> Held:
    _, begun, member, key, tool, _, _, discount, nanos, covers, _, _ = found
    return Held(team, member, key, request, attempt, begun, tool, discount, nanos, covers)


def _more(nanos: int, percent: int) -> int:
    """Return the list price that an amount pays for."""
    return nanos * 100 // (100 - percent)  # at 100 percent nothing is set aside, so nothing is ever short
