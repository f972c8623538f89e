"""`mini-llm config`: read and change settings."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mini_llm.cli import output
from mini_llm.cli.flags import flags
from mini_llm.cli.frame import Command, Group, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import ConfigError, MiniLLMError, UsageError

app = new_app(
    Group,
    epilog=examples("config set default anthropic/claude-opus-4-8", "config show", "config schema > schema.json"),
)
LONGEST = 1 << 20
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]
Key = Annotated[str, typer.Argument(metavar="KEY", help='Dotted, such as gateway.port or aliases."gpt-4.1"')]


@app.callback()
def root() -> None:
    """Read and change settings."""


@app.command(cls=Command)
def path(ctx: typer.Context) -> None:
    """Print where the config file is."""
    output.line(flags(ctx).paths().config)


@app.command(cls=Command, epilog=examples("config show", "config show --json"))
def show(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Print every setting and where it comes from; secrets stay hidden."""
    from mini_llm.config import flatten

    rows = flatten(flags(ctx).load())
    if as_json:
        output.json({key: {"value": value, "source": source} for key, value, source in rows})
    else:
        shown = [(key, output.compact(value), source) for key, value, source in rows]
        output.table(("KEY", "VALUE", "FROM"), shown, color=flags(ctx).colour())


@app.command(cls=Command, epilog=examples("config get default", "config get gateway.port"))
def get(ctx: typer.Context, key: Key, as_json: AsJson = False) -> None:
    """Print one setting."""
    from mini_llm.config import get_value, masked

    value = masked(key, get_value(flags(ctx).load(), key))
    if value in (None, "") and not as_json:
        raise MiniLLMError(f"{key} is not set", hint=f"set it: `mini-llm config set {key} VALUE`")
    if as_json or not isinstance(value, str):
        output.json(value)
    else:
        output.line(value)


@app.command(
    "set",
    cls=Command,
    epilog=examples("config set default groq/llama-3.3-70b-versatile", "config set routing.maxAttempts 2"),
)
def set_(
    ctx: typer.Context,
    key: Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Text or JSON; - reads it from stdin")],
) -> None:
    """Change one setting; comments and everything else in the file stay as they are."""
    from mini_llm.config import parse_value, set_value

    paths = flags(ctx).paths()
    text = (sys.stdin.read(LONGEST) if sys.stdin else "").strip() if value == "-" else value
    set_value(paths, key, parse_value(key, text))
    flags(ctx).say(f"set {key} in {paths.config}")


@app.command(cls=Command, epilog=examples("config edit", "EDITOR=nano mini-llm config edit"))
def edit(ctx: typer.Context) -> None:
    """Open the config in your editor ($VISUAL, $EDITOR); it is saved only without mistakes."""
    from mini_llm.cli import config_edit

    config_edit.edit(flags(ctx))


@app.command("import", cls=Command, epilog=examples("config import --dry-run", "config import", "config import --yes"))
def import_(
    ctx: typer.Context,
    yes: Annotated[
        bool, typer.Option("--yes", help="Take every key without being asked, but none of this folder's .env")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what there is; take nothing")] = False,
    insecure: Annotated[bool, typer.Option("--insecure-storage", help="Keep the keys in a 0600 file")] = False,
    keyring: Annotated[bool, typer.Option("--require-keyring", help="Keep the keys in the keyring or fail")] = False,
    as_json: AsJson = False,
) -> None:
    """Take over keys found in the environment, this folder's .env and other tools, each one asked about."""
    from mini_llm.cli import config_import

    wish = config_import.Wish(yes=yes, dry_run=dry_run, insecure=insecure, require_keyring=keyring, as_json=as_json)
    config_import.take(flags(ctx), wish)


@app.command(cls=Command)
def check(ctx: typer.Context) -> None:
    """Look for mistakes in the config; all of them are told, each with its place."""
    from mini_llm.config import check

    paths = flags(ctx).paths()
    problems = check(paths, environ=flags(ctx).environ, cwd=flags(ctx).folder())
    if problems:
        what = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigError(f"{what} in the config", problems=problems)
    flags(ctx).say(f"no problems in {paths.config}")


@app.command(cls=Command, epilog=examples("config schema > mini-llm.schema.json"))
def schema() -> None:
    """Print the JSON Schema of the config, for editors."""
    from mini_llm.config import schema

    output.json(schema())


@app.command(cls=Command, epilog=examples("config trust", "config trust ./mini-llm.config.json"))
def trust(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="The project file; the nearest one when left out")] = "",
) -> None:
    """Let this project file, as it is now, set providers and addresses too."""
    from mini_llm.config import project

    paths = flags(ctx).paths()
    found = Path(file) if file else project.find(flags(ctx).folder(), paths)
    if found is None:
        raise UsageError(f"no {project.NAME} here or in a folder above")
    project.trust(found, paths)
    flags(ctx).say(f"trusted {found.resolve()} as it is now; a change must be trusted again")
