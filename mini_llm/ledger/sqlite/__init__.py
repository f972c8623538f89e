"""The ledger's book in SQLite."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal

import apsw

from mini_llm.errors import LedgerError
from mini_llm.ledger.entries import (
    Batch,
    CostOf,
    Findings,
    Grouping,
    Held,
    Limit,
    Refused,
    Standing,
    Totals,
    Unsettled,
    UsageRow,
    Window,
)
from mini_llm.ledger.journal import left_in
from mini_llm.ledger.owners import Owner, dead
from mini_llm.ledger.sqlite import reports, schema, verifying
from mini_llm.ledger.sqlite.holding import Holding
from mini_llm.ledger.sqlite.rows import Rows
from mini_llm.ledger.sqlite.schema import LEDGER
from mini_llm.sqlite.opening import BUSY_MS, begin_log, connected, identity, make, only_look, writing
from mini_llm.sqlite.telling import told

Durability = Literal["process", "power"]

FLUSH_SECONDS = 1.0  # between two writes that outlive a power cut, where only the process's end has to be outlived
LOOK_SECONDS = 1.0  # between two looks whether the file is still where it was
LOG_PAGES = 1000
ROLL = 4096  # rows that are summed in one go
MOST_REMEMBERED = 20_000

REMEMBER = """
INSERT INTO memory (key, value, expires) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires
"""
# What has expired goes, and the oldest of what is more than the shelf holds.
FORGET = """
DELETE FROM memory WHERE expires <= ?1
   OR expires < (SELECT expires FROM memory ORDER BY expires DESC LIMIT 1 OFFSET ?2)
"""
RECALL = "SELECT value FROM memory WHERE key = ? AND expires > ?"
UNROLLED = "SELECT ifnull(max(id), 0) - (SELECT rolled FROM mark) FROM entry"
ROLL_UP = """
INSERT INTO rollup
SELECT slot, origin, sum(requests), sum(attempts), sum(input_tokens), sum(cache_read_tokens), sum(cache_write_tokens),
       sum(output_tokens), sum(reasoning_tokens), sum(dollars), sum(nanos), sum(unpriced), sum(estimated), sum(saved)
FROM single WHERE id > (SELECT rolled FROM mark) GROUP BY slot, origin
ON CONFLICT (slot, origin) DO UPDATE SET
  requests = requests + excluded.requests, attempts = attempts + excluded.attempts,
  input_tokens = input_tokens + excluded.input_tokens,
  cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
  cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
  output_tokens = output_tokens + excluded.output_tokens,
  reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens,
  dollars = dollars + excluded.dollars, nanos = nanos + excluded.nanos,
  unpriced = unpriced + excluded.unpriced, estimated = estimated + excluded.estimated, saved = saved + excluded.saved
