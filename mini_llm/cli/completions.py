"""`mini-llm completions`: the completions of a shell, printed or installed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mini_llm.cli import names, output, shells
from mini_llm.cli.flags import Flags, flags
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import UsageError

if TYPE_CHECKING:
    from mini_llm.cli.shell_files import Place

app = new_app()


@app.command(
    cls=Command,
    epilog=examples("completions --install", "completions zsh --uninstall", "completions fish | source"),
)
def completions(
    ctx: typer.Context,
    shell: Annotated[str, typer.Argument(metavar="[SHELL]", help="bash, zsh, fish or pwsh; yours when left out")] = "",
    install: Annotated[bool, typer.Option("--install", help="Write them where your shell looks")] = False,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Take them out again")] = False,
) -> None:
    """Print the completions of a shell, or install them; model names come from a cache, without a Python start."""
    if install and uninstall:
        raise UsageError("--install and --uninstall exclude each other")
    known = flags(ctx)
    wanted = _shell(shell, known.environ)
    if not (install or uninstall):
        output.data(shells.script(wanted))
        return
    from mini_llm.cli import shell_files

    place = shell_files.place_of(wanted, known.environ)
    if uninstall:
        changed = shell_files.uninstall(place)
        known.say(
            "\n".join(f"took ours out of {file}" for file in changed) or f"nothing of ours was there for {wanted}"
        )
        return
    _say(known, wanted, shell_files.install(place, shells.script(wanted)), place)
    names.remember_all(known.runtime())


def _say(known: Flags, shell: str, changed: list[Path], place: Place) -> None:
    for file in changed:
        known.say(f"wrote {file}" if file == place.script else f"added a marked block to {file}")
    if changed:
        known.say(f"it works in the next {shell}; undo: mini-llm completions {shell} --uninstall")
    else:
        known.say(f"{place.script} is of this version already")


def guessed(environ: Mapping[str, str]) -> str:
    """Return the name of the user's shell, "" if nothing tells it."""
    name = Path(environ.get("SHELL", "")).name or ("pwsh" if os.name == "nt" else "")
    return name.removesuffix(".exe")


def _shell(told: str, environ: Mapping[str, str]) -> str:
    name = told or guessed(environ)
    name = {"powershell": "pwsh"}.get(name.removesuffix(".exe"), name)
    if name in shells.FILES:
        return name
    what = f"there are no completions for {name}" if name else "which shell is yours is not known"
    raise UsageError(what, hint=f"name one: {', '.join(shells.FILES)}")
