"""`mini-llm team`: a team server, and all that its operator does to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mini_llm.cli import output, team_keys, team_money, team_people, team_start
from mini_llm.cli.frame import Command, Group, new_app
from mini_llm.cli.help import examples
from mini_llm.cli.team_file import AsJson, TeamName, known_of, nanos, run, settings_of, write
from mini_llm.errors import UsageError

if TYPE_CHECKING:
    from mini_llm.team.roles import Operator
    from mini_llm.team.store import Db, Store
    from mini_llm.team.teams import Team

app = new_app(
    Group,
    epilog=examples("team init", "team start", "team invite ann@example.com", "team usage --by member --since month"),
)


@app.callback()
def root() -> None:
    """Run a team server: one place where people share providers, keys, budgets and credits."""


app.command("init", cls=Command, epilog=examples("team init", "team init --name Example --url https://ai.example.com"))(
    team_start.init
)
app.command(
    "start",
    cls=Command,
    epilog=examples("team start", "team start --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem --workers 2"),
)(team_start.start)
app.command("invite", cls=Command, epilog=examples("team invite", "team invite ann@example.com --role admin"))(
    team_people.invite
)
app.add_typer(team_people.members, name="members")
app.add_typer(team_keys.keys, name="keys")
app.add_typer(team_money.budget, name="budget")
app.add_typer(team_money.credit, name="credit")
app.command("usage", cls=Command, epilog=examples("team usage", "team usage --by member --since month --json"))(
    team_money.usage
)


@app.command("set", cls=Command, epilog=examples("team set --discount 10", "team set --url https://ai.example.com"))
def set_(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(metavar="NAME", help="What the team is called")] = "",
    grant: Annotated[str, typer.Option(metavar="DOLLARS", help="Credits that each new account brings")] = "",
    discount: Annotated[
        int, typer.Option(metavar="PERCENT", help="Off the providers' prices", min=-1, max=99, show_default=False)
    ] = -1,
    token_seconds: Annotated[
        int,
        typer.Option(
            metavar="N", help="How long a login's token is good; 0: until revoked", min=-1, show_default=False
        ),
    ] = -1,
    url: Annotated[str, typer.Option(metavar="URL", help="Where people reach the server")] = "",
    top_up_url: Annotated[str, typer.Option(metavar="URL", help="Where more credits are bought")] = "",
    team: TeamName = "",
    as_json: AsJson = False,
) -> None:
    """Show what holds for the team and the server, and change it. The server takes up its addresses at its start."""
    known = known_of(ctx)
    _set_addresses(ctx, url, top_up_url)
    changes: dict[str, Any] = {}
    if grant:
        changes["grant"] = nanos(grant)
    if discount >= 0:
        changes["discount_percent"] = discount
    if token_seconds >= 0:
        changes["access_token_seconds"] = token_seconds or None
    found = write(known, lambda db, by, now: _changed(db, by, changes, name, now), team)
    grant_nanos, percent = found.terms.grant, found.terms.discount_percent
    rest = {
        "access_token_seconds": found.terms.access_token_seconds,
        "url": settings_of(known).url,
        "top_up_url": settings_of(known).top_up_url,
    }
    if as_json:
        output.json({"name": found.name, "grant_nanos": grant_nanos, "discount_percent": percent, **rest})
        return
    from mini_llm.pricing import dollars

    terms = {"name": found.name, "grant": dollars(grant_nanos), "discount": f"{percent} %"}
    output.fields({**terms, **rest}, color=known.colour())


@app.command("backup", cls=Command, epilog=examples("team backup /backups/team.db"))
def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes; it must not be there yet")],
) -> None:
    """Write a sound copy of the team's file, while the server runs or not."""
    known = known_of(ctx)
    if file.exists():
        raise UsageError(f"{file} is there already", hint="name another file, or remove it")

    async def copy(store: Store) -> None:
        await store.backup(file.absolute())

    run(known, copy)
    from mini_llm.team.state import SECRET_FILE

    known.say(f"copied to {file}; without the secret it is of no use: keep {known.paths().home / SECRET_FILE}, too")


def _set_addresses(ctx: typer.Context, url: str, top_up_url: str) -> None:
    if not url and not top_up_url:
        return
    from dataclasses import replace

    from mini_llm.team import settings

    if url and (wrong := settings.check_url(url)):
        raise UsageError(f"--url {url[:200]} {wrong}")
    known = known_of(ctx)
    before = settings_of(known)
    after = replace(before, url=url.rstrip("/") or before.url, top_up_url=top_up_url or before.top_up_url)
    settings.write(known.paths().home, after)


def _changed(db: Db, by: Operator, changes: dict[str, Any], name: str, now: float) -> Team:
    """Change the team's terms, if anything is to be changed, and return it."""
    from mini_llm.team import audit, teams

    found = teams.find(db, by.team)
    assert found is not None  # the operator acts for one that there is
    if not changes and not name:
        return found
    words = {key: str(value) for key, value in changes.items()} | ({"name": name} if name else {})
    audit.note(db, by.team, by.id, "team.terms", by.team, "", now, **words)
    return teams.set_terms(db, by, found.terms._replace(**changes), name=name)
