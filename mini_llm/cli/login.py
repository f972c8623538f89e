"""`mini-llm login`: sign in to a wallet service."""

from __future__ import annotations

from typing import Annotated

import typer

from mini_llm.cli.flags import flags
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples

app = new_app()


@app.command(
    cls=Command,
    epilog=examples(
        "login                                          # passy.ai",
        "login --url https://ai.example.com             # a team server",
        "pass show mini-llm | mini-llm login --with-token",
        "login --json --no-wait                         # for programs; `login --resume` then waits",
    ),
)
def login(
    ctx: typer.Context,
    url: Annotated[str, typer.Option(metavar="URL", help="Another wallet than passy.ai: a team server")] = "",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser; any device will do")] = False,
    with_token: Annotated[bool, typer.Option("--with-token", help="Read a key from stdin")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Print the code and end; --resume goes on")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Wait for what --no-wait began")] = False,
    qr: Annotated[bool, typer.Option("--qr", help="Show the address as a QR code too")] = False,
    timeout: Annotated[float | None, typer.Option(metavar="SECONDS", help="Wait no longer than this")] = None,
    insecure: Annotated[bool, typer.Option("--insecure-storage", help="Keep the key in a 0600 file")] = False,
    keyring: Annotated[bool, typer.Option("--require-keyring", help="Keep the key in the keyring or fail")] = False,
) -> None:
    """Sign in to a wallet: one key for every model, paid with credits. Needed by nobody who has keys of their own."""
    from mini_llm.cli import signing_in  # asks over the network, which `--help` does not

    known = flags(ctx)
    wanted = signing_in.Wanted(
        url=url,
        no_browser=no_browser,
        with_token=with_token,
        as_json=as_json,
        no_wait=no_wait,
        resume=resume,
        qr=qr,
        timeout=timeout,
        insecure=insecure,
        require_keyring=keyring,
    )
    signing_in.run(known, wanted)
