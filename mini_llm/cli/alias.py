"""`mini-llm alias`: short names for a model, or for a chain of models."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mini_llm.cli import names, output
from mini_llm.cli.flags import flags
from mini_llm.cli.frame import Command, Listing, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import UnknownModelError


class Aliases(Listing):
    """`alias NAME TARGET…` sets, `alias NAME` shows."""

    def meant(self, args: list[str]) -> str:
        """Return the command that is meant when none is named."""
        named = [word for word in args if not word.startswith("-")]
        return super().meant(args) or ("show" if len(named) == 1 else "set")


app = new_app(
    Aliases,
    epilog=examples(
        "alias fast groq/llama-3.3-70b-versatile",
        "alias smart anthropic/claude-opus-4-8 openai/gpt-5.5     # first choice, then fallbacks",
        "alias remove fast",
    ),
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The short name")]


@app.callback()
def root() -> None:
    """Give a model, or a chain of models, a short name. `alias NAME TARGET...` sets it."""


@app.command("list", cls=Command)
def list_(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the aliases."""
    aliases = flags(ctx).load().config.aliases
    if as_json:
        output.json({name: _described(route) for name, route in aliases.items()})
        return
    rows = [(name, " → ".join(route.targets), route.strategy) for name, route in aliases.items()]
    if rows:
        output.table(("NAME", "TARGETS", "STRATEGY"), rows, color=flags(ctx).colour())
    else:
        flags(ctx).say("no aliases yet; add one: `mini-llm alias fast groq/llama-3.3-70b-versatile`")


@app.command("set", cls=Command, epilog=examples("alias set cheap openai/gpt-5-mini groq/gpt-oss-20b --strategy cost"))
def set_(
    ctx: typer.Context,
    name: Name,
    targets: Annotated[list[str], typer.Argument(metavar="TARGET [FALLBACK]...", help="provider/model, best first")],
    strategy: Annotated[str, typer.Option(metavar="S", help="priority, cost, latency or balanced")] = "",
) -> None:
    """Set an alias: one target, or a first choice and its fallbacks."""
    from mini_llm.config import set_value
    from mini_llm.config.keys import join

    value: Any = targets[0] if len(targets) == 1 else list(targets)
    if strategy:
        value = {"targets": list(targets), "strategy": strategy}
    set_value(flags(ctx).paths(), join(("aliases", name)), value)
    names.remember(flags(ctx).paths(), aliases={*flags(ctx).load().config.aliases, name})
    flags(ctx).say(f"{name} is now {' → '.join(targets)}")


@app.command(cls=Command)
def show(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show one alias."""
    aliases = flags(ctx).load().config.aliases
    if name not in aliases:
        raise _unknown(name, list(aliases))
    if as_json:
        output.json({"name": name, **_described(aliases[name])})
        return
    for target in aliases[name].targets:
        output.line(target)


@app.command(cls=Command)
def remove(ctx: typer.Context, name: Name) -> None:
    """Remove an alias."""
    from mini_llm.config import remove_value
    from mini_llm.config.keys import join

    if not remove_value(flags(ctx).paths(), join(("aliases", name))):
        raise _unknown(name, list(flags(ctx).load().config.aliases))
    names.remember(flags(ctx).paths(), aliases=set(flags(ctx).load().config.aliases) - {name})
    flags(ctx).say(f"removed {name}")


def _described(route: Any) -> dict[str, Any]:
    return {"targets": list(route.targets), "strategy": route.strategy or "priority"}


def _unknown(name: str, names: list[str]) -> UnknownModelError:
    from difflib import get_close_matches

    near = get_close_matches(name, names, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else "`mini-llm alias list` lists them"
    return UnknownModelError(f"no alias called {name}", hint=hint, nearest=near)
