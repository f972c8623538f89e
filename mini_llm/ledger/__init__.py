"""The book of every attempt: one row each, appended by one writer thread, summed on request.

Money is integer nano-dollars; an unknown price is None. Prompts and answers are never stored.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mini_llm.errors import LedgerError
from mini_llm.ledger.entries import (
    Book,
    CostOf,
    Entry,
    Findings,
    Grouping,
    Held,
    Hold,
    Limit,
    Payer,
    Refused,
    Standing,
    Status,
    Totals,
    Unsettled,
    UsageRow,
    Window,
)
from mini_llm.ledger.windows import FOREVER, day_of
from mini_llm.ledger.writer import MOST_WAITING, Asked, Outcome, Void, Writer
from mini_llm.memory import Memo

if TYPE_CHECKING:
    from mini_llm.ledger.journal import Journal

__all__ = ["Book", "Durability", "Entry", "Ledger", "Payer", "Status", "Totals", "new_request_id", "open_sqlite"]

Durability = Literal["process", "power"]


def open_sqlite(file: Path, *, durability: Durability = "process", reading: bool = False) -> Book:
    """Open the book in *file*, making it if need be, unless it is only for *reading*."""
    from mini_llm.ledger.sqlite import SQLiteBook  # the driver is loaded with the first row, not at start-up

    return SQLiteBook(file, durability=durability, reading=reading)


def new_request_id(clock: Callable[[], float] = time.time) -> str:
    """Return an id that no other request has. It begins with the time: ids in order are cheaper to index."""
    return f"ml-{int(clock() * 1000):011x}{secrets.token_hex(7)}"


def open_journal(file: Path) -> Journal:
    """Open the place beside the book in *file* where attempts are noted until they are written."""
    from mini_llm.ledger.journal import Journal  # loaded with the first attempt, not at start-up

    return Journal(file)


class Ledger:
    """Append without waiting; ask for sums. `open_reader` opens the book to look, `open_book` to write.

    With `open_journal` what is noted is written whatever becomes of this process.
    """

    def __init__(
        self,
        open_book: Callable[[], Book],
        *,
        open_reader: Callable[[], Book] | None = None,
        open_journal: Callable[[], Journal] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_reader = open_reader or open_book
        self._writer = Writer(open_book, open_journal=open_journal, now=now)

    @property
    def trouble(self) -> str:
        """Why rows can't be written now, "" if they can."""
        return self._writer.trouble

    def start(self) -> None:
        """Open the book now rather than with the first row, and write what processes that ended left unwritten.

        Where one was killed, the book is read through before anything is written.
        """
        self._writer.begin()
        self._writer.hand(Void(""))
        self._writer.hurry()

    def check(self) -> None:
        """Raise LedgerError when so many rows wait for a stuck database that nothing more should be spent."""
        if self._writer.waiting >= MOST_WAITING:
            raise LedgerError(
                f"{MOST_WAITING} rows wait to be written{f': {self.trouble}' if self.trouble else ''}",
                hint="free space on the disk, or look at `mini-llm status`",
            )

    def begin(self, entry: Entry) -> None:
        """Note an attempt that is sent now: *entry* is the row that is written if nobody tells how it ended."""
        self._writer.note(entry)

    def append(self, entry: Entry) -> None:
        """Hand *entry* to the writer; it settles its reservation. Never refuses: what was asked has been paid for."""
        self._writer.note(entry)
        self._writer.hand(entry)

    async def hold(self, hold: Hold, lasts: float) -> Held | Refused:
        """Set money aside for an attempt that may take *lasts* seconds; on disk when this returns.

        Raises LedgerError when the database can't be written. A caller that goes away meanwhile holds nothing.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Outcome] = loop.create_future()
        self._writer.hand(Asked(hold, lasts, loop, answer))
        self._writer.hurry()
        try:
            outcome = await answer
        except asyncio.CancelledError:
            self.void(f"{hold.entry.request_id}/{hold.entry.attempt}")
            raise
        if isinstance(outcome, LedgerError):
            raise outcome
        return outcome

    def void(self, reservation: str) -> None:
        """Give back what was set aside for an attempt that was never sent."""
        self._writer.hand(Void(reservation))

    def remember(self, memos: Sequence[Memo]) -> None:
        """Hand what `memory` keeps to the writer; a shelf that is stuck forgets."""
        if not self.trouble:
            for memo in memos:
                self._writer.hand(memo)

    def recall(self, keys: Sequence[bytes], now: float) -> Mapping[bytes, bytes]:
        """Return what is remembered under *keys*; nothing where the shelf can't be read."""
        try:
            with self._reader() as book:
                return book.recall(keys, now)
        except LedgerError:
            return {}

    def totals(self, since: float = 0.0, until: float = FOREVER) -> Totals:
        """Sum the rows from the Unix time *since*, up to but without *until*."""
        with self._reader() as book:
            return book.totals(since, until)

    def usage(
        self,
        by: Grouping = "day",
        *,
        since: float = 0.0,
        until: float = FOREVER,
        only: Mapping[str, str] | None = None,
        zone: tzinfo | None = None,
    ) -> Sequence[UsageRow]:
        """Sum the rows of each day, week, month (in *zone*), model, tool …; *only* keeps rows with these words.

        Its keys are route, provider, model, tool, key, member, credential, payer and status.
        """
        days = lru_cache(maxsize=None)(lambda instant: day_of(instant, zone).toordinal())
        with self._reader() as book:
            return book.usage(by, since, until, only or {}, days)

    def standings(self, limits: Sequence[tuple[Limit, Window]]) -> Sequence[Standing]:
        """Tell how *limits* stand now."""
        with self._reader() as book:
            return book.standings(limits)

    def unsettled(self) -> Sequence[Unsettled]:
        """Return the attempts of which nobody told how they ended."""
        with self._reader() as book:
            return book.unsettled()

    def verify(self, cost_of: CostOf) -> Findings:
        """Compute every row's cost anew by *cost_of*, and compare every sum with what it was made from."""
        with self._reader() as book:
            return book.verify(cost_of)

    def close(self) -> None:
        """Write what waits, then stop. Raises LedgerError, with the reason, if rows could not be written."""
        self._writer.close()

    @contextmanager
    def _reader(self) -> Iterator[Book]:
        self._writer.catch_up()
        book = self._open_reader()
        try:
            yield book
        finally:
            book.close()
