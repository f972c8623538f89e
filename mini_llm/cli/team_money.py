"""`mini-llm team budget`, `credit` and `usage`: the most that may be spent, what there is, and what it was spent on."""

from __future__ import annotations

import sys
import time
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mini_llm.cli import output
from mini_llm.cli.frame import Command, Group, new_app
from mini_llm.cli.help import examples
from mini_llm.cli.team_file import AsJson, TeamName, known_of, member, nanos, period, read, write
from mini_llm.errors import MiniLLMError, UsageError

if TYPE_CHECKING:
    from mini_llm.cli.period import Period
    from mini_llm.team.budgets import Standing
    from mini_llm.team.rights import Allowance
    from mini_llm.team.roles import Operator
    from mini_llm.team.store import Db
    from mini_llm.team.usage import Row, Usage

BYS = ("day", "model", "provider", "member", "key", "tool")
Who = Annotated[str, typer.Option("--member", metavar="ADDRESS", help="Of this member alone, not of the whole team")]


class Shown(Group):
    """`budget` and `credit` alone show how things stand."""

    def meant(self, args: list[str]) -> str:
        """Return `show`, but not in front of a name."""
        return "show" if not args or args[0].startswith("-") else ""


budget = new_app(
    Shown,
    epilog=examples("team budget", "team budget set 200", "team budget set 5 --period daily --member ann@example.com"),
)
credit = new_app(Shown, epilog=examples("team credit", "team credit add 100 --reference invoice-17"))


class NotAddedError(MiniLLMError):
    """A payment that was booked before."""


@budget.callback()
def budget_root() -> None:
    """Show and set the most that the team, or a member of it, may spend."""


@budget.command("show", cls=Command)
def show_budgets(ctx: typer.Context, team: TeamName = "", as_json: AsJson = False) -> None:
    """Show every budget: what is spent, held for requests under way, and when it starts anew."""
    from mini_llm.team import budgets, people

    known = known_of(ctx)

    def look(db: Db, by: Operator, now: float) -> tuple[list[Standing], dict[str, str]]:
        names = {one.id: one.email for one in people.members(db, by.team, most=100_000)}
        return budgets.standings(db, by.team, now), {**names, by.team: "the team"}

    found, names = read(known, look, team)
    if as_json:
        output.json([_standing(one, names) for one in found])
    elif found:
        rows = [_budget_cells(one, names) for one in found]
        if output.is_terminal(sys.stdout):  # the day is enough: every period begins at midnight, UTC
            rows = [[*row[:-1], row[-1][:10]] for row in rows]
        columns = ("BUDGET OF", "PERIOD", "LIMIT", "SPENT", "HELD", "ANEW")
        output.table(columns, rows, color=known.colour(), numbers=("LIMIT", "SPENT", "HELD"))
    else:
        known.say("no budget is set; set one in US dollars: `mini-llm team budget set 200`")


@budget.command("set", cls=Command)
def set_budget(
    ctx: typer.Context,
    amount: Annotated[str, typer.Argument(metavar="DOLLARS", help="US dollars, such as 5 or 0.50")],
    every: Annotated[
        str, typer.Option("--period", metavar="PERIOD", help="daily, weekly, monthly or total")
    ] = "monthly",
    who: Who = "",
    team: TeamName = "",
) -> None:
    """Set a budget; what would pass it is refused. It takes the place of the one before."""
    from mini_llm.team.rights import Allowance

    allowance = Allowance(nanos(amount), period(every))  # type: ignore[arg-type]  # it is one of them
    known = known_of(ctx)
    write(known, lambda db, by, now: _set(db, by, who, allowance, now), team)
    known.say(f"the {every} budget of {who or 'the team'} is ${amount.lstrip('$')}")


@budget.command("remove", cls=Command)
def remove_budget(ctx: typer.Context, who: Who = "", team: TeamName = "") -> None:
    """Remove a budget; what was spent stays in the books."""
    known = known_of(ctx)
    write(known, lambda db, by, now: _set(db, by, who, None, now), team)
    known.say(f"{who or 'the team'} has no budget any more")


@credit.callback()
def credit_root() -> None:
    """Show the team's credits, and add some that were paid for."""


@credit.command("show", cls=Command)
def show_credits(ctx: typer.Context, team: TeamName = "", as_json: AsJson = False) -> None:
    """Show the balance, and the last rows of the journal."""
    from mini_llm import pricing
    from mini_llm.team import journal

    known = known_of(ctx)
    balance, rows = read(
        known, lambda db, by, now: (journal.balance(db, by.team), journal.transfers(db, by.team, charges=False)), team
    )
    if as_json:
        told = [{**row._asdict(), "time": _time(row.time)} for row in rows]
        output.json({"balance_nanos": balance.nanos, "held_nanos": balance.held, "journal": told})
        return
    known.say(f"balance {pricing.dollars(balance.nanos)}, of it {pricing.dollars(balance.held)} held")
    cells = [[_time(row.time), row.source, pricing.dollars(row.nanos), row.reference or "", row.note] for row in rows]
    output.table(("TIME", "FROM", "AMOUNT", "REFERENCE", "NOTE"), cells, color=known.colour(), numbers=("AMOUNT",))


