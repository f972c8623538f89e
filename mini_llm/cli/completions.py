"""`mini-llm completions`: the completions of a shell, printed or installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from mini_llm.cli import names, output, shells
from mini_llm.cli.flags import flags
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import MiniLLMError, UsageError

app = new_app()


@app.command(
    cls=Command,
    epilog=examples("completions --install", "completions zsh > _mini-llm", "completions fish | source"),
)
def completions(
    ctx: typer.Context,
    shell: Annotated[str, typer.Argument(metavar="[SHELL]", help="bash, zsh, fish or pwsh; yours when left out")] = "",
    install: Annotated[bool, typer.Option("--install", help="Write them where your shell looks")] = False,
) -> None:
    """Print the completions of a shell, or install them; model names come from a cache, without a Python start."""
    known = flags(ctx)
    wanted = _shell(shell, known.environ)
    script = shells.script(wanted)
    if not install:
        output.data(script)
        return
    place = place_for(wanted, known.environ)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(script, encoding="utf-8", newline="\n")
    except OSError as error:
        raise MiniLLMError(f"cannot write {place}: {error.strerror or error}") from error
    names.remember_all(known.runtime())
    known.say(f"installed {place}{_next_step(wanted, place)}")


def place_for(shell: str, environ: Mapping[str, str]) -> Path:
    """Return the file where *shell* looks for our completions."""
    home = Path(environ.get("HOME") or Path.home())
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    if shell == "bash":
        return data / "bash-completion/completions/mini-llm"
    if shell == "zsh":
        return data / "zsh/site-functions/_mini-llm"
    if shell == "fish":
        return config / "fish/completions/mini-llm.fish"
    return (home / "Documents/PowerShell" if sys.platform == "win32" else config / "powershell") / "mini-llm.ps1"


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


def _next_step(shell: str, place: Path) -> str:
    if shell == "zsh":
        return f"; put `fpath=({place.parent} $fpath); autoload -Uz compinit && compinit` into ~/.zshrc"
    if shell == "pwsh":
        return f"; put `. {place}` into your $PROFILE"
    return "; it works in the next shell"
