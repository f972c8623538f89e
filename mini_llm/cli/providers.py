"""`mini-llm providers`: add, test and remove who can answer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mini_llm.cli import adding, names, output
from mini_llm.cli.flags import flags
from mini_llm.cli.frame import Command, Listing, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import UnknownModelError
from mini_llm.gateway import described

if TYPE_CHECKING:
    from mini_llm.cli.flags import Flags
    from mini_llm.providers import Provider

app = new_app(
    Listing,
    epilog=examples(
        "providers add groq --key", "providers add lab --url http://localhost:8080", "providers test", "providers list"
    ),
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A known provider, or a name of your own")]


@app.callback()
def root() -> None:
    """Add, test and remove providers. A key already in the environment needs no adding."""


@app.command(
    "add",
    cls=adding.AddCommand,
    epilog=examples(
        "providers add groq --key                        # asks, without echo",
        "pass show groq | mini-llm providers add groq --key -",
        "providers add openai --key-env WORK_OPENAI_KEY",
        "providers add lab --url http://localhost:8080 --model llama-70b",
    ),
)
def add(
    ctx: typer.Context,
    name: Name,
    key: Annotated[str, typer.Option(metavar="[KEY|-]", help="Its key: asks without echo; - reads stdin")] = "",
    key_env: Annotated[str, typer.Option(metavar="VAR", help="The variable that holds its key")] = "",
    key_cmd: Annotated[str, typer.Option(metavar="CMD", help="A command that prints its key")] = "",
    url: Annotated[str, typer.Option(metavar="URL", help="Its address, version included")] = "",
    dialect: Annotated[str, typer.Option(metavar="D", help="openai, anthropic, gemini or responses")] = "",
    header: Annotated[list[str] | None, typer.Option(metavar="K=V", help="Send this header; repeatable")] = None,
    model: Annotated[list[str] | None, typer.Option(metavar="M", help="It has this model; repeatable")] = None,
    insecure: Annotated[bool, typer.Option("--insecure-storage", help="Keep the key in a 0600 file")] = False,
    keyring: Annotated[bool, typer.Option("--require-keyring", help="Keep the key in the keyring or fail")] = False,
) -> None:
    """Add a provider, or change what is set for it."""
    wanted = adding.Wanted(name, url, dialect, tuple(header or ()), tuple(model or ()), key, key_env, key_cmd)
    storage = adding.Storage(insecure=insecure, require_keyring=keyring)
    provider = adding.add(flags(ctx), wanted, storage)
    names.remember_anew(flags(ctx))
    known = flags(ctx)
    profile = f"--profile {known.profile} " if known.profile else ""
    known.say(f"added {name} ({provider.base_url}); try it: `mini-llm {profile}providers test {name}`")


@app.command("list", cls=Command)
def list_(
    ctx: typer.Context,
    everyone: Annotated[bool, typer.Option("--all", help="Also those that are known but not set up")] = False,
    as_json: AsJson = False,
) -> None:
    """List the providers that can be used now."""
    runtime = flags(ctx).runtime()
    wanted = list(runtime.registry.names()) if everyone else described.names(runtime)
    found = [described.provider(runtime, name) for name in wanted]
    if as_json:
        output.json(found)
        return
    rows = [(row["name"], row["key"], row["base_url"], row["dialect"], row["health"]) for row in found]
    if everyone and output.is_terminal(sys.stdout):
        _everyone(flags(ctx), found)
    elif rows:
        output.table(("NAME", "KEY FROM", "ADDRESS", "DIALECT", "HEALTH"), rows, color=flags(ctx).colour())
    else:
        flags(ctx).say("no providers yet; add one: `mini-llm providers add groq --key`")
    for notice in runtime.registry.notices:
        flags(ctx).say(f"warning: {notice}")


def _everyone(known: Flags, found: list[dict[str, Any]]) -> None:
    """Show all there are as a terminal has room for: who can be used, and what the others want."""
    rows = [(row["name"], row["key"], row["base_url"] if row["usable"] else _wanted(row)) for row in found]
    output.table(("NAME", "KEY FROM", "ADDRESS, OR WHAT IT NEEDS"), rows, color=known.colour())
    known.say_dim("`mini-llm providers add NAME --key` keeps a key; `… show NAME` tells more")


def _wanted(row: dict[str, Any]) -> str:
    """Return what is to be set so that a provider can be used, without what is the same for each."""
    ways = str(row["mend"]).removesuffix(f", or run `mini-llm providers add {row['name']} --key`")
    return ways.removesuffix(f", or run `mini-llm providers add {row['name']} --url URL`") or str(row["health"])


@app.command("remove", cls=Command)
def remove(ctx: typer.Context, name: Name) -> None:
    """Remove a provider from the config, and its stored key."""
    from mini_llm.config import remove_value
    from mini_llm.config.keys import join

    runtime = flags(ctx).runtime()
    settings = runtime.loaded.config.providers.get(name)
    if settings is None or not remove_value(runtime.loaded.paths, join(("providers", name))):
        raise UnknownModelError(f"{name} is not in the config", hint="`mini-llm providers list` shows what is")
    keys = [key for key in (settings.api_key, *settings.api_keys) if key]
    forgotten = any([runtime.credentials.forget(key) for key in keys])
    names.remember_anew(flags(ctx))
    flags(ctx).say(f"removed {name}{' and its stored key' if forgotten else ''}")
    for alias, route in runtime.loaded.config.aliases.items():
        if any(target.startswith(f"{name}/") for target in route.targets):
            flags(ctx).say(f"warning: the alias {alias} still points to {name}")


@app.command("show", cls=Command)
def show(ctx: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show one provider."""
    runtime = flags(ctx).runtime()
    provider = runtime.registry.get(name)
    found = {**described.provider(runtime, name), **_details(provider)}
    if as_json:
        output.json(found)
    else:
        output.fields(found, color=flags(ctx).colour())


@app.command("test", cls=Command, epilog=examples("providers test groq", "providers test"))
def test(
    ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="[NAME]")] = "", as_json: AsJson = False
) -> None:
    """Make a one-token call: does the key work, how long does it take, which models are there."""
    import asyncio

    from mini_llm.cli import trial

    results = asyncio.run(trial.run(flags(ctx).runtime(), name))
    if as_json:
        output.json([result.to_dict() for result in results])
    else:
        output.table(("NAME", "RESULT", "LATENCY", "MODELS"), trial.rows(results), color=flags(ctx).colour())
    failures = [result.error for result in results if result.error]
    if failures:
        raise failures[0] if len(results) == 1 else trial.Failed(len(failures), len(results))


def _details(provider: Provider) -> dict[str, Any]:
    return {
        "auth": provider.auth,
        "key_env": list(provider.key_env),
        "default": provider.default,
        "models": list(provider.models),
        "headers": sorted(provider.headers),
        "drop": list(provider.drop),
        "docs": provider.docs,
    }
