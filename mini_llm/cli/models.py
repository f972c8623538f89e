"""`mini-llm models`: what can be called now, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mini_llm.cli import names, output
from mini_llm.cli.flags import Flags, flags
from mini_llm.cli.frame import Command, Group, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import MiniLLMError, UsageError

if TYPE_CHECKING:
    from mini_llm.catalogue.update import Change
    from mini_llm.runtime import Runtime
    from mini_llm.types import Model, Price

SORTS = ("name", "price", "context")
SHORT = {"documents": "pdf", "json_schema": "json", "reasoning": "thinking"}
UNKNOWN = 1 << 62  # sorts behind everything known
app = new_app(
    Group,
    invoke_without_command=True,
    epilog=examples(
        "models", "models --query opus", "models --provider groq --sort price", "models --all --json", "models update"
    ),
)


@app.callback()
def models(
    ctx: typer.Context,
    query: Annotated[str, typer.Option("-q", "--query", metavar="TEXT", help="Only names with these words")] = "",
    provider: Annotated[str, typer.Option(metavar="NAME", help="Only this provider; a local one is asked")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Also of providers that are not set up")] = False,
    sort: Annotated[str, typer.Option(metavar="BY", help="name, price or context")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """List what can be called now: model, context window, capabilities, US dollars a million tokens."""
    if ctx.invoked_subcommand is not None:
        return
    if sort and sort not in SORTS:
        raise UsageError(f"cannot sort by {sort}", hint=f"one of {', '.join(SORTS)}")
    runtime = flags(ctx).runtime()
    found = _ordered(_matching(_found(runtime, provider, everything=everything), query), sort)
    if not (query or provider or everything):
        names.remember_all(runtime)
        names.remember(runtime.loaded.paths, models=[f"{model.provider}/{model.id}" for model in found])
    if as_json:
        output.json([_described(model) for model in found])
    elif found:
        columns = ("MODEL", "CONTEXT", "IN", "OUT", "CAN")
        output.table(columns, [_row(one) for one in found], color=flags(ctx).colour(), whole=("CAN",))
    _say_if_none(flags(ctx), found, query, everything=everything)


@app.command(cls=Command, epilog=examples("models update", "models update --from prices.json"))
def update(
    ctx: typer.Context,
    source: Annotated[str, typer.Option("--from", metavar="FILE|URL", help="Take the data from here")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Refresh what is known of models and prices, and show what changed."""
    from datetime import UTC, datetime

    from mini_llm.catalogue.update import refresh

    today = datetime.now(UTC).date().isoformat()
    changes = refresh(_data(source), flags(ctx).paths().cache, today=today)
    names.remember_anew(flags(ctx))
    if as_json:
        output.json([_change(change) for change in changes])
    elif changes:
        rows = [tuple(_change(change).values()) for change in changes]
        output.table(("MODEL", "BEFORE", "NOW"), rows, color=flags(ctx).colour())
    how_many = "1 model" if len(changes) == 1 else f"{len(changes) or 'no'} models"
    flags(ctx).say(f"the catalogue is of {today}; {how_many} changed")
    _update_wallet(flags(ctx))


def _update_wallet(known: Flags) -> None:
    """Refresh what the wallet sells, too; without it what was known of that stays."""
    from mini_llm.cli import wallet_prices

    try:
        offers = wallet_prices.update(known.runtime())
    except MiniLLMError as error:
        known.say(f"warning: the wallet's prices stay as they were: {error.message}")
        return
    if offers is not None:
        known.say(f"the wallet sells {output.count(len(offers.models), 'model')}")


def _found(runtime: Runtime, provider: str, *, everything: bool) -> list[Model]:
    if everything:
        catalogue = runtime.catalogue
        wanted = [provider] if provider else catalogue.providers
        return [model for name in wanted for model in catalogue.models(name)]
    import asyncio

    from mini_llm.client.asynchronous import AsyncClient

    async def ask() -> list[Model]:
        try:
            return await AsyncClient(runtime=runtime).models(provider)
        finally:
            await runtime.close()

    return asyncio.run(ask())


def _matching(found: Sequence[Model], query: str) -> list[Model]:
    words = query.lower().split()
    titles = (f"{model.provider}/{model.id} {model.name}".lower() for model in found)
    return [model for model, title in zip(found, titles, strict=True) if all(word in title for word in words)]


def _ordered(found: list[Model], sort: str) -> list[Model]:
    if sort == "price":
        return sorted(found, key=lambda model: (_both(model.price), model.provider, model.id))
    if sort == "context":
        return sorted(found, key=lambda model: (-model.context_window, model.provider, model.id))
    return sorted(found, key=lambda model: (model.provider, model.id)) if sort else found


def _both(price: Price | None) -> int:
    if price is None or price.input is None or price.output is None:
        return UNKNOWN
    return price.input + price.output


def _row(model: Model) -> tuple[str, str, str, str, str]:
    price = model.price
    return (
        f"{model.provider}/{model.id}",
        _size(model.context_window),
        _dollars(price.input if price else None),
        _dollars(price.output if price else None),
        " ".join(SHORT.get(word, word) for word in sorted(model.capabilities)),
    )


def _size(tokens: int) -> str:
    if not tokens:
        return ""
    return f"{tokens // 1_000_000}M" if tokens >= 1_000_000 else f"{tokens // 1000}k" if tokens >= 1000 else str(tokens)


def _dollars(nanos: int | None) -> str:
    from mini_llm import pricing

    return "" if nanos is None else pricing.dollars(nanos)


def _described(model: Model) -> dict[str, Any]:
    """Return a model as plain JSON values; prices are nano-dollars a million tokens; the keys are stable."""
    price = model.price
    return {
        "model": f"{model.provider}/{model.id}",
        "provider": model.provider,
        "id": model.id,
        "name": model.name,
        "context_window": model.context_window or None,
        "max_output": model.max_output or None,
        "capabilities": sorted(model.capabilities),
        "input_nanos_per_million": price.input if price else None,
        "output_nanos_per_million": price.output if price else None,
        "snapshot": model.snapshot,
    }


def _say_if_none(known: Flags, found: list[Model], query: str, *, everything: bool) -> None:
    if found:
        return
    if query:
        known.say(f"no model matches {query}{'' if everything else '; `--all` looks at every provider'}")
    else:
        known.say("no models: no provider is set up; add one: `mini-llm providers add groq --key`")


def _data(source: str) -> bytes:
    from pathlib import Path

    from mini_llm.catalogue import update

    if not source or "://" in source:
        return update.fetch(source) if source else update.fetch()
    try:
        return Path(source).expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {source}: {error.strerror or error}") from error


def _change(change: Change) -> dict[str, str]:
    model = change.after or change.before
    assert model is not None
    before, after = _told(change.before), _told(change.after)
    if before == after:
        after += " (other parts)"  # the cache, long prompts, another class of service
    return {"model": f"{model.provider}/{model.id}", "before": before, "after": after}


def _told(model: Model | None) -> str:
    if model is None:
        return "-"
    price = model.price
    told = [_dollars(price.input), _dollars(price.output)] if price else []
    return " / ".join(amount or "unknown" for amount in told) or "no price"
