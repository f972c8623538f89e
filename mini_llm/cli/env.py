"""`mini-llm env`: the gateway as lines for a shell."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated

import typer

from mini_llm.cli import output
from mini_llm.cli.flags import Flags, flags
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import UsageError

TOOL = "env"  # whose token is in it
app = new_app()


@app.command(
    cls=Command,
    epilog=examples('eval "$(mini-llm env)"', "env --shell fish | source", "env --shell pwsh | Out-String | iex"),
)
def env(
    ctx: typer.Context,
    shell: Annotated[
        str, typer.Option(metavar="SHELL", help="bash, zsh, fish or pwsh; yours when left out", show_default=False)
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; null is what has to go")] = False,
) -> None:
    """Print the lines that point OpenAI's, Anthropic's and Google's SDKs at the gateway; they hold its token."""
    from mini_llm.gateway import process  # with the sockets, as all below it
    from mini_llm.setup import environment, offer

    known = flags(ctx)
    wanted = _shell(shell, known)
    told = environment.whole(offer.make(known.runtime(), TOOL, asks=False))
    if as_json:
        output.json(told)
    else:
        output.data(environment.lines(told, wanted))
    if process.find(known.paths().home) is None:
        known.say("note: the gateway is not running; start it: mini-llm start --detach")


def _shell(told: str, known: Flags) -> str:
    from mini_llm.setup.environment import SHELLS

    usual = "pwsh" if "SHELL" not in known.environ and "PSModulePath" in known.environ else "bash"
    name = told or PurePath(known.environ.get("SHELL", usual)).name.removesuffix(".exe")
    name = {"powershell": "pwsh", "sh": "bash", "dash": "bash", "ksh": "bash"}.get(name, name)
    if name not in SHELLS:
        raise UsageError(f"lines for {name} are not known", hint=f"--shell with one of {', '.join(SHELLS)}")
    return name
