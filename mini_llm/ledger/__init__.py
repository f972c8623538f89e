"""The book of every attempt: one row each, appended by one writer thread, summed on request.

Money is integer nano-dollars; an unknown price is None. Prompts and answers are never stored.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, Protocol
from weakref import ref

from mini_llm.errors import LedgerError
from mini_llm.memory import Memo
from mini_llm.types import Usage

Status = Literal["ok", "failed", "partial", "cancelled", "unknown"]
Payer = Literal["own", "wallet", "local"]

BATCH = 64
MOST_WAITING = 10_000
RETRY_SECONDS = 0.5
CLOSING_SECONDS = 8.0


class Entry(NamedTuple):
    """One attempt. `time` is Unix seconds; `first_content` and `seconds` are seconds since it was sent.

    `caller` is the id of the member or key that asked, `credential` a label of the key that was used (never a secret),
    `reservation` the id of the money taken from budgets before it was sent, "" if none was.
    """

    time: float
    request_id: str
    attempt: int
    route: str
    provider: str
    model: str
    status: Status
    error: str = ""
    tool: str = ""
    usage: Usage | None = None
    price_snapshot: str = ""
    cost_nanos: int | None = None
    paid_by: Payer = "own"
    first_content: float | None = None
    seconds: float = 0.0
    caller: str = ""
    credential: str = ""
    upstream_request_id: str = ""
    reservation: str = ""


class Totals(NamedTuple):
    """Sums over rows. `unpriced` counts those whose cost is not known; `cost_nanos` does not contain them."""

    requests: int = 0
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nanos: int = 0
    unpriced: int = 0


class Book(Protocol):
    """What a database offers the ledger. `append` is durable against a crash of the process when it returns."""

    def append(self, entries: Sequence[Entry]) -> None: ...
    def remember(self, memos: Sequence[Memo]) -> None: ...
    def recall(self, keys: Sequence[bytes], now: float) -> Mapping[bytes, bytes]: ...
    def totals(self, since: float) -> Totals: ...
    def close(self) -> None: ...


def open_sqlite(file: Path) -> Book:
    """Open the book in *file*, making it if need be."""
    from mini_llm.ledger.sqlite import SQLiteBook  # the driver is loaded with the first row, not at start-up

    return SQLiteBook(file)


class Ledger:
    """Append without waiting; the writer thread starts with the first row. Rows wait while the database is stuck."""

    def __init__(self, open_book: Callable[[], Book]) -> None:
        self._open_book = open_book
        self._handed: queue.SimpleQueue[Entry | Memo | None] = queue.SimpleQueue()
        self._unwritten: list[Entry | Memo] = []
        self._writer: threading.Thread | None = None
        self._lock = threading.Lock()
        self._failure: Exception | None = None
        self._book: Book | None = None
        self._watches_forks = False
        self._writing = threading.Lock()  # held while the book is opened, written or closed

    @property
    def trouble(self) -> str:
        """Why rows can't be written now, "" if they can."""
        return str(self._failure) if self._failure else ""

    def check(self) -> None:
        """Raise LedgerError when so many rows wait for a stuck database that nothing more should be spent."""
        if self._handed.qsize() + len(self._unwritten) >= MOST_WAITING:
            raise LedgerError(
                f"{MOST_WAITING} rows wait to be written{f': {self.trouble}' if self.trouble else ''}",
                hint="free space on the disk, or look at `mini-llm status`",
            )

    def append(self, entry: Entry) -> None:
        """Hand *entry* to the writer. Never refuses: what was asked has been paid for."""
        self._hand(entry)

    def remember(self, memos: Sequence[Memo]) -> None:
        """Hand what `memory` keeps to the writer; a shelf that is stuck forgets."""
        if not self.trouble:
            for memo in memos:
                self._hand(memo)

    def recall(self, keys: Sequence[bytes], now: float) -> Mapping[bytes, bytes]:
        """Return what is remembered under *keys*; nothing where the shelf can't be read."""
        try:
            book = self._open_book()
        except LedgerError:
            return {}
        try:
            return book.recall(keys, now)
        finally:
            book.close()

    def totals(self, since: float = 0.0) -> Totals:
        """Sum the rows written since the Unix time *since*."""
        book = self._open_book()
        try:
            return book.totals(since)
        finally:
            book.close()

    def close(self) -> None:
        """Write what waits, then stop. Raises LedgerError, with the reason, if rows could not be written."""
        with self._lock:
            writer, self._writer = self._writer, None
        if writer is None:
            return
        atexit.unregister(self._close_at_exit)
        self._handed.put(None)
        writer.join(CLOSING_SECONDS)
        if writer.is_alive() or self._unwritten:
            raise LedgerError(f"the ledger could not be written: {self.trouble or 'the database does not answer'}")

    def _hand(self, item: Entry | Memo) -> None:
        with self._lock:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="ledger", daemon=True)
                self._writer.start()
                atexit.register(self._close_at_exit)  # a daemon thread would die with the last rows in its hands
                self._prepare_for_forks()
        self._handed.put(item)

    def _close_at_exit(self) -> None:
        with suppress(LedgerError):  # nobody is left to be told
            self.close()

    def _write(self) -> None:
        ended = False
        while not ended:
            handed, ended = self._next_batch()
            self._unwritten += handed
            try:
                with self._writing:
                    self._book = self._book or self._open_book()
                    self._book.append([item for item in self._unwritten if isinstance(item, Entry)])
                    self._book.remember([item for item in self._unwritten if isinstance(item, Memo)])
                self._unwritten, self._failure = [], None
            except Exception as error:  # whatever the database does, requests go on and `trouble` tells
                self._failure = error
        with self._writing:
            self._close_book()

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
            if (ledger := me()) is not None:
                ledger._writing.acquire()
                ledger._close_book()

        def in_parent() -> None:
            if (ledger := me()) is not None:
                ledger._writing.release()

        def in_child() -> None:
            if (ledger := me()) is not None:  # what waits is the parent's to write
                ledger._handed, ledger._unwritten, ledger._writer = queue.SimpleQueue(), [], None
                ledger._lock, ledger._writing = threading.Lock(), threading.Lock()

        os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)

    def _next_batch(self) -> tuple[list[Entry | Memo], bool]:
        """Wait for a row and take what else is there; the second value tells that the end was asked for."""
        batch: list[Entry | Memo] = []
        try:
            item = self._handed.get(timeout=RETRY_SECONDS if self._unwritten else None)
            while item is not None:
                batch.append(item)
                if len(batch) >= BATCH:
                    return batch, False
                item = self._handed.get_nowait()
        except queue.Empty:
            return batch, False
        return batch, True
