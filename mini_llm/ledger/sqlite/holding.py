"""Set money aside, settle it, give it back: each is one conditional UPDATE a budget, inside the caller's transaction.

A budget's window is one row of `budget`. `settled` is the sum of its `charge` rows (entry 0 is what was spent before
the window's row was made); `reserved` is the sum of the open reservations that name it. A reservation that was settled
or given back is gone; one that expired stays, for its attempt may yet be told. All amounts are nano-dollars.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import apsw
import orjson

from mini_llm.errors import LedgerError
from mini_llm.ledger.entries import Entry, Held, Hold, Limit, Refused, Standing, Window
from mini_llm.ledger.sqlite.rows import LARGEST, Rows
from mini_llm.ledger.sqlite.schema import SLOT
from mini_llm.ledger.windows import FOREVER
from mini_llm.ledger.written import cleaned, read_entry, written
from mini_llm.types import Usage

LATEST = """
SELECT id, settled, reserved, number, ends FROM budget WHERE scope = ? AND period = ? ORDER BY number DESC LIMIT 1
"""
SPENT = """
SELECT ifnull(sum(dollars), 0), ifnull(sum(nanos), 0) FROM tally JOIN origin ON origin.id = tally.origin
WHERE slot >= ?1 AND (?2 = 'all' OR ?2 = 'tool:' || tool OR ?2 = 'key:' || caller)
"""
# Rows of today that belong to yesterday: their money was set aside before midnight.
LEFT_OVER = """
SELECT ifnull(sum(cost_nanos / 1000000000), 0), ifnull(sum(cost_nanos % 1000000000), 0)
FROM entry JOIN charge ON charge.entry = entry.id AND charge.budget = ?2 WHERE time >= ?1
"""
OPEN_WINDOW = """
INSERT INTO budget (scope, period, number, starts, ends, settled, reserved) VALUES (?, ?, ?, ?, ?, ?, 0)
"""
CHARGE = "INSERT INTO charge (budget, entry, nanos) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET nanos = nanos"
RESERVE = "UPDATE budget SET reserved = reserved + ?1 WHERE id = ?2 AND settled + reserved + ?1 <= ?3"
SETTLE = "UPDATE budget SET reserved = reserved - ?1, settled = min(settled + ?2, 8000000000000000000) WHERE id = ?3"
ADD = "INSERT INTO reservation (id, owner, state, nanos, budgets, entry) VALUES (?, ?, 'open', ?, ?, ?)"
FIND = "SELECT state, nanos, budgets, entry FROM reservation WHERE id = ?"
REMOVE = "DELETE FROM reservation WHERE id = ?"
GIVE_UP = "UPDATE reservation SET state = 'expired' WHERE id = ? AND state = 'open'"
WITHOUT_RESERVATION = """
SELECT id FROM budget
WHERE starts <= ?1 AND ?1 < ends AND (scope = 'all' OR scope = 'tool:' || ?2 OR scope = 'key:' || ?3)
"""
FIND_ENTRY = "SELECT id, cost_nanos FROM entry WHERE request_id = ? AND attempt = ? AND correction = ?"
COUNTS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "input_image_tokens",
    "output_tokens",
    "reasoning_tokens",
    "output_audio_tokens",
    "cache_read_audio_tokens",
    "web_searches",
)
BOUNDLESS = 4 * 10**18  # what a limit that only warns may hold; sums stay within 64 bits


class Holding:
    """Budgets and reservations through one connection."""

    def __init__(self, connection: apsw.Connection, rows: Rows) -> None:
        self._connection = connection
        self._rows = rows

    def reserve(self, hold: Hold, owner: str) -> Held | Refused | LedgerError:
        """Set money aside in every budget of *hold*, or in none. Asked twice, the second time changes nothing."""
        hold = hold._replace(entry=cleaned(hold.entry))
        name = reservation_id(hold.entry)
        found = self._connection.execute(FIND, (name,)).get
        if found is not None:
            state, nanos, _, _ = found
            return Held(name, nanos) if state == "open" else LedgerError(f"the reservation {name} has expired")
        if self._entry(hold.entry, 0) is not None:
            return LedgerError(f"the reservation {name} is settled already")
        windows = [(limit, *self._window(limit, window)) for limit, window in hold.limits]
        asked = granted = min(hold.nanos, LARGEST)
        for limit, _, standing in windows:
            if limit.hard:
                granted = min(granted, limit.nanos - standing.spent - standing.held)
                if granted < min(hold.least, asked) or granted < 0:
                    return Refused(standing)
        for limit, budget, standing in windows:
            self._connection.execute(RESERVE, (granted, budget, limit.nanos if limit.hard else BOUNDLESS))
            if not self._connection.changes():
                return Refused(standing)  # cannot be: nobody else writes while we do
        budgets = orjson.dumps([budget for _, budget, _ in windows]).decode()
        self._connection.execute(ADD, (name, owner, granted, budgets, written(hold.entry).decode()))
        warnings = [
            standing for limit, _, standing in windows if standing.spent + standing.held + granted > limit.nanos
        ]
        return Held(name, granted, tuple(warnings))

    def settle(self, entry: Entry) -> None:
        """Write the row of an attempt that had money set aside, and charge what it cost. Told twice, it counts once."""
        entry = cleaned(entry)
        found = self._connection.execute(FIND, (entry.reservation,)).get
        if found is None:
            self.write([entry])
            return
        state, nanos, budgets, skeleton = found
        self._connection.execute(REMOVE, (entry.reservation,))
        if state == "expired":
            self._correct(entry, read_entry(skeleton), orjson.loads(budgets))
        else:
            self._rows.insert([entry])
            if self._connection.changes():
                cost = nanos if entry.cost_nanos is None else entry.cost_nanos
                self._charge(orjson.loads(budgets), self._connection.last_insert_rowid(), nanos, cost)
            else:  # written before without its reservation, and charged then
                self._charge(orjson.loads(budgets), None, nanos, 0)

    def void(self, name: str) -> None:
        """Give back what was set aside for an attempt that was never sent."""
        found = self._connection.execute(FIND, (name,)).get
        if found is not None and found[0] == "open":
            self._connection.execute(REMOVE, (name,))
            for budget in orjson.loads(found[2]):
                self._connection.execute(SETTLE, (found[1], 0, budget))

    def expire(self, name: str) -> None:
        """Write the row of an attempt that nobody will settle: `unknown`, at its best estimate."""
        found = self._connection.execute(FIND, (name,)).get
        if found is None or found[0] != "open":
            return
        _, nanos, budgets, skeleton = found
        self._connection.execute(GIVE_UP, (name,))
        entry = read_entry(skeleton)
        self._rows.insert([entry])
        cost = nanos if entry.cost_nanos is None else entry.cost_nanos
        self._charge(orjson.loads(budgets), self._entry(entry, 0), nanos, cost)

    def write(self, entries: Sequence[Entry]) -> None:
        """Write rows without a reservation. Where budgets are kept they are charged all the same."""
        if self._connection.execute("SELECT 1 FROM budget LIMIT 1").get is None:
            self._rows.insert(entries)
            return
        self._rows.insert([entry for entry in entries if not entry.cost_nanos])
        for entry in map(cleaned, entries):
            if entry.cost_nanos and self._entry(entry, 0) is None:
                self._rows.insert([entry])
                found = self._connection.execute(WITHOUT_RESERVATION, (entry.time, entry.tool, entry.caller))
                self._charge([row[0] for row in found], self._entry(entry, 0), 0, entry.cost_nanos)

    def standing(self, limit: Limit, window: Window) -> Standing:
        """Tell how *limit* stands in *window*, or in a later one that has begun. Writes nothing."""
        found = self._connection.execute(LATEST, (limit.scope, limit.period)).get
        if found is None or found[3] < window.id:
            return Standing(limit, self._spent(limit, window, found and found[0]), 0, _reset(window.ends))
        return Standing(limit, found[1], found[2], _reset(found[4]))

    def _window(self, limit: Limit, window: Window) -> tuple[int, Standing]:
        """Return the row of *window* and how it stands; a later one that was begun stays (the clock was set back)."""
        found = self._connection.execute(LATEST, (limit.scope, limit.period)).get
        if found is not None and found[3] >= window.id:
            return found[0], Standing(limit, found[1], found[2], _reset(found[4]))
        spent = self._spent(limit, window, found and found[0])
        values = (limit.scope, limit.period, window.id, window.starts, window.ends, spent)
        self._connection.execute(OPEN_WINDOW, values)
        budget = self._connection.last_insert_rowid()
        if spent:
            self._connection.execute(CHARGE, (budget, 0, spent))
        return budget, Standing(limit, spent, 0, _reset(window.ends))

    def _spent(self, limit: Limit, window: Window, before: int | None) -> int:
        """Sum what was spent since *window* began, but for what the window *before* was charged."""
        spent = self._connection.execute(SPENT, (window.starts // SLOT, limit.scope)).get
        over = self._connection.execute(LEFT_OVER, (window.starts, before)).get
        return max(0, min(int((spent[0] - over[0]) * 10**9 + spent[1] - over[1]), BOUNDLESS))

    def _correct(self, entry: Entry, told: Entry, budgets: Sequence[int]) -> None:
        """Add what the row *told* when nobody knew better got wrong, as a row of its own."""
        usage, guess = entry.usage or Usage(), told.usage or Usage()
        left = {name: getattr(usage, name) - getattr(guess, name) for name in COUNTS} if entry.usage else {}
        guessed = told.cost_nanos or 0
        difference = 0 if entry.cost_nanos is None else entry.cost_nanos - guessed
        usage = (usage if entry.usage else Usage())._replace(**left, cost_nanos=None)
        self._rows.insert([entry._replace(usage=usage, cost_nanos=difference)], correction=1)
        self._charge(budgets, self._entry(entry, 1), 0, difference)

    def _charge(self, budgets: Iterable[int], entry: int | None, held: int, cost: int) -> None:
        cost = max(-LARGEST, min(cost, LARGEST))
        for budget in budgets:
            self._connection.execute(SETTLE, (held, cost, budget))
            if entry is not None:
                self._connection.execute(CHARGE, (budget, entry, cost))

    def _entry(self, entry: Entry, correction: int) -> int | None:
        found = self._connection.execute(FIND_ENTRY, (entry.request_id, entry.attempt, correction)).get
        return None if found is None else int(found[0])


def reservation_id(entry: Entry) -> str:
    """Return the name of the money set aside for an attempt."""
    return f"{entry.request_id}/{entry.attempt}"


def _reset(ends: float) -> float | None:
    return ends if ends < FOREVER else None
