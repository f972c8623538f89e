"""`mini-llm logs`: what the gateway wrote."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

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
    """Show the gateway's log: a line for each request, and for what went wrong; lines of JSON in a pipe."""
    from mini_llm.gateway.access_log import NAME

    file = flags(ctx).paths().logs / NAME
    if not file.exists():
        raise MiniLLMError(f"there is no log at {file}", hint="`mini-llm start` writes one")
    for text in _written(file, lines, follow=follow):
        output.data("".join(map(_shown, text.splitlines())) if output.is_terminal(sys.stdout) else output.clean(text))


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


def _shown(line: str) -> str:
    """Return a line of the log for people; one that is none of ours as it is."""
    from json import loads

    try:
        told = loads(line)
        words = _request(told) if told["event"] == "request" else f"{told['level']}: {told['message']}"
        return output.clean(f"{_clock(told['time'])} {words}") + "\n"
    except (ValueError, KeyError, TypeError):
        return output.clean(line) + "\n"


def _request(told: dict[str, Any]) -> str:
    asked = told["model"] or f"{told['method']} {told['path']}"
    target = f" → {told['provider']}/{told['target']}" if told["provider"] else ""
    words = [str(told["status"] or "-"), asked + target, f"{told['seconds']:.2f} s"]
    if told["input_tokens"] is not None:
        words.append(f"{told['input_tokens']} in, {told['output_tokens']} out")
    if told["attempts"] > 1:
        words.append(f"{told['attempts']} attempts")
    return "  ".join([*words, *([told["outcome"]] if told["outcome"] != "ok" else [])])


def _clock(moment: str) -> str:
    """Return a moment's time of day, here."""
    from datetime import datetime

    return datetime.fromisoformat(moment).astimezone().strftime("%H:%M:%S")
