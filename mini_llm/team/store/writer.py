"""The one thread that writes. Work that waits together shares one commit, each piece in a savepoint of its own."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from mini_llm.errors import MiniLLMError
from mini_llm.sqlite.opening import identity, writing
from mini_llm.team.errors import StoreError
from mini_llm.team.store.opening import Db, told

LARGEST_BATCH = 64
LINGER_SECONDS = 0.02  # work that nobody waits for waits so long for company
RETRY_SECONDS = 0.5
CLOSING_SECONDS = 8.0
LOG_PAGES = 1000


class Asked(NamedTuple):
    """A piece of work, and who waits for what it returns: nobody, if both are None."""

    work: Callable[[Db], Any]
    loop: asyncio.AbstractEventLoop | None
    answer: asyncio.Future[Any] | None


class Done(NamedTuple):
    """What became of a piece of work."""

    asked: Asked
    result: object
    error: BaseException | None


class Writer:
    """Holds the one connection that writes. The thread starts with the first piece of work."""

    def __init__(self, db: Db, file: Path) -> None:
        self._db = db
        self._file = file
        self._identity = identity(file)
        self._handed: queue.SimpleQueue[Asked | None] = queue.SimpleQueue()
        self._kept: list[Asked] = []  # could not be written yet, and nobody waits
        self._retry_at = 0.0
        self._ending = self._ended = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._log_pages = 0
        self.trouble = ""
        db.set_wal_hook(self._note_log)

    def hand(self, asked: Asked) -> None:
        """Give a piece of work to the thread."""
        with self._lock:
            if self._ending:
                raise StoreError("the team's file is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="team-write", daemon=True)
                self._thread.start()
            self._handed.put(asked)

    def close(self) -> None:
        """Write what waits, then close the connection. StoreError, with the reason, if that could not be done."""
        with self._lock:
            self._ending = True
            self._handed.put(None)
        if self._thread is None:
            self._db.close()
            return
        self._thread.join(CLOSING_SECONDS)
        if self._thread.is_alive() or self._kept:
            raise StoreError(f"{self._file} could not be written: {self.trouble or 'it does not answer'}")

    def _run(self) -> None:
        while not self._ended:
            self._write(self._take())
            self._retry()
        self._db.close()

    def _take(self) -> list[Asked]:
        """Wait for work; return what there is. A sign that nothing more will come ends it."""
        batch: list[Asked] = []
        until = self._retry_at if self._kept else None
        while len(batch) < LARGEST_BATCH:
            try:
                asked = self._next(until)
            except queue.Empty:
                break
            if asked is None:
                self._ended = True
                break
            if asked.answer is not None:
                until = 0.0
            elif not batch:
                until = time.monotonic() + LINGER_SECONDS
            batch.append(asked)
        return batch

    def _next(self, until: float | None) -> Asked | None:
        if until is None:
            return self._handed.get()
        wait = until - time.monotonic()
        return self._handed.get(timeout=wait) if wait > 0 else self._handed.get_nowait()

    def _retry(self) -> None:
        """Write what could not be written, apart from new work: what the database refuses for good stops nobody."""
        if self._kept and (self._ended or time.monotonic() >= self._retry_at):
            kept, self._kept = self._kept, []
            self._write(kept)

    def _write(self, batch: Sequence[Asked]) -> None:
        wanted = [asked for asked in batch if asked.answer is None or not asked.answer.done()]
        if not wanted:
            return
        try:
            with told(self._file, "written"):
                done = self._commit(wanted)
            if not self._kept:
                self.trouble = next((str(each.error) for each in done if each.error and each.asked.answer is None), "")
        except Exception as error:  # whatever the database does, the thread lives on and who waits is told
            failure = error if isinstance(error, StoreError) else StoreError(f"{self._file} can't be written: {error}")
            self.trouble = failure.message
            self._kept += [asked for asked in wanted if asked.answer is None]
            self._retry_at = time.monotonic() + RETRY_SECONDS
            done = [Done(asked, None, failure) for asked in wanted if asked.answer is not None]
        _tell(done)
        self._tidy()

    def _commit(self, wanted: Sequence[Asked]) -> list[Done]:
        if identity(self._file) != self._identity:
            raise StoreError(f"{self._file} was moved away: what is written would be lost with it")
        with writing(self._db):
            return [self._do(asked) for asked in wanted]

    def _do(self, asked: Asked) -> Done:
        """Run one piece of work; if it raises, it alone is undone."""
        db = self._db
        db.execute("SAVEPOINT work")
        try:
            result = asked.work(db)
        except Exception as error:
            if not db.in_transaction or isinstance(error, apsw.FullError | apsw.IOError | apsw.CorruptError):
                raise  # the database itself gave up: all is undone
            db.execute("ROLLBACK TO work")
            db.execute("RELEASE work")
            return Done(asked, None, self._plain(error))
        db.execute("RELEASE work")
        return Done(asked, result, None)

    def _plain(self, error: Exception) -> Exception:
        """Return *error* as one that other rooms know."""
        if not isinstance(error, apsw.Error | UnicodeEncodeError):
            return error
        try:
            with told(self._file, "written"):
                raise error
        except MiniLLMError as plain:
            return plain

    def _tidy(self) -> None:
        """Fold the log into the file when it has grown, after everybody has their answer."""
        if self._log_pages >= LOG_PAGES:
            with suppress(apsw.Error):  # the next write tells what is wrong
                self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self._log_pages = 0

    def _note_log(self, _: apsw.Connection, __: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK


def _tell(done: Sequence[Done]) -> None:
    """Give each event loop what it waits for, in one call."""
    loops: dict[asyncio.AbstractEventLoop, list[Done]] = {}
    for each in done:
        if each.asked.loop is not None:
            loops.setdefault(each.asked.loop, []).append(each)
    for loop, waiting in loops.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, waiting)


def _resolve(done: Sequence[Done]) -> None:
    for asked, result, error in done:
        if asked.answer is None or asked.answer.done():
            continue
        if error is None:
            asked.answer.set_result(result)
        else:
            asked.answer.set_exception(error)
