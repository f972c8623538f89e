"""Open a team's file: to write, or to look. `Db` is a connection with what its statements need beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import apsw

from mini_llm.ledger.owners import Owner, dead
from mini_llm.sqlite import telling
from mini_llm.sqlite.opening import begin_log, connected, make, only_look
from mini_llm.team.errors import InvalidError, StoreError
from mini_llm.team.store import schema
from mini_llm.team.store.schema import TEAM
from mini_llm.team.tokens import Tokens

Durability = Literal["process", "power"]

SQLiteValue: TypeAlias = int | float | bytes | str | None


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
        if not make(TEAM, file):
            _refuse_exposed(file)
        db = _connected(file, tokens, sign, busy_ms)
        try:
            begin_log(db, busy_ms, durable=durability == "power")
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
        only_look(db)
        return db


@contextmanager
def told(file: Path, what: str) -> Iterator[None]:
    """Turn what the database or the system says into a StoreError."""
    with telling.told(TEAM, file, what):
        try:
            yield
        except apsw.InterruptError as error:
            found = f"{TEAM.name} {file} can't be {what}: it took too long"
            raise StoreError(found, hint="ask for a shorter time") from error
        except UnicodeEncodeError as error:
            raise InvalidError("what was sent is no text") from error


def _connected(file: Path, tokens: Tokens, sign: Sign, busy_ms: int) -> Db:
    db = connected(Db, file, busy_ms)
    db.tokens, db.sign = tokens, sign
    return db


def _refuse_exposed(file: Path) -> None:
    if sys.platform != "win32" and file.stat().st_mode & 0o077:
        raise StoreError(f"others can read {file}, which holds what your team stores", hint=f"run `chmod 600 {file}`")
