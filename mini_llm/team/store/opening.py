"""Open a team's file: to write, or to look. `Db` is a connection with what its statements need beside it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, TypeAlias

import apsw

from mini_llm.ledger.owners import Owner, dead
from mini_llm.ledger.sqlite.places import shared_by_network
from mini_llm.team.errors import InvalidError, StoreError
from mini_llm.team.store import schema
from mini_llm.team.tokens import Tokens

Durability = Literal["process", "power"]

SQLiteValue: TypeAlias = int | float | bytes | str | None

BUSY_MS = 5000
PAUSE_SECONDS = 0.01  # between two tries to open a file that is held


class Db(apsw.Connection):
    """A connection to the team's file. `tokens` makes and recognises secrets."""

    tokens: Tokens
    sign: Sign

    @property
    def owner(self) -> str:
        """This process's sign of life: what it reserves is settled by others once it is gone."""
        return self.sign.token

    def row(self, statement: str, values: Sequence[SQLiteValue] = ()) -> Any:
        """Return the first row that *statement* finds, None if there is none."""
        return self.execute(statement, values).fetchone()

    def rows(self, statement: str, values: Sequence[SQLiteValue] = ()) -> list[Any]:
        """Return every row that *statement* finds."""
        return self.execute(statement, values).fetchall()

    def ended(self, owners: set[str]) -> set[str]:
        """Return those of *owners* whose process has ended. What they left beside the file is taken away."""
        with dead(self.sign.file, owners - {self.sign.taken}) as found:
            for one in found:
                one.remove()
            return {one.token for one in found} & owners


class Sign:
    """The sign that this process lives, taken when it is first asked for."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._owner: Owner | None = None

    @property
    def token(self) -> str:
        """Return the sign; a lock beside the file stands for it."""
        if self._owner is None:
            self._owner = Owner(self.file)
        return self._owner.token

    @property
    def taken(self) -> str:
        """Return the sign, "" while there is none."""
        return self._owner.token if self._owner else ""

    def release(self) -> None:
        """Take the sign away: what is still reserved counts as a dead process's."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.release()


def open_writer(file: Path, tokens: Tokens, sign: Sign, durability: Durability, busy_ms: int) -> Db:
    """Open *file* to write, making it if need be, for its owner alone."""
    with told(file, "opened"):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if name := shared_by_network(file):
            raise StoreError(
                f"{file} lies on a network share ({name}), where SQLite files are damaged",
                hint="set MINI_LLM_HOME to a folder on this machine",
            )
        _make(file)
        db = _connected(file, tokens, sign, busy_ms)
        try:
            _begin_log(db, busy_ms)
            db.pragma("synchronous", 2 if durability == "power" else 1)
            # Without this a statement is planned anew whenever a value is bound to it: 18 µs instead of 3.
            db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
            schema.prepare(db, file)
            db.pragma("foreign_keys", 1)
        except BaseException:
            db.close()
            raise
        return db


def open_reader(file: Path, tokens: Tokens, sign: Sign, busy_ms: int) -> Db:
    """Open *file* to look: nothing is written, and the log is never folded into the file."""
    with told(file, "opened"):
        db = _connected(file, tokens, sign, busy_ms)
        db.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
        db.execute("PRAGMA query_only = ON").fetchall()
        return db


@contextmanager
def told(file: Path, what: str) -> Iterator[None]:
    """Turn what the database or the system says into a StoreError."""
    try:
        yield
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise StoreError(f"{file} can't be {what}: it is damaged ({error})", hint="put back a backup") from error
    except apsw.FullError as error:
        raise StoreError(f"{file} can't be {what}: the disk is full", hint="free space; nothing is lost") from error
    except apsw.BusyError as error:
        raise StoreError(f"{file} can't be {what}: another program holds it", hint="close that program") from error
    except apsw.InterruptError as error:
        raise StoreError(f"{file} can't be {what}: it took too long", hint="ask for a shorter time") from error
    except UnicodeEncodeError as error:
        raise InvalidError("what was sent is no text") from error
    except (apsw.Error, OSError) as error:
        raise StoreError(f"{file} can't be {what}: {error}") from error


def _connected(file: Path, tokens: Tokens, sign: Sign, busy_ms: int) -> Db:
    db = Db(str(file), flags=apsw.SQLITE_OPEN_READWRITE)
    db.set_busy_timeout(busy_ms)
    db.tokens, db.sign = tokens, sign
    return db


def _begin_log(db: Db, busy_ms: int) -> None:
    """Let writes go to a log first. SQLite asks for that once, and does not wait for a process that makes the file."""
    end = time.monotonic() + busy_ms / 1000
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL").fetchall()
            return
        except apsw.BusyError:
            if time.monotonic() >= end:
                raise
        time.sleep(PAUSE_SECONDS)


def _make(file: Path) -> None:
    """Make the file for its owner alone; refuse one that others can read."""
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        return
    if sys.platform != "win32" and file.stat().st_mode & 0o077:
        raise StoreError(f"others can read {file}, which holds what your team stores", hint=f"run `chmod 600 {file}`")
