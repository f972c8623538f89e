"""`mini-llm team keys`: the API keys of a team, made, listed and revoked by its operator."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mini_llm.cli import output
from mini_llm.cli.frame import Command, Listing, new_app
from mini_llm.cli.help import examples
from mini_llm.cli.team_file import AsJson, TeamName, known_of, member, nanos, period, read, write
from mini_llm.errors import UsageError

if TYPE_CHECKING:
    from mini_llm.team.keys import Key
    from mini_llm.team.rights import Rights
    from mini_llm.team.roles import Operator
    from mini_llm.team.store import Db

DAY = 86_400
SHORT = 12  # characters of an id that are enough to tell a key from the others
keys = new_app(
    Listing,
    epilog=examples(
        "team keys",
        "team keys create --member ann@example.com --name ci --models fast --budget 5 --period daily --days 30",
        "team keys revoke key_0123",
    ),
)


@keys.callback()
def root() -> None:
    """List, make and revoke API keys."""


@keys.command("list", cls=Command)
def list_(
    ctx: typer.Context,
    who: Annotated[str, typer.Option("--member", metavar="ADDRESS", help="Of this member alone")] = "",
    revoked: Annotated[bool, typer.Option("--revoked", help="Those that were revoked, too")] = False,
    team: TeamName = "",
    as_json: AsJson = False,
) -> None:
    """List the keys, newest first; never the keys themselves."""
    from mini_llm.team import keys, people

    known = known_of(ctx)

    def look(db: Db, by: Operator, now: float) -> tuple[list[Key], dict[str, str]]:
        names = {one.id: one.email for one in people.members(db, by.team, most=100_000)}
        whose = member(db, by, who).id if who else None
        return keys.list_of(db, by, member=whose, revoked=revoked), names

    found, names = read(known, look, team)
    if as_json:
        output.json([described(one, names) for one in found])
        return
    cells = [_cells(described(one, names)) for one in found]
    if output.is_terminal(sys.stdout):  # the beginning of an id is enough for `revoke`
        cells = [[id[:SHORT], *of[:2], "", *of[3:-1], of[-1][:10]] for id, *of in cells]
    output.table(
        ("ID", "NAME", "MEMBER", "ENDS IN", "MODELS", "BUDGET", "EXPIRES", "LAST USED"), cells, color=known.colour()
    )


@keys.command(cls=Command)
def create(
    ctx: typer.Context,
    who: Annotated[str, typer.Option("--member", metavar="ADDRESS", help="Whose key it is")],
    name: Annotated[str, typer.Option(metavar="NAME", help="What it is for")],
    models: Annotated[list[str] | None, typer.Option(metavar="MODEL", help="Only this model; may be repeated")] = None,
    budget: Annotated[str, typer.Option(metavar="DOLLARS", help="The most it may spend in a period")] = "",
    every: Annotated[
        str, typer.Option("--period", metavar="PERIOD", help="daily, weekly, monthly or total")
    ] = "monthly",
    days: Annotated[int, typer.Option(metavar="N", help="How long it is good; 0: until it is revoked", min=0)] = 0,
    team: TeamName = "",
    as_json: AsJson = False,
) -> None:
    """Make a key, and print it: this once."""
    from mini_llm.team import audit, keys
    from mini_llm.team.rights import Allowance, Rights

    known = known_of(ctx)
    allowance = Allowance(nanos(budget), period(every)) if budget else None  # type: ignore[arg-type]  # one of them
    ends = time.time() + days * DAY if days else None
    rights = Rights(tuple(models) if models else None, allowance, ends)

    def make(db: Db, by: Operator, now: float) -> tuple[Key, str]:
        key, token = keys.mint(db, member(db, by, who), name, rights, by, now)
        audit.note(db, by.team, by.id, "key.mint", key.id, "", now, name=name, member=who)
        return key, token

    key, token = write(known, make, team)
    if as_json:
        output.json({**described(key, {key.member: who}), "key": token})
        return
    output.line(token)
    known.say_dim(f"{key.id}, {name}, of {who}: it is shown this once")


@keys.command(cls=Command)
def revoke(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="As `team keys` lists it, or how it begins")],
    team: TeamName = "",
) -> None:
    """End a key for good; a server that runs hears of it within seconds."""
    from mini_llm.team import audit, keys

    known = known_of(ctx)

    def end(db: Db, by: Operator, now: float) -> Key:
        meant = [one.id for one in keys.list_of(db, by) if len(id) >= SHORT and one.id.startswith(id)]
        if len(meant) > 1:
            raise UsageError(
                f"{len(meant)} keys begin with {id}", hint="`mini-llm team keys list --json` has all of it"
            )
        key = keys.revoke(db, by, meant[0] if meant else id, now)
        audit.note(db, by.team, by.id, "key.revoke", key.id, "", now, name=key.name)
        return key

    key = write(known, end, team)
    known.say(f"revoked {key.id}, {key.name}")


def described(key: Key, names: dict[str, str]) -> dict[str, Any]:
    """Return a key as plain JSON values; the keys are stable."""
    rights: Rights = key.rights
    return {
        "id": key.id,
        "name": key.name,
        "member": names.get(key.member, key.member),
        "hint": key.hint,
        "models": None if rights.models is None else list(rights.models),
        "scopes": sorted(rights.scopes),
        "budget_nanos": rights.budget.nanos if rights.budget else None,
        "budget_period": rights.budget.period if rights.budget else None,
        "created_at": _time(key.created_at),
        "expires_at": _time(rights.expires_at),
        "last_used_at": _time(key.last_used_at),
        "revoked_at": _time(key.revoked_at),
    }


def _cells(told: dict[str, Any]) -> list[str]:
    from mini_llm import pricing

    budget = f"{pricing.dollars(told['budget_nanos'])} {told['budget_period']}" if told["budget_period"] else ""
    ends = "revoked" if told["revoked_at"] else (told["expires_at"] or "")[:10]
    models = ", ".join(told["models"] or ())
    return [
        told["id"],
        told["name"],
        told["member"],
        f"…{told['hint']}",
        models,
        budget,
        ends,
        told["last_used_at"] or "",
    ]


def _time(instant: float | None) -> str | None:
    return None if instant is None else f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%dT%H:%M:%SZ}"
