"""`mini-llm team invite` and `mini-llm team members`: who is in the team, and what they may do there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from mini_llm.cli import output
from mini_llm.cli.frame import Command, Listing, new_app
from mini_llm.cli.help import examples
from mini_llm.cli.team_file import AsJson, TeamName, address, known_of, member, read, write
from mini_llm.errors import UsageError

ROLES = ("owner", "admin", "member")
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The member's e-mail address, or id")]

members = new_app(
    Listing,
    epilog=examples("team members", "team members role ann@example.com admin", "team members remove ann@example.com"),
)


def invite(
    ctx: typer.Context,
    email: Annotated[str, typer.Argument(metavar="[ADDRESS]", help="Who alone may use it; left out: who has it")] = "",
    role: Annotated[str, typer.Option(metavar="ROLE", help="owner, admin or member")] = "member",
    team: TeamName = "",
    as_json: AsJson = False,
) -> None:
    """Print a link that makes whoever opens it a member, once, within a week."""
    from mini_llm.team import audit, invites

    known = known_of(ctx)
    wanted = _role(role)

    def make(db: Any, by: Any, now: float) -> tuple[invites.Invite, str]:
        made, token = invites.invite(db, by, wanted, email or None, now)
        audit.note(db, by.team, by.id, "invite.make", made.id, "", now, role=role, email=email)
        return made, token

    made, token = write(known, make, team)
    link = f"{address(known)}/invite?token={token}"
    if as_json:
        output.json(
            {"url": link, "id": made.id, "role": made.role, "email": made.email, "expires_at": _time(made.expires_at)}
        )
        return
    output.line(link)
    known.say_dim(f"good for {email or 'whoever opens it first'} until {_time(made.expires_at)}, once, as {role}")


@members.callback()
def members_root() -> None:
    """List the members, change their roles, take them out of the team."""


@members.command("list", cls=Command)
def list_(ctx: typer.Context, team: TeamName = "", as_json: AsJson = False) -> None:
    """List the members, oldest first."""
    from mini_llm import pricing
    from mini_llm.team import people

    known = known_of(ctx)
    found = read(known, lambda db, by, now: people.members(db, by.team, most=100_000), team)
    if as_json:
        rows = [{**one._asdict(), "created_at": _time(one.created_at)} for one in found]
        output.json([{**row, "budget": row["budget"] and row["budget"]._asdict()} for row in rows])
        return
    cells = [
        [
            one.email,
            one.name if one.name != one.email else "",
            one.role,
            f"{pricing.dollars(one.budget.nanos)} {one.budget.period}" if one.budget else "",
            ", ".join(one.models) if one.models is not None else "",
            _time(one.created_at)[:10],
        ]
        for one in found
    ]
    output.table(("MEMBER", "NAME", "ROLE", "BUDGET", "MODELS", "SINCE"), cells, color=known.colour())


@members.command(cls=Command)
def role(
    ctx: typer.Context,
    who: Address,
    new: Annotated[str, typer.Argument(metavar="ROLE", help="owner, admin or member")],
    team: TeamName = "",
) -> None:
    """Give a member another role; the last owner stays one."""
    from mini_llm.team import audit, people

    known = known_of(ctx)
    wanted = _role(new)

    def change(db: Any, by: Any, now: float) -> None:
        found = member(db, by, who)
        people.set_role(db, by, found.id, wanted)
        audit.note(db, by.team, by.id, "member.role", found.id, "", now, role=new)

    write(known, change, team)
    known.say(f"{who} is {new} now")


@members.command(cls=Command)
def models(
    ctx: typer.Context,
    who: Address,
    names: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="Such as fast or openai/*")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of the team's")] = False,
    team: TeamName = "",
) -> None:
    """Say which models a member may use; it holds for the keys they have, at once."""
    from mini_llm.team import audit, people

    if bool(names) == every:
        raise UsageError("which models?", hint="name them, or say --all")
    known = known_of(ctx)
    allowed = None if every else tuple(names or ())

    def change(db: Any, by: Any, now: float) -> None:
        found = member(db, by, who)
        people.set_models(db, by, found.id, allowed)
        audit.note(db, by.team, by.id, "member.models", found.id, "", now, models=" ".join(allowed or ("all",)))

    write(known, change, team)
    known.say(f"{who} may use {'every model' if every else ', '.join(names or ())}")


@members.command(cls=Command)
def remove(ctx: typer.Context, who: Address, team: TeamName = "") -> None:
    """Take a member out of the team; their keys are dead within seconds. The last owner stays."""
    from mini_llm.team import audit, people

    known = known_of(ctx)

    def change(db: Any, by: Any, now: float) -> None:
        found = member(db, by, who)
        people.remove(db, by, found.id, now)
        audit.note(db, by.team, by.id, "member.remove", found.id, "", now, email=found.email)

    write(known, change, team)
    known.say(f"{who} is no member any more")


def _role(told: str) -> Any:
    if told not in ROLES:
        raise UsageError(f"no role is called {told[:40]}", hint=f"one of {', '.join(ROLES)}")
    return told


def _time(instant: float) -> str:
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%dT%H:%M:%SZ}"
