"""The ledger's book in SQLite. The only room that knows apsw."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
from mini_llm.ledger.sqlite.places import shared_by_network
from mini_llm.ledger.sqlite.rows import Rows

Durability = Literal["process", "power"]

BUSY_MS = 5000
PAUSE_SECONDS = 0.01  # between two tries to open a file that is held
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
                self._identity = _identity(file)
                _patiently(lambda: self._settings(reading), busy_ms)
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
            raise LedgerError(f"the ledger {self._file} is damaged: {found}", hint=MEND)

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

    def _settings(self, reading: bool) -> None:
        if reading:
            if schema.is_older(self._connection):  # as it is for a moment after an upgrade
                SQLiteBook(self._file).close()
            self._connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
            self._connection.execute("PRAGMA query_only = ON").fetchall()
            return
        self._connection.execute("PRAGMA journal_mode = WAL").fetchall()
        self._connection.pragma("synchronous", 2 if self._durable else 1)
        # Without this a statement is planned anew whenever a value is bound to it: 18 µs instead of 3.
        self._connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
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
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self._rows.forget()
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        finally:
            if flush:
                self._connection.pragma("synchronous", 1)

    def _look(self, now: float) -> None:
        """Raise LedgerError if the file was moved away: what we write would be lost with it."""
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        if _identity(self._file) != self._identity:
            raise LedgerError(f"the ledger {self._file} was moved away")

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turn what the database or the system says into a LedgerError."""
        try:
            yield
        except (apsw.NotADBError, apsw.CorruptError) as error:
            raise LedgerError(f"the ledger {self._file} can't be {what}: it is damaged ({error})", hint=MEND) from error
        except apsw.FullError as error:
            raise LedgerError(
                f"the ledger {self._file} can't be {what}: the disk is full", hint="free space; nothing is lost"
            ) from error
        except apsw.BusyError as error:
            raise LedgerError(
                f"the ledger {self._file} can't be {what}: another program holds it", hint="close that program"
            ) from error
        except (apsw.Error, OSError) as error:
            raise LedgerError(
                f"the ledger {self._file} can't be {what}: {error}", hint="see `mini-llm status`"
            ) from error


MEND = "move it away, and a new one is begun; `sqlite3 OLD .recover` reads what is left of it"


def _opened(file: Path, reading: bool, busy_ms: int) -> apsw.Connection:
    if reading:
        if not file.exists():  # nothing was ever written
            connection = apsw.Connection(":memory:")
            schema.prepare(connection, file)
            return connection
        connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(busy_ms)
        return connection
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if name := shared_by_network(file):
        raise LedgerError(
            f"the ledger {file} lies on a network share ({name}), where SQLite files are damaged",
            hint="set MINI_LLM_HOME to a folder on this machine",
        )
    _make(file)
    connection = apsw.Connection(str(file))
    connection.set_busy_timeout(busy_ms)
    return connection


def _patiently(step: Callable[[], None], busy_ms: int) -> None:
    """Try *step* again while another process holds the file: to begin a log SQLite asks once and does not wait."""
    end = time.monotonic() + busy_ms / 1000
    while True:
        try:
            return step()
        except apsw.BusyError:
            if time.monotonic() >= end:
                raise
        time.sleep(PAUSE_SECONDS)


def _make(file: Path) -> None:
    """Make the file for its owner alone. One that is there is not touched: to close it would free SQLite's locks on it.

    https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_ (2026-11)
    """
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _identity(file: Path) -> tuple[int, int]:
    """Return what tells this file from another of its name, (0, 0) if there is none."""
    with suppress(FileNotFoundError):
        found = file.stat()
        return found.st_dev, found.st_ino
    return 0, 0
