"""A team server's own file, as its operator works on it: beside the server, or without one."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from mini_llm.cli.flags import Flags, flags
from mini_llm.errors import MiniLLMError, UsageError

if TYPE_CHECKING:
    from mini_llm.team.roles import Member, Operator
    from mini_llm.team.settings import Settings
    from mini_llm.team.store import Db, Store

T = TypeVar("T")

PROFILE = "team"  # a team server has a home of its own, so that it shares nothing with its operator's gateway
PERIODS = ("daily", "weekly", "monthly", "total")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]
TeamName = Annotated[str, typer.Option("--team", metavar="NAME", help="Which team, where there are several")]
_AMOUNT = re.compile(r"\d{1,9}(\.\d{1,9})?")


class NoTeamError(MiniLLMError):
    """There is no team server in this home, or no such team."""

    exit_code = 78
    code = "no_team"


def known_of(ctx: typer.Context) -> Flags:
    """Return the flags of this process; without a profile of their own they mean the team's."""
    known = flags(ctx)
    known.profile = known.profile or known.environ.get("MINI_LLM_PROFILE", "") or PROFILE
    return known


def need_extra() -> None:
    """Raise unless what the team server needs beside the rest is installed."""
    from importlib.util import find_spec

    missing = [name for name in ("argon2", "authlib", "jinja2") if find_spec(name) is None]
    if missing:
        raise MiniLLMError(
            f"the team server needs {' and '.join(missing)}", hint="install it: pip install 'mini-llm[team]'"
        )


def check_made(known: Flags) -> None:
    """Raise NoTeamError unless `team init` was here."""
    from mini_llm.team.state import SECRET_FILE

    home = known.paths().home
    if not (home / SECRET_FILE).exists():
        raise NoTeamError(f"there is no team server in {home}", hint="run `mini-llm team init`")


def settings_of(known: Flags) -> Settings:
    """Return the server's settings."""
    from mini_llm.team import settings

    return settings.read(known.paths().home)


def write(known: Flags, work: Callable[[Db, Operator, float], T], team: str = "") -> T:
    """Run *work* for a team, and return what it returned once it is on disk."""
    return run(known, lambda store: store.write(lambda db: work(db, operator(db, team), store.now())))


def read(known: Flags, work: Callable[[Db, Operator, float], T], team: str = "") -> T:
    """Run *work* for a team; it can change nothing."""
    return run(known, lambda store: store.read(lambda db: work(db, operator(db, team), store.now())))


def operator(db: Db, team: str) -> Operator:
    """Return who acts for the team of that name or id; for the only one where no name is told."""
    from mini_llm.team import teams
    from mini_llm.team.roles import Operator

    every = teams.every(db)
    found = [one for one in every if team in ("", one.id, one.name)]
    if len(found) == 1:
        return Operator(found[0].id)
    names = ", ".join(one.name for one in every)
    if team:
        raise NoTeamError(f"no team is called {team[:80]}", hint=f"there is {names}" if names else "")
    if not every:
        raise NoTeamError("there is no team yet", hint="run `mini-llm team init`")
    raise UsageError("there are several teams", hint=f"say --team NAME: {names}")


def member(db: Db, by: Operator, who: str) -> Member:
    """Return the member with that e-mail address or id."""
    from mini_llm.team import entered, people

    wanted = entered.folded(who)
    for one in people.members(db, by.team, most=100_000):
        if who == one.id or wanted == one.email:
            return one
    raise NoTeamError(f"no member is called {who[:80]}", hint="`mini-llm team members` lists them")


def nanos(amount: str) -> int:
    """Return US dollars as people type them in nano-dollars."""
    from mini_llm.config import build

    plain = amount.strip().removeprefix("$").replace("_", "")
    if not _AMOUNT.fullmatch(plain):
        raise UsageError(f"this is no amount: {amount[:40]}", hint="say US dollars, such as 5 or 0.50")
    return build.nanos(plain)


def period(told: str) -> str:
    """Return *told* if it is a period."""
    if told not in PERIODS:
        raise UsageError(f"no period is called {told[:40]}", hint=f"one of {', '.join(PERIODS)}")
    return told


def address(known: Flags) -> str:
    """Return where people reach the server: what is set, else where it listens now, else where it would."""
    from mini_llm.gateway import process

    told = settings_of(known).url
    record = None if told else process.find(known.paths().home)
    if told or record:
        return told or (record.url if record else "")
    return f"http://127.0.0.1:{known.load().config.gateway.port}"


def run(known: Flags, ask: Callable[[Store], Awaitable[T]]) -> T:
    """Open the file, and return what *ask* gets from it."""
    check_made(known)
    import asyncio  # 20 ms that help and completions do not need

    from mini_llm.team.state import SECRET_FILE, STORE_FILE
    from mini_llm.team.store import Store
    from mini_llm.team.tokens import Tokens, read_secret

    paths = known.paths()
    tokens = Tokens(read_secret(paths.home / SECRET_FILE))

    async def life() -> T:
        store = Store(paths.data / STORE_FILE, tokens)
        try:
            return await ask(store)
        finally:
            await asyncio.to_thread(store.close)

    return asyncio.run(life())
