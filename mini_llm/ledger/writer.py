"""The one thread of a process that writes: rows wait in memory for a few milliseconds, then go down together.

A row that is appended is not yet on disk; a reservation is, when `reserve` returns. Until then the row is in the
journal, and so is an attempt that is under way without a reservation: if the process is killed, whoever opens the
ledger next writes them. That is why rows may wait.
"""

from __future__ import annotations

import asyncio
import atexit
import math
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from weakref import ref

from mini_llm.errors import LedgerError
from mini_llm.ledger.entries import Batch, Book, Claim, Entry, Held, Hold, Refused
from mini_llm.memory import Memo

if TYPE_CHECKING:
    from mini_llm.ledger.journal import Journal

LARGEST_BATCH = 1024
MOST_WAITING = 10_000
LINGER_SECONDS = 0.005  # a row waits so long for company,
LONGEST_LINGER_SECONDS = 0.25  # or so long, where that brings
COMPANY = 4  # rows
CROWD = 200  # more bring nothing, and what waits is in the way of the rest
RETRY_SECONDS = 0.5
DAMAGED_SECONDS = 10.0  # between two tries to write in a file that is read through first
ROUND_SECONDS = 5.0  # between two looks at what was set aside, while anything is
GRACE_SECONDS = 60.0  # that a reservation outlives its attempt's deadline
CLOSING_SECONDS = 8.0
CATCHING_UP_SECONDS = 2.0

Outcome: TypeAlias = Held | Refused | LedgerError


class Asked(NamedTuple):
    """A hold, who waits for it, and for how many seconds its attempt may run."""

    hold: Hold
    lasts: float
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Outcome]


class Void(NamedTuple):
    """Money to give back: its attempt was never sent."""

    id: str


class Seen(NamedTuple):
    """Somebody who waits until what was handed over before is on disk."""

    done: threading.Event


Item: TypeAlias = Entry | Memo | Asked | Void | Seen


