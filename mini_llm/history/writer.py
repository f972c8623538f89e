"""Keep turns without waiting: a thread writes them, and ends when there is nothing to do.

Nothing here raises and nobody waits for the disk: an answer is worth more than its record. What could not be written is
lost, and `trouble` tells.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
from collections.abc import Callable
from typing import Protocol

from mini_llm.errors import MiniLLMError
from mini_llm.history.entries import Heard

MOST_WAITING = 500  # turns; each holds its request in memory
IDLE_SECONDS = 2.0
CLOSING_SECONDS = 6.0
TRIM = 100  # turns between two looks for what is too old


class Book(Protocol):
    """Where turns are written."""

    def add(self, heard: Heard, redact: Callable[[str], str]) -> object: ...
    def trim(self, days: int, megabytes: int) -> None: ...
    def close(self) -> None: ...


class History:
    """Take turns, and have them written. `days` (0: for ever) and `megabytes` bound what is kept."""

    def __init__(
        self, open_book: Callable[[], Book], redact: Callable[[str], str], *, days: int = 90, megabytes: int = 500
    ) -> None:
        self._open_book = open_book
        self._redact = redact
        self._bounds = (days, megabytes)
        self.trouble = ""
        self._begin()

    def _begin(self) -> None:
        """Start with nothing in hand: in a new process, too."""
        self._process = os.getpid()
        self._waiting: queue.SimpleQueue[Heard | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def keep(self, heard: Heard) -> None:
        """Have *heard* written; at once forgotten where too much waits already."""
        if self._process != os.getpid():
            self._begin()
        if self._waiting.qsize() >= MOST_WAITING:
            self.trouble = f"{MOST_WAITING} turns wait to be written: more are not kept"
            return
        self._waiting.put(heard)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="history", daemon=True)
                self._thread.start()
                atexit.register(self.close)  # a daemon thread would die with the last turns in its hands

    def close(self) -> None:
        """Write what waits; but nobody is kept for long. What comes later is still written."""
        thread = self._thread
        if thread is None or self._process != os.getpid():
            return
        self._waiting.put(None)
        thread.join(CLOSING_SECONDS)
        if thread.is_alive():
            self.trouble = self.trouble or "the disk does not answer"

    def _write(self) -> None:
        book: Book | None = None
        written = 0
        while (heard := self._next()) is not None:
            try:
                if book is None:
                    book = self._open_book()
                book.add(heard, self._redact)
                self.trouble = ""
                if written % TRIM == 0:
                    book.trim(*self._bounds)
                written += 1
            except MiniLLMError as error:
                self.trouble = error.message
            except Exception as error:  # whatever is wrong with one turn, the next is written
                self.trouble = f"{type(error).__name__}: {error}"
        if book is not None:
            book.close()

    def _next(self) -> Heard | None:
        """Return the next turn; None when none came for a while, or all is to be ended: then this thread is no more."""
        try:
            heard = self._waiting.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            heard = None
        if heard is None:
            with self._lock:
                if not self._waiting.empty():
                    return self._next()
                self._thread = None
                atexit.unregister(self.close)
        return heard
