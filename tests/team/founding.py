"""A team to test with: one file, one connection that writes, an owner and a key. No thread, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from mini_llm.team import accounts, checking, credits, journal, keys, people, teams
from mini_llm.team.credits import Ask, Held, Refused
from mini_llm.team.keys import Key
from mini_llm.team.people import Member, Operator, Role
from mini_llm.team.rights import Rights
from mini_llm.team.store import Db
from mini_llm.team.store.opening import Sign, open_writer
from mini_llm.team.teams import Team, Terms
from mini_llm.team.tokens import Tokens

T = TypeVar("T")

NOON = 1_795_348_800.0  # 2026-11-22 12:00 UTC, a Sunday
DOLLAR = 10**9
MASTER = bytes(range(32))
TOKENS = Tokens(MASTER)


class Office(NamedTuple):
    """A team, who owns it, and their key."""

    db: Db
    team: Team
    owner: Member
    key: Key
    token: str

    def ask(self, request: str = "r1", nanos: int | None = DOLLAR) -> Ask:
        """Return a wish of the owner's key."""
        return Ask(self.team.id, self.owner.id, self.key.id, request, nanos, lasts=60.0)

    def held(self, request: str = "r1", nanos: int = DOLLAR, *, now: float = NOON) -> Held:
        """Reserve, and expect that it is granted."""
        outcome = credits.reserve(self.db, self.ask(request, nanos), now)
        assert isinstance(outcome, Held)
        return outcome

    def refused(self, request: str = "r1", nanos: int = DOLLAR, *, now: float = NOON) -> Refused:
        """Reserve, and expect that it is refused."""
        outcome = credits.reserve(self.db, self.ask(request, nanos), now)
        assert isinstance(outcome, Refused)
        return outcome

    def available(self) -> int:
        """Return what a new request may take."""
        return journal.balance(self.db, self.team.id).available


def opened(file: Path) -> Db:
    """Open a team's file to write, as the writer's thread does."""
    return open_writer(file, TOKENS, Sign(file), "process", 20_000)


@contextmanager
def office(folder: Path, *, grant: int = 5 * DOLLAR, discount_percent: int = 0) -> Iterator[Office]:
    """Found a team in *folder*; at the end every figure must agree."""
    db = opened(folder / "team.db")
    try:
        yield founded(db, "Acme", grant=grant, discount_percent=discount_percent)
        assert checking.problems(db) == []
    finally:
        db.close()
        db.sign.release()


def founded(db: Db, name: str, *, grant: int = 5 * DOLLAR, discount_percent: int = 0) -> Office:
    """Found one more team in a file."""
    team = teams.create(db, name, NOON, terms=Terms(grant, discount_percent))
    owner = newcomer(db, team.id, "owner", f"owner@{name.lower()}.example")
    key, token = keys.mint(db, owner, "laptop", Rights(), owner, NOON)
    return Office(db, team, owner, key, token)


def newcomer(db: Db, team: str, role: Role, email: str) -> Member:
    """Make an account, and it a member."""
    account = accounts.create(db, email, email.partition("@")[0].title(), NOON, identity=("https://id.example", email))
    return people.join(db, team, account.id, role, NOON)


def operator(office: Office) -> Operator:
    """Return who works on the server itself."""
    return Operator(office.team.id)


def written(db: Db, work: Callable[[Db], T]) -> T:
    """Run *work* in a transaction of its own, as the store does; what raises is undone."""
    db.execute("BEGIN IMMEDIATE")
    try:
        result = work(db)
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
    return result
