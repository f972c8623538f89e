"""`mini-llm stop`: end the gateway of this home."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mini_llm.cli.flags import Flags, flags
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import MiniLLMError

if TYPE_CHECKING:
    from mini_llm.gateway.process import Record

PATIENCE = 40.0  # a little more than the gateway gives its streams
HURRY = 10.0
app = new_app()


@app.command(cls=Command, epilog=examples("stop", "stop --now"))
def stop(
    ctx: typer.Context,
    now: Annotated[bool, typer.Option("--now", help="Give streams 2 s to end, not 30")] = False,
) -> None:
    """End the gateway, wherever it was started; streams that run have 30 s."""
    record = end(flags(ctx), now=now)
    flags(ctx).say(f"the gateway has ended (pid {record.pid})")


def end(known: Flags, *, now: bool = False) -> Record:
    """End the gateway that runs, and return what it was. Raises NotRunningError."""
    from mini_llm.gateway import process

    home = known.paths().home
    record = process.need(home)
    process.stop(home, record)
    if now and not process.wait_until_gone(record, 0.2):
        process.stop(home, record)
    if not process.wait_until_gone(record, HURRY if now else PATIENCE):
        raise MiniLLMError(f"the gateway does not end (pid {record.pid})", hint=f"kill -9 {record.pid}")
    return record
