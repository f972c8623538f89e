"""Make a file for its owner alone, connect to it, begin its log, write in it, and know it again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import apsw

from mini_llm.sqlite.places import shared_by_network
from mini_llm.sqlite.telling import Kind

C = TypeVar("C", bound=apsw.Connection)

BUSY_MS = 5000
PAUSE_SECONDS = 0.01  # between two tries to begin the log of a file that is held


def make(kind: Kind, file: Path) -> bool:
    """Make *file* for its owner alone; return whether it is new. Raises *kind*'s error for one on a network share.

    One that is there is not touched: to close it would free SQLite's locks on it.
    https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_ (2026-11)
    """
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if name := shared_by_network(file):
        raise kind.error(
            f"{kind.name} {file} lies on a network share ({name}), where SQLite files are damaged",
            hint="set MINI_LLM_HOME to a folder on this machine",
        )
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        return True
    return False


def connected(connection: type[C], file: Path, busy_ms: int = BUSY_MS) -> C:
    """Return a *connection* to a file that is there. It waits up to *busy_ms* while others write."""
    opened = connection(str(file), flags=apsw.SQLITE_OPEN_READWRITE)
    opened.set_busy_timeout(busy_ms)
    return opened


def begin_log(connection: apsw.Connection, busy_ms: int, *, durable: bool) -> None:
    """Let writes go to a log first; *durable*, each outlives a power cut, not only the process's end.

    SQLite asks for the log once, and does not wait for another process that makes the file: so we do.
    """
    end = time.monotonic() + busy_ms / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            break
        except apsw.BusyError:
            if time.monotonic() >= end:
                raise
        time.sleep(PAUSE_SECONDS)
    connection.pragma("synchronous", 2 if durable else 1)
    # Without this a statement is planned anew whenever a value is bound to it: 18 µs instead of 3.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)


def only_look(connection: apsw.Connection) -> None:
    """Let *connection* write nothing, and never fold the log into the file."""
    connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
    connection.execute("PRAGMA query_only = ON").fetchall()


@contextmanager
def writing(connection: apsw.Connection) -> Iterator[None]:
    """Hold the write lock; commit at the end, or undo all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has undone it already
            connection.execute("ROLLBACK")
        raise


def identity(file: Path) -> tuple[int, int]:
    """Return what tells this file from another of its name, (0, 0) if there is none."""
    with suppress(FileNotFoundError):
        found = file.stat()
        return found.st_dev, found.st_ino
    return 0, 0