class Writer:
    """Take rows without waiting; the thread starts with the first. Rows wait while the database is stuck."""

    def __init__(
        self,
        open_book: Callable[[], Book],
        *,
        open_journal: Callable[[], Journal] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_book = open_book
        self._open_journal = open_journal
        self._now = now
        self._book: Book | None = None
        self._claim: Claim | None = None
        self._failure: Exception | None = None
        self._watches_forks = False
        self._examines = False  # what it opens
        self._begin()

    def _begin(self) -> None:
        """Start with nothing in hand: in a new process, too."""
        self._handed: deque[Item] = deque()
        self._unwritten: list[Item] = []
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._idle = self._rung = self._urgent = self._ending = False
        self._thread: threading.Thread | None = None
        self._pause = RETRY_SECONDS
        self._journal: Journal | None = None
        self._journal_due = -math.inf  # before that it is not tried again
        self._lock = threading.Lock()
        self._writing = threading.Lock()  # held while the book is opened, written or closed
        self._open: dict[str, float] = {}  # reservation → when it is over
        self._round = self._since = self._now()
        self._written = 0

    @property
    def trouble(self) -> str:
        """Why rows can't be written now, "" if they can."""
        return str(self._failure) if self._failure else ""

    @property
    def waiting(self) -> int:
        """How many rows are not on disk yet."""
        return len(self._handed) + len(self._unwritten)

    def begin(self) -> None:
        """Open the journal now, and read the book through when that is opened."""
        self._examines = True
        self._new_journal()

    def note(self, entry: Entry) -> None:
        """Keep *entry* where it outlives this process, until it is written. Where that fails, it is only written."""
        journal = self._journal
        if journal is None and (self._open_journal is None or (journal := self._new_journal()) is None):
            return
        try:  # noqa: SIM105 -- twice an attempt: `suppress` takes as long as the rest
            journal.note(entry)
        except (OSError, ValueError):  # no room is left, or it is closed this very moment
            pass

    def hand(self, item: Item) -> None:
        """Give *item* to the thread. What somebody waits for is written at once."""
        if self._thread is None:
            self._start()
        self._handed.append(item)
        if self._idle:
            self._ring()

    def hurry(self) -> None:
        """Write what waits now."""
        self._urgent = True
        self._ring()

    def catch_up(self) -> None:
        """Wait until what was handed over so far is on disk; not for long, where the database is stuck."""
        if self._thread is not None and self.waiting and not self._failure:
            seen = Seen(threading.Event())
            self.hand(seen)
            self.hurry()
            seen.done.wait(CATCHING_UP_SECONDS)

    def close(self) -> None:
        """Write what waits, then stop. Raises LedgerError, with the reason, if rows could not be written."""
        thread = self._thread
        if thread is None:
            return
        atexit.unregister(self._close_at_exit)
        self._ending = True
        self.hurry()
        thread.join(CLOSING_SECONDS)
        if thread.is_alive() or self.waiting:
            raise LedgerError(f"the ledger could not be written: {self.trouble or 'the database does not answer'}")

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="ledger", daemon=True)
                self._thread.start()
                atexit.register(self._close_at_exit)  # a daemon thread would die with the last rows in its hands
                self._prepare_for_forks()

    def _ring(self) -> None:
        if not self._rung:
            self._rung = True
            self._bell.put(None)

    def _close_at_exit(self) -> None:
        with suppress(LedgerError):  # nobody is left to be told
            self.close()

    def _write(self) -> None:
        while True:
            ending = self._ending
            self._take()
            if self._unwritten or self._round_is_due():
                self._write_down()
            if ending and (not self._handed or self._failure):
                break
            self._wait()
        with self._writing:
            self._close_book()
            claim, self._claim = self._claim, None
        if claim is not None:
            claim.release()
        with self._lock:  # a row that comes later gets another thread
            self._thread, self._ending = None, False
            self._release_journal()

    def _wait(self) -> None:
        """Sleep until there is something to do, and a moment more, so that rows come in company."""
        if self._failure:
            self._rest(self._pause)
            return
        if not self._handed:
            self._idle = True
            if not self._handed:  # none came between the look and the sign
                self._rest(ROUND_SECONDS if self._open else None)
            self._idle = False
        if not self._urgent and len(self._handed) < LARGEST_BATCH:
            self._rest(self._linger())
        self._urgent = False

    def _linger(self) -> float:
        """Return how long to wait for more rows: longer when they come fast, for each batch costs as much as 5 rows."""
        now = self._now()
        rate = self._written / max(now - self._since, 1e-6)
        self._written, self._since = 0, now
        if rate * LONGEST_LINGER_SECONDS < COMPANY:
            return LINGER_SECONDS
        return max(LINGER_SECONDS, min(LONGEST_LINGER_SECONDS, CROWD / rate))

    def _rest(self, seconds: float | None) -> None:
        if not self._ending:
            with suppress(queue.Empty):
                self._bell.get(timeout=seconds)
        self._rung = False  # before anything is taken: who finds it rung has handed over already

    def _take(self) -> None:
        while self._handed and len(self._unwritten) < LARGEST_BATCH:
            self._unwritten.append(self._handed.popleft())

    def _write_down(self) -> None:
        asked = [item for item in self._unwritten if isinstance(item, Asked) and not item.answer.done()]
        try:
            with self._writing:
                outcomes = self._write_batch(asked)
            self._written += len(self._unwritten)
            written, self._unwritten, self._failure = self._unwritten, [], None
            self._strike(written)
        except Exception as error:  # whatever the database does, requests go on and `trouble` tells
            self._failure = error
            told = error if isinstance(error, LedgerError) else LedgerError(f"the ledger can't be written: {error}")
            outcomes = [told] * len(asked)
            voids = [Void(_name(each.hold)) for each in asked]  # a commit may fail, and be there all the same
            _free(self._unwritten)
            self._unwritten = [*(item for item in self._unwritten if not isinstance(item, Asked | Seen)), *voids]
        _answer(zip(asked, outcomes, strict=True))
        self._tidy()

    def _write_batch(self, asked: Sequence[Asked]) -> Sequence[Outcome]:
        book = self._book
        try:
            if book is None:
                book = self._book = self._open_book()
                self._examine(book)
                book.recover(self._claim.token if self._claim else "")
            if asked and self._claim is None:
                self._claim = book.claim()
            owner = self._claim.token if self._claim else ""
            batch = self._batch(asked)
            outcomes = book.write(batch, owner)
            if any(isinstance(outcome, Refused) for outcome in outcomes) and book.recover(owner):
                outcomes = book.write(Batch(holds=batch.holds), owner)
            self._note(batch, asked, outcomes)
            if self._round_is_due():
                self._round = self._now()
                book.recover(owner)
            return outcomes
        except Exception:
            self._close_book()  # the file may be another when we try again
            raise

    def _examine(self, book: Book) -> None:
        """Read the book through once, if that is wished; where it is damaged, only now and then."""
        if self._examines:
            self._pause = DAMAGED_SECONDS
            book.examine()
            self._pause, self._examines = RETRY_SECONDS, False

    def _tidy(self) -> None:
        with self._writing, suppress(Exception):  # the next write tells what is wrong
            if self._book is not None:
                self._book.tidy()

    def _batch(self, asked: Sequence[Asked]) -> Batch:
        now = self._now()
        return Batch(
            entries=[item for item in self._unwritten if isinstance(item, Entry)],
            holds=[each.hold for each in asked],
            void=[item.id for item in self._unwritten if isinstance(item, Void)],
            expire=[name for name, end in self._open.items() if end <= now],
            memos=[item for item in self._unwritten if isinstance(item, Memo)],
        )

    def _note(self, batch: Batch, asked: Sequence[Asked], outcomes: Sequence[Outcome]) -> None:
        """Keep in mind what is set aside, and until when."""
        if self._open:
            for name in (*(entry.reservation for entry in batch.entries), *batch.void, *batch.expire):
                self._open.pop(name, None)
        now = self._now()
        for each, outcome in zip(asked, outcomes, strict=True):
            if isinstance(outcome, Held):
                self._open[outcome.id] = now + each.lasts + GRACE_SECONDS

    def _strike(self, written: Sequence[Item]) -> None:
        """Take what is on disk out of the journal, and tell who waits for it."""
        if self._journal is not None:
            self._journal.strike(item for item in written if isinstance(item, Entry))
        _free(written)

    def _new_journal(self) -> Journal | None:
        """Open the journal; where there can be none, try again in a while."""
        with self._lock:
            if self._journal is None and self._open_journal is not None and self._now() >= self._journal_due:
                try:
                    self._journal = self._open_journal()
                except OSError:
                    self._journal_due = self._now() + ROUND_SECONDS
                else:
                    self._prepare_for_forks()
            return self._journal

    def _release_journal(self) -> None:
        """Remove the journal, unless it holds what nobody has written: then it is read when we have ended."""
        if self._journal is not None and self._journal.is_empty:
            self._journal.release()
            self._journal = None

    def _round_is_due(self) -> bool:
        return bool(self._open) and self._now() - self._round >= ROUND_SECONDS

    def _close_book(self) -> None:
        book, self._book = self._book, None
        if book is not None:
            book.close()

    def _prepare_for_forks(self) -> None:
        """Close the book around a fork: the child would inherit SQLite's locks without the thread that frees them."""
        if self._watches_forks or not hasattr(os, "register_at_fork"):
            return
        self._watches_forks = True
        me = ref(self)  # what is registered stays for ever

        def before() -> None:
            if (writer := me()) is not None:
                writer._writing.acquire()
                writer._close_book()

        def in_parent() -> None:
            if (writer := me()) is not None:
                writer._writing.release()

        def in_child() -> None:
            if (writer := me()) is not None:  # what waits is the parent's to write, what is set aside its to settle
                claim, writer._claim = writer._claim, None
                if claim is not None:
                    claim.drop()
                if writer._journal is not None:
                    writer._journal.drop()
                writer._begin()

        os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)


def _free(items: Iterable[Item]) -> None:
    for item in items:
        if isinstance(item, Seen):
            item.done.set()


def _name(hold: Hold) -> str:
    return f"{hold.entry.request_id}/{hold.entry.attempt}"


def _answer(answers: Iterable[tuple[Asked, Outcome]]) -> None:
    """Give each event loop what it waits for, in one call."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[Asked, Outcome]]] = {}
    for asked, outcome in answers:
        loops.setdefault(asked.loop, []).append((asked, outcome))
    for loop, waiting in loops.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, waiting)


def _resolve(waiting: Sequence[tuple[Asked, Outcome]]) -> None:
    for asked, outcome in waiting:
        if not asked.answer.done():
            asked.answer.set_result(outcome)