@credit.command("add", cls=Command)
def add_credits(
    ctx: typer.Context,
    amount: Annotated[str, typer.Argument(metavar="DOLLARS", help="US dollars, such as 5 or 0.50")],
    reference: Annotated[
        str, typer.Option(metavar="NAME", help="The payment they come from; the same one counts once")
    ],
    note: Annotated[str, typer.Option(metavar="WORDS", help="A word about it, for the journal")] = "",
    team: TeamName = "",
) -> None:
    """Add credits that were paid for."""
    from mini_llm import pricing
    from mini_llm.team import audit, journal

    known = known_of(ctx)
    given = nanos(amount)

    def add(db: Db, by: Operator, now: float) -> tuple[bool, int]:
        added = journal.top_up(db, by, given, reference, now, note=note)
        if added:
            audit.note(db, by.team, by.id, "credits.add", reference, "", now, dollars=pricing.decimal(given))
        return added, journal.balance(db, by.team).nanos

    added, balance = write(known, add, team)
    if not added:
        raise NotAddedError(
            f"{reference} was booked before: nothing was added", hint="another payment has another name"
        )
    known.say(f"added {pricing.dollars(given)}; the balance is {pricing.dollars(balance)}")


def usage(
    ctx: typer.Context,
    by: Annotated[str, typer.Option(metavar="WHAT", help=f"{', '.join(BYS[:-1])} or {BYS[-1]}")] = "day",
    since: Annotated[str, typer.Option(metavar="WHEN", help="A date, 7d, today, week, month, year or all")] = "",
    until: Annotated[str, typer.Option(metavar="WHEN", help="A date, which is counted too")] = "",
    team: TeamName = "",
    as_json: AsJson = False,
) -> None:
    """Show what the team used and paid, of the last 30 days unless told otherwise; days are UTC's."""
    from mini_llm.cli.period import period as period_of

    if by not in BYS:
        raise UsageError(f"cannot sum by {by}", hint=f"one of {', '.join(BYS)}")
    asked = period_of(since, until, time.time(), UTC)
    known = known_of(ctx)
    found = read(known, lambda db, actor, now: _usage(db, actor, by, asked, now), team)
    if as_json:
        output.json({"rows": [_used(row, by) for row in found.rows], "total": _used(found.total, "")})
        return
    columns = (by.upper(), "REQUESTS", "INPUT", "OUTPUT", "CACHED", "PAID", "SAVED")
    cells = [_usage_cells(row, row.label) for row in found.rows]
    total = _usage_cells(found.total, "total") if len(cells) > 1 else ()
    output.table(columns, cells, color=known.colour(), numbers=columns[1:], total=total)
    if not cells:
        known.say(f"nothing was used from {asked.words}")


def _usage(db: Db, actor: Operator, by: str, asked: Period, now: float) -> Usage:
    from mini_llm.team import usage

    first, last = _day(max(asked.since, 0.0)), _day(min(asked.until - 1, now))
    return usage.usage(db, actor, first, last, by)  # type: ignore[arg-type]  # it is one of BYS


def _day(instant: float) -> date:
    return datetime.fromtimestamp(instant, UTC).date()


def _used(row: Row, by: str) -> dict[str, Any]:
    """Return a row as plain JSON values; the keys are stable."""
    named = {by: row.name, "name": row.label} if by else {}
    return {
        **named,
        "requests": row.requests,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cached_tokens": row.cached_tokens,
        "paid_nanos": row.paid,
        "saved_nanos": row.saved,
    }


def _usage_cells(row: Row, name: str) -> list[str]:
    from mini_llm import pricing

    counts = (row.requests, row.input_tokens, row.output_tokens, row.cached_tokens)
    return [name, *(f"{count:,}" for count in counts), pricing.dollars(row.paid), pricing.dollars(row.saved)]


def _set(db: Db, by: Operator, who: str, allowance: Allowance | None, now: float) -> None:
    from mini_llm import pricing
    from mini_llm.team import audit, budgets

    scope = member(db, by, who).id if who else by.team
    budgets.set(db, by, scope, allowance, now)
    told = f"{pricing.decimal(allowance.nanos)} {allowance.period}" if allowance else "none"
    audit.note(db, by.team, by.id, "budget.set", scope, "", now, budget=told)


def _standing(one: Standing, names: dict[str, str]) -> dict[str, Any]:
    """Return a budget as plain JSON values; the keys are stable."""
    return {
        "scope": one.scope,
        "name": names.get(one.scope, one.scope),
        "period": one.period,
        "limit_nanos": one.limit,
        "spent_nanos": one.spent,
        "held_nanos": one.held,
        "resets_at": None if one.resets_at is None else _time(one.resets_at),
    }


def _budget_cells(one: Standing, names: dict[str, str]) -> list[str]:
    from mini_llm import pricing

    amounts = [pricing.dollars(nanos) for nanos in (one.limit, one.spent, one.held)]
    anew = "" if one.resets_at is None else _time(one.resets_at)
    return [names.get(one.scope, one.scope), one.period, *amounts, anew]


def _time(instant: float) -> str:
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%dT%H:%M:%SZ}"
