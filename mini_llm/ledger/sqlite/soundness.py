"""Is a ledger's file sound: read through as it is, changing nothing."""

from __future__ import annotations

from pathlib import Path

import apsw

from mini_llm.errors import LedgerError
from mini_llm.ledger.sqlite.schema import LEDGER
from mini_llm.sqlite.opening import connected, only_look
from mini_llm.sqlite.telling import told


def sqlite_version() -> str:
    """Return the version of the SQLite in use."""
    return apsw.sqlite_lib_version()


def read_through(file: Path, *, busy_ms: int = 2000) -> None:
    """Have SQLite check *file*. Raises LedgerError if it is damaged or no database."""
    with told(LEDGER, file, "read"):
        connection = connected(apsw.Connection, file, busy_ms)
        try:
            only_look(connection)
            found = connection.execute("PRAGMA quick_check(1)").get
        finally:
            connection.close()
    if found != "ok":
        raise LedgerError(f"the ledger {file} is damaged: {found}", hint=LEDGER.mend)
