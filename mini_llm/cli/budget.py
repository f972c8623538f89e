"""`mini-llm budget`: the most that may be spent, what is left of it, and how to change it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from mini_llm.cli import output
from mini_llm.cli.flags import Flags, flags
from mini_llm.cli.frame import Command, Group, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import MiniLLMError, UsageError

if TYPE_CHECKING:
    from mini_llm.config import Loaded
    from mini_llm.config.settings import Budget

PERIODS = ("daily", "weekly", "monthly", "total")


class Standings(Group):
    """`budget` alone shows how things stand."""

    def meant(self, args: list[str]) -> str:
        """Return `show`, but not in front of a name."""
        return "show" if not args or args[0].startswith("-") else ""


app = new_app(
    Standings,
    epilog=examples("budget", "budget set daily 5", "budget set monthly 20 --for codex --warn", "budget remove daily"),
)
Period = Annotated[str, typer.Argument(metavar="PERIOD", help=f"{', '.join(PERIODS[:-1])} or {PERIODS[-1]}")]
Whom = Annotated[
    str | None,
    typer.Option("--for", metavar="NAME", help="Of this tool alone; key:ID is a member or key of the gateway"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]


class NoBudgetError(MiniLLMError):
    """There is no such budget."""


@app.callback()
def root() -> None:
    """Show and set the most that may be spent. What would pass it is refused, or only warned about."""


@app.command(cls=Command, epilog=examples("budget show", "budget show --json"))
def show(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show every budget: what is spent, held for requests under way, and left."""
    from mini_llm.cli import standings

    found = flags(ctx).runtime().budgets.standings()
    if as_json:
        output.json([standings.described(one) for one in found])
    elif found:
        standings.table(flags(ctx), found)
    else:
        flags(ctx).say("no budget is set; set one in US dollars: `mini-llm budget set daily 5`")


@app.command(
    "set",
    cls=Command,
    epilog=examples("budget set daily 5.00", "budget set total 100 --for key:ann", "budget set weekly 10 --warn"),
)
def set_(
    ctx: typer.Context,
    period: Period,
    amount: Annotated[str, typer.Argument(metavar="DOLLARS", help="US dollars, such as 5 or 0.50")],
    whom: Whom = None,
    warn: Annotated[
        bool | None, typer.Option("--warn/--hard", help="Only warn, or refuse (as it is when not said)")
    ] = None,
) -> None:
    """Set a budget; comments and everything else in the config stay as they are."""
    from mini_llm.config import change_values

    scope = _scope(whom)
    place = _place(scope)
    values: dict[tuple[str, ...], object] = {(*place, _known(period)): _dollars(amount)}
    if warn is not None:
        values[*place, "enforce"] = "warning" if warn else "hard"
    before = flags(ctx).load().config.limits
    change_values(flags(ctx).paths(), values)
    loaded = _again(flags(ctx))
    after = {(one.scope, str(one.period)): one for one in loaded.config.limits}
    now = after.pop((scope, period))
    flags(ctx).say(_told(now))
    _say_what_wins(flags(ctx), loaded, (*place, period), str(values[*place, period]))
    for one in before:
        _say_what_changed_too(flags(ctx), one, after.get((one.scope, one.period), one))


@app.command(cls=Command, epilog=examples("budget remove daily", "budget remove --for codex"))
def remove(
    ctx: typer.Context,
    period: Annotated[str, typer.Argument(metavar="[PERIOD]", help="Left out: all of the tool or key")] = "",
    whom: Whom = None,
) -> None:
    """Remove a budget; what was spent stays in the ledger."""
    from mini_llm.cli.standings import named, whose
    from mini_llm.config import remove_value
    from mini_llm.config.keys import join

    scope = _scope(whom)
    place = _place(scope)
    if not period and place == ("budgets",):
        raise UsageError("which budget?", hint=f"name it: `mini-llm budget remove daily`; or {', '.join(PERIODS[1:])}")
    path = (*place, _known(period)) if period else place
    removed = named(scope, period) if period else f"every budget{whose(scope)}"
    loaded = flags(ctx).load()
    if not remove_value(flags(ctx).paths(), join(path)):
        source = loaded.source(path)
        hint = "`mini-llm budget` lists them" if source == "built-in" else f"it is set in {source}"
        raise NoBudgetError(f"{removed} is not set in {flags(ctx).paths().config}", hint=hint)
    _sweep(flags(ctx), place)
    flags(ctx).say(f"removed {removed}")


def _known(period: str) -> str:
    if period not in PERIODS:
        raise UsageError(f"no budget is called {period}", hint=f"one of {', '.join(PERIODS)}")
    return period


def _dollars(amount: str) -> str:
    """Return an amount as the config has it; what it is not sure of, the config's own check refuses."""
    plain = amount.strip().removeprefix("$").replace("_", "")
    if not re.fullmatch(r"\d+(\.\d+)?", plain):
        raise UsageError(f"a budget cannot be {amount[:40]}", hint="say US dollars, such as 5 or 0.50")
    return plain


def _scope(whom: str | None) -> str:
    """Return whom `--for` names: a tool, unless it says otherwise."""
    if whom is None:
        return "all"
    kind, colon, name = whom.partition(":")
    kind, name = (kind, name) if colon and kind in ("tool", "key") else ("tool", whom)
    if not name:
        raise UsageError("a tool or a key has a name", hint="leave --for out for a budget for everything")
    return f"{kind}:{name}"


def _place(scope: str) -> tuple[str, ...]:
    """Return where the config keeps the budgets of a tool, a key, or everything."""
    kind, _, name = scope.partition(":")
    return ("budgets", f"{kind}s", name) if name else ("budgets",)


def _again(known: Flags) -> Loaded:
    """Read the settings as they are after a change; what they say was told before."""
    from mini_llm.config import load

    return load(known.paths(), environ=known.environ, cwd=known.folder())


def _sweep(known: Flags, place: tuple[str, ...]) -> None:
    """Take out what a removed budget leaves empty in the config."""
    from mini_llm.config import get_value, remove_value
    from mini_llm.config.keys import join

    for end in range(len(place), 1, -1):
        left = get_value(_again(known), join(place[:end]))
        if isinstance(left, Mapping) and left.keys() - {"enforce"}:
            return
        remove_value(known.paths(), join(place[:end]))


def _told(limit: Budget) -> str:
    from mini_llm.cli.standings import named

    doing = "what would pass it is refused" if limit.hard else "passing it only warns"
    return f"{named(limit.scope, limit.period)} is ${limit.dollars}: {doing}"


def _say_what_changed_too(known: Flags, before: Budget, now: Budget) -> None:
    """Say so where --warn or --hard changed another budget: it holds for all of a tool, of a key, or of everything."""
    from mini_llm.cli.standings import named

    if before.hard != now.hard:
        known.say(f"note: {named(now.scope, now.period)} now {'refuses' if now.hard else 'only warns'} as well")


def _say_what_wins(known: Flags, loaded: Loaded, path: tuple[str, ...], told: str) -> None:
    """Say so where something above the user's file sets another amount."""
    from mini_llm.config import get_value
    from mini_llm.config.keys import join

    found = get_value(loaded, join(path))
    if str(found) != told:
        known.say(f"note: {loaded.source(path)} sets ${found}, which holds here")