"""
MARK = "UPDATE mark SET rolled = (SELECT ifnull(max(id), 0) FROM entry)"
OWNERS = "SELECT DISTINCT owner FROM reservation WHERE state = 'open'"
LEFT_OPEN = "SELECT id FROM reservation WHERE state = 'open' AND owner = ?"


class SQLiteBook:
    """One file, one connection. Several processes may hold it open: WAL, and every write waits its turn.

    `reading` opens it to look: it makes no file, writes nothing and never folds the log into the file.
    """

    def __init__(
        self,
        file: Path,
        *,
        durability: Durability = "process",
        reading: bool = False,
        busy_ms: int = BUSY_MS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._durable = durability == "power"
        self._now = now
        self._flushed = self._looked = now()
        with self._told("opened"):
            self._connection = _opened(file, reading, busy_ms)
        try:
            with self._told("opened"):
                self._identity = identity(file)
                self._settings(reading, busy_ms)
        except BaseException:
            self._connection.close()
            raise
        self._log_pages = 0
        self._rows = Rows(self._connection)
        self._unrolled = self._connection.execute(UNROLLED).get
        self._holding = Holding(self._connection, self._rows)

    def claim(self) -> Owner:
        """Return this process's sign of life; without it what it sets aside could be taken for a dead one's."""
        with self._told("written"):
            return Owner(self._file)

    def write(self, batch: Batch, owner: str = "") -> list[Held | Refused | LedgerError]:
        """Write *batch* in one transaction; return what became of its holds. Raises LedgerError if all was undone."""
        if not any(batch):
            return []
        with self._told("written"), self._transaction(urgent=bool(batch.holds)):
            plain = [entry for entry in batch.entries if not entry.reservation]
            if plain:
                self._holding.write(plain)
            for entry in batch.entries:
                if entry.reservation:
                    self._holding.settle(entry)
            for name in batch.void:
                self._holding.void(name)
            for name in batch.expire:
                self._holding.expire(name)
            outcomes = [self._holding.reserve(hold, owner) for hold in batch.holds]
            if batch.memos:
                self._connection.executemany(REMEMBER, batch.memos)
                self._connection.execute(FORGET, (time.time(), MOST_REMEMBERED))
            self._unrolled += len(batch.entries)
            if self._unrolled >= ROLL:
                self._roll_up()
        return outcomes

    def roll_up(self) -> None:
        """Sum the rows that are not summed yet; `write` does so by itself from time to time."""
        with self._told("written"), self._transaction(urgent=False):
            self._roll_up()

    def tidy(self) -> None:
        """Fold the log into the file when it has grown. Apart from `write`, so that nobody waits for it."""
        if self._log_pages >= LOG_PAGES:
            with self._told("written"):
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._log_pages = 0

    def examine(self) -> None:
        """Read the file through if a process was killed that wrote in it; LedgerError if it is damaged."""
        with self._told("read"), dead(self._file, set()) as killed:
            found = self._connection.execute("PRAGMA quick_check(1)").get if killed else "ok"
        if found != "ok":
            raise LedgerError(f"the ledger {self._file} is damaged: {found}", hint=LEDGER.mend)

    def recover(self, owner: str = "") -> int:
        """Write what processes left unwritten that have ended, `unknown` where they had not seen its end.

        Return how many rows that was. *owner* is our own token.
        """
        with self._told("written"):
            owners = {row[0] for row in self._connection.execute(OWNERS)} - {owner}
            with dead(self._file, owners) as ended:
                rows = [entry for one in ended for entry in left_in(one.handle)]
                opened = [row[0] for one in ended for row in self._connection.execute(LEFT_OPEN, (one.token,))]
                self.write(Batch(rows, expire=opened))
                for one in ended:
                    one.remove()
        return len(rows) + len(opened)

    def recall(self, keys: Sequence[bytes], now: float) -> dict[bytes, bytes]:
        """Return the values of those *keys* that are there and have not expired at *now*."""
        with self._told("read"):
            found = ((key, self._connection.execute(RECALL, (key, now)).get) for key in keys)
            return {key: value for key, value in found if value is not None}

    def totals(self, since: float, until: float = reports.FOREVER) -> Totals:
        """Sum the rows from the Unix time *since*, up to but without *until*."""
        with self._moment():
            return reports.totals(self._connection, since, until)

    def usage(
        self, by: Grouping, since: float, until: float, only: Mapping[str, str], day_of: Callable[[float], int]
    ) -> list[UsageRow]:
        """Sum the rows of each day, model, tool …; *only* keeps those whose words are the given ones."""
        with self._moment():
            return reports.usage(self._connection, by, since, until, only, day_of)

    def standings(self, limits: Iterable[tuple[Limit, Window]]) -> list[Standing]:
        """Tell how *limits* stand."""
        with self._moment():
            return [self._holding.standing(limit, window) for limit, window in limits]

    def unsettled(self) -> list[Unsettled]:
        """Return the attempts of which nobody told how they ended."""
        with self._moment():
            return reports.unsettled(self._connection)

    def verify(self, cost_of: CostOf) -> Findings:
        """Compute every row's cost anew, and compare every sum with its rows."""
        with self._moment():
            return verifying.verify(self._connection, cost_of)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _settings(self, reading: bool, busy_ms: int) -> None:
        if reading:
            if schema.is_older(self._connection):  # as it is for a moment after an upgrade
                SQLiteBook(self._file).close()
            only_look(self._connection)
            return
        begin_log(self._connection, busy_ms, durable=self._durable)
        self._connection.set_wal_hook(self._note_log)
        schema.prepare(self._connection, self._file)

    def _roll_up(self) -> None:
        self._connection.execute(ROLL_UP)
        self._connection.execute(MARK)
        self._unrolled = 0

    def _note_log(self, _: apsw.Connection, __: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK

    @contextmanager
    def _moment(self) -> Iterator[None]:
        """Read all of it as it is at one moment: what others write meanwhile is not seen."""
        with self._told("read"):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def _transaction(self, *, urgent: bool) -> Iterator[None]:
        """Hold the write lock; commit, or undo all. Once a second a commit outlives a power cut too."""
        now = self._now()
        self._look(now)
        flush = not self._durable and not urgent and now - self._flushed >= FLUSH_SECONDS
        if flush:
            self._connection.pragma("synchronous", 2)
            self._flushed = now
        try:
            with writing(self._connection):
                yield
        except BaseException:
            self._rows.forget()
            raise
        finally:
            if flush:
                self._connection.pragma("synchronous", 1)

    def _look(self, now: float) -> None:
        """Raise LedgerError if the file was moved away: what we write would be lost with it."""
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        if identity(self._file) != self._identity:
            raise LedgerError(f"the ledger {self._file} was moved away")

    def _told(self, what: str) -> AbstractContextManager[None]:
        return told(LEDGER, self._file, what)


def _opened(file: Path, reading: bool, busy_ms: int) -> apsw.Connection:
    if reading and not file.exists():  # nothing was ever written
        connection = apsw.Connection(":memory:")
        schema.prepare(connection, file)
        return connection
    if not reading:
        make(LEDGER, file)
    return connected(apsw.Connection, file, busy_ms)
