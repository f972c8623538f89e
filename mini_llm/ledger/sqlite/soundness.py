"""Is a ledger's file sound: read through as it is, changing nothing."""

from __future__ import annotations

from pathlib import Path

import apsw

from mini_llm.errors import LedgerError

MEND = "move it away, and a new one is begun; `sqlite3 OLD .recover` reads what is left of it"


def sqlite_version() -> str:
    """Return the version of the SQLite in use."""
    return apsw.sqlite_lib_version()


def read_through(file: Path, *, busy_ms: int = 2000) -> None:
    """Have SQLite check *file*. Raises LedgerError if it is damaged or no database."""
    try:
        connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(busy_ms)
            connection.execute("PRAGMA query_only = ON").fetchall()
            connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
            found = connection.execute("PRAGMA quick_check(1)").get
        finally:
            connection.close()
    except apsw.Error as error:
        raise LedgerError(f"the ledger {file} can't be read: {error}", hint=MEND) from error
    if found != "ok":
        raise LedgerError(f"the ledger {file} is damaged: {found}", hint=MEND)
