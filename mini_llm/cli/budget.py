"""`mini-llm budget`: the most that may be spent, what is left of it, and how to change it."""

from __future__ import annotations

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
    epilog=examples("budget", "budget set daily 5", "budget set monthly 20 --tool codex --warn", "budget remove daily"),
)
Period = Annotated[str, typer.Argument(metavar="PERIOD", help=f"{', '.join(PERIODS[:-1])} or {PERIODS[-1]}")]
Tool = Annotated[str, typer.Option(metavar="NAME", help="Of this tool alone")]
Key = Annotated[str, typer.Option(metavar="ID", help="Of this member or key of the gateway alone")]
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
    epilog=examples("budget set daily 5.00", "budget set total 100 --key ann", "budget set weekly 10 --warn"),
)
def set_(
    ctx: typer.Context,
    period: Period,
    amount: Annotated[str, typer.Argument(metavar="DOLLARS", help="US dollars, such as 5 or 0.50")],
    tool: Tool = "",
    key: Key = "",
    warn: Annotated[
        bool | None, typer.Option("--warn/--hard", help="Only warn, or refuse (as it is when not said)")
    ] = None,
) -> None:
    """Set a budget; comments and everything else in the config stay as they are."""
    from mini_llm.config import change_values

    place, scope = _place(tool, key), _scope(tool, key)
    values: dict[tuple[str, ...], object] = {(*place, _known(period)): amount.strip().removeprefix("$")}
    if warn is not None:
        values[*place, "enforce"] = "warning" if warn else "hard"
    before = flags(ctx).load().config.limits
    change_values(flags(ctx).paths(), values)
    loaded = _again(flags(ctx))
    after: dict[tuple[str, str], Budget] = {(one.scope, one.period): one for one in loaded.config.limits}
    flags(ctx).say(_set(after[scope, period]))
    _say_what_wins(flags(ctx), loaded, (*place, period), str(values[*place, period]))
    for one in before:
        now = after.get((one.scope, one.period), one)
        if now.hard != one.hard and now is not after[scope, period]:
            flags(ctx).say(f"note: {_named(one)} now {'refuses' if now.hard else 'only warns'} as well")


@app.command(cls=Command, epilog=examples("budget remove daily", "budget remove --tool codex"))
def remove(
    ctx: typer.Context,
    period: Annotated[str, typer.Argument(metavar="[PERIOD]", help="Left out: all of the tool or key")] = "",
    tool: Tool = "",
    key: Key = "",
) -> None:
    """Remove a budget; what was spent stays in the ledger."""
    from mini_llm.config import remove_value
    from mini_llm.config.keys import join

    place = _place(tool, key)
    if not period and place == ("budgets",):
        raise UsageError("which budget?", hint=f"name it: `mini-llm budget remove daily`; or {', '.join(PERIODS[1:])}")
    path = (*place, _known(period)) if period else place
    named = f"{period} budget{_whose(_scope(tool, key))}".strip()
    loaded = flags(ctx).load()
    if not remove_value(flags(ctx).paths(), join(path)):
        source = loaded.source(path)
        hint = "`mini-llm budget` lists them" if source == "built-in" else f"it is set in {source}"
        raise NoBudgetError(f"the config has no {named}", hint=hint)
    if period and len(place) > 1 and not _left(_again(flags(ctx)), _scope(tool, key)):
        remove_value(flags(ctx).paths(), join(place))
    flags(ctx).say(f"removed the {named}")


def _known(period: str) -> str:
    if period not in PERIODS:
        raise UsageError(f"no budget is called {period}", hint=f"one of {', '.join(PERIODS)}")
    return period


def _place(tool: str, key: str) -> tuple[str, ...]:
    """Return where the config keeps the budgets of a tool, a key, or everything."""
    if tool and key:
        raise UsageError("a budget is of a tool or of a key", hint="say --tool or --key, and set two budgets for both")
    return ("budgets", "tools", tool) if tool else ("budgets", "keys", key) if key else ("budgets",)


def _scope(tool: str, key: str) -> str:
    return f"tool:{tool}" if tool else f"key:{key}" if key else "all"


def _again(known: Flags) -> Loaded:
    """Read the settings as they are after a change; what they say was told before."""
    from mini_llm.config import load

    return load(known.paths(), environ=known.environ, cwd=known.folder())


def _left(loaded: Loaded, scope: str) -> bool:
    return any(limit.scope == scope for limit in loaded.config.limits)


def _set(limit: Budget) -> str:
    doing = "what would pass it is refused" if limit.hard else "passing it only warns"
    return f"{_named(limit)} is ${limit.dollars}: {doing}"


def _named(limit: Budget) -> str:
    return f"the {limit.period} budget{_whose(limit.scope)}"


def _whose(scope: str) -> str:
    kind, _, name = scope.partition(":")
    return f" of the {kind} {name}" if name else ""


def _say_what_wins(known: Flags, loaded: Loaded, path: tuple[str, ...], told: str) -> None:
    """Say so where something above the user's file sets another amount."""
    from mini_llm.config import get_value
    from mini_llm.config.keys import join

    found = get_value(loaded, join(path))
    if str(found) != told:
        known.say(f"note: {loaded.source(path)} sets ${found}, which holds here")
