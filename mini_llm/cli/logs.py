"""`mini-llm logs`: what the gateway wrote."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from mini_llm.cli import output
from mini_llm.cli.flags import flags
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import MiniLLMError

LOOK_SECONDS = 0.2
MOST = 1 << 20  # bytes that are looked through for the last lines
app = new_app()


@app.command(cls=Command, epilog=examples("logs", "logs -f", "logs -n 500"))
def logs(
    ctx: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as more is written")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines", min=0)] = 100,
) -> None:
    """Show the gateway's log: a line of JSON for each request, and for what went wrong."""
    from mini_llm.gateway.access_log import NAME

    file = flags(ctx).paths().logs / NAME
    if not file.exists():
        raise MiniLLMError(f"there is no log at {file}", hint="`mini-llm start` writes one")
    for text in _written(file, lines, follow=follow):
        output.data(output.clean(text))


def _written(file: Path, lines: int, *, follow: bool) -> Iterator[str]:
    """Yield the end of *file*, then what is added to it; a new file in its place is read from its start."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        opened.seek(max(0, size - MOST))
        last = opened.read(MOST).splitlines(keepends=True)[-lines:] if lines else []
    yield b"".join(last).decode(errors="replace")
    while follow:
        time.sleep(LOOK_SECONDS)
        now = file.stat().st_size if file.exists() else 0
        if now < size:
            size = 0
        if now > size:
            with file.open("rb") as opened:
                opened.seek(size)
                text = opened.read(now - size)
            size = now
            yield text.decode(errors="replace")
