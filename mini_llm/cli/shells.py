"""Write completion scripts from the one command table. Pure: the table in, text out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from mini_llm.setup import TOOLS

FILES = {"bash": "mini-llm.bash", "zsh": "_mini-llm", "fish": "mini-llm.fish", "pwsh": "mini-llm.ps1"}

PROGRAMS = "claude codex opencode aider gemini continue zed copilot llm"  # the tools that `run` starts

# What stands for a value: names from the cache, files, or words that are always the same.
CHOICES = {
    "--dialect": "openai anthropic gemini responses",
    "--strategy": "priority cost latency balanced",
    "--shell": "bash zsh fish pwsh",
    "--sort": "name price context",
    "--by": "day week month provider model tool key member credential route payer status",
    "--payer": "own wallet local",
    "--status": "ok failed partial cancelled unknown",
}
KINDS = {
    "--model": "models",
    "--small-model": "models",
    "--provider": "providers",
    "--config": "files",
    "--attach": "files",
    "--schema": "files",
    "--from": "files",
}
ARGUMENTS = {
    "explain": "models",
    "alias set": "models",
    "alias show": "aliases",
    "alias remove": "aliases",
    "providers add": "providers",
    "providers remove": "providers",
    "providers show": "providers",
    "providers test": "providers",
    "budget set": "words daily weekly monthly total",
    "budget remove": "words daily weekly monthly total",
    "config trust": "files",
    "setup": f"words {' '.join(TOOLS)}",
    "run": f"words {PROGRAMS}",
}


class Option(NamedTuple):
    """One option: its names, its help, and the kind of value it takes ("" for a flag, "text" for anything)."""

    names: tuple[str, ...]
    help: str
    value: str


class Page(NamedTuple):
    """One place in the table: a command, what is below it, its options, and the kind of its arguments."""

    path: str
    help: str
    below: tuple[tuple[str, str], ...]
    options: tuple[Option, ...]
    arguments: str


def script(shell: str) -> str:
    """Return the completions for *shell*."""
    from mini_llm.cli import powershell, unix_shells

    writers = {
        "bash": unix_shells.bash,
        "zsh": unix_shells.zsh,
        "fish": unix_shells.fish,
        "pwsh": powershell.pwsh,
    }
    return writers[shell](table())


def table() -> tuple[Page, ...]:
    """Return every command there is. Imports them all."""
    import typer

    from mini_llm.cli import COMMANDS, command

    group = command()
    root = typer.Context(group, info_name="mini-llm")
    return tuple(_pages(group, root, "", COMMANDS))


def _pages(command: Any, ctx: Any, path: str, known: Any = None) -> Iterator[Page]:
    found = {name: command.get_command(ctx, name) for name in command.list_commands(ctx)} if _has_below(command) else {}
    below = tuple((name, (known or {}).get(name) or _short(child)) for name, child in found.items())
    options = tuple(_option(param) for param in command.get_params(ctx) if param.param_type_name == "option")
    arguments = "shells" if path == "completions" else ARGUMENTS.get(path, "")
    yield Page(path, _short(command), below, options, arguments)
    for name, child in found.items():
        yield from _pages(child, ctx, f"{path} {name}".strip())


def _has_below(command: Any) -> bool:
    return hasattr(command, "list_commands")


def _option(param: Any) -> Option:
    names = tuple(sorted((*param.opts, *param.secondary_opts), key=len))
    long = names[-1]
    if param.is_flag or long == "--help":
        value = ""
    elif long in CHOICES:
        value = f"words {CHOICES[long]}"
    else:
        value = KINDS.get(long, "text")
    return Option(names, "Show this help" if long == "--help" else param.help or "", value)


def _short(command: Any) -> str:
    return (command.help or "").partition("\n")[0].rstrip(".")
