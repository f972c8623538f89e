"""One file for a team server. One thread writes; calls that wait together share one commit.

`write` returns after the commit. A work that raises undoes itself alone; the others of its commit stand. Work functions
are short: hash passwords and talk to networks elsewhere.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from mini_llm.sqlite.opening import BUSY_MS
from mini_llm.sqlite.versions import copy_to
from mini_llm.team.store.opening import Db, Durability, Sign, open_reader, open_writer, told
from mini_llm.team.store.writer import Asked, Writer
from mini_llm.team.tokens import Tokens

__all__ = ["Db", "Durability", "Store"]

T = TypeVar("T")

READERS = 2
READ_SECONDS = 2.0  # no question may take longer
STEPS_BETWEEN_LOOKS = 20_000  # of SQLite's machine; some milliseconds


class Store:
    """Opens *file*, making it if need be. Close it: that writes what `later` was given."""

    def __init__(
        self,
        file: Path,
        tokens: Tokens,
        *,
        durability: Durability = "power",
        now: Callable[[], float] = time.time,
        read_seconds: float = READ_SECONDS,
        busy_ms: int = BUSY_MS,
    ) -> None:
        self._file = file
        self._tokens = tokens
        self._read_seconds = read_seconds
        self._busy_ms = busy_ms
        self.now = now
        self._sign = Sign(file)
        self._writer = Writer(open_writer(file, tokens, self._sign, durability, busy_ms), file)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="team-read")
        self._reading = threading.local()
        self._opened: list[Db] = []

    @property
    def trouble(self) -> str:
        """Why work can't be written now, "" if it can."""
        return self._writer.trouble

    async def write(self, work: Callable[[Db], T]) -> T:
        """Run *work* in the writer's thread and commit; return what it returned, or raise what it raised.

        StoreError: the database can't be written, and nothing of *work* was.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._writer.hand(Asked(work, loop, answer))
        return await answer

    def later(self, work: Callable[[Db], object]) -> None:
        """Run *work* with one of the next commits; nobody waits. Tried again until the database can be written.

        It must bear to be run twice. What it raises itself is told by `trouble` only.
        """
        self._writer.hand(Asked(work, None, None))

    async def read(self, work: Callable[[Db], T]) -> T:
        """Run *work* on a connection that can't write, as of one moment; StoreError after two seconds."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    def look(self, work: Callable[[Db], T]) -> T:
        """Run *work* as `read` does, but at once and in the caller's thread: for a few pages that lie in memory."""
        return self._read(work)

    async def backup(self, target: Path) -> None:
        """Write a sound copy to *target*, for its owner alone, while the server goes on."""
        with told(self._file, f"copied to {target}"):
            await asyncio.get_running_loop().run_in_executor(self._readers, copy_to, self._file, target)

    def close(self) -> None:
        """Write what waits, then close the file. Raises StoreError if something could not be written."""
        try:
            self._writer.close()
        finally:
            self._readers.shutdown(wait=True)
            for db in self._opened:
                db.close()
            self._sign.release()

    def _read(self, work: Callable[[Db], T]) -> T:
        with told(self._file, "read"):
            db: Db | None = getattr(self._reading, "db", None)
            if db is None:
                db = self._reading.db = open_reader(self._file, self._tokens, self._sign, self._busy_ms)
                self._opened.append(db)
            late = time.monotonic() + self._read_seconds
            db.set_progress_handler(lambda: time.monotonic() > late, STEPS_BETWEEN_LOOKS)
            db.execute("BEGIN")
            try:
                return work(db)
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")
