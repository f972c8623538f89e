"""`mini-llm auth`: the tokens with which programs of this machine ask the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mini_llm.cli import output
from mini_llm.cli.flags import flags
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples
from mini_llm.gateway.tokens import Tokens

app = new_app(epilog=examples("auth token", "auth token --for claude"))


@app.callback()
def auth() -> None:
    """Show the tokens with which programs of this machine ask the gateway; switch between wallet logins."""


@app.command(cls=Command, epilog=examples("auth token", "auth token --for claude"))
def token(
    ctx: typer.Context,
    tool: Annotated[str, typer.Option("--for", metavar="TOOL", help="The token of one tool, made if it has none")] = "",
    home: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Print the gateway's token, or that of one tool: what it asks is then told apart in `mini-llm status`."""
    tokens = Tokens(Path(home) if home else flags(ctx).paths().home)
    output.line(tokens.create(tool) if tool else tokens.main())


@app.command(cls=Command, epilog=examples("auth switch b@example.com", "auth switch ai.example.com"))
def switch(
    ctx: typer.Context,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its e-mail, its id, or its service")],
) -> None:
    """Use another of the wallet logins that are kept here; `mini-llm status` lists them."""
    from mini_llm.wallet import joining  # what asks a wallet; programs that want a token wait
    from mini_llm.wallet.addresses import label_of
    from mini_llm.wallet.logins import Logins, named

    known = flags(ctx)
    loaded = known.load()
    login = named(Logins(loaded.paths.home).all(), account)
    joining.activate(loaded, login)
    known.say(f"{login.label} at {label_of(login.issuer)} is the wallet now")
