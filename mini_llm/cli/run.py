"""`mini-llm run`: a tool, or anything, started before the gateway; no file is changed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mini_llm.cli.flags import Flags, flags
from mini_llm.cli.frame import SETTINGS, Command, new_app
from mini_llm.cli.help import examples

if TYPE_CHECKING:
    from mini_llm.gateway.process import Record
    from mini_llm.setup.tool import Place, Tool

TOOL = "run"  # whose token a program gets that is none of the tools
app = new_app()


class Passing(Command):
    """A command whose options end where the tool's name stands: what follows is the tool's own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, and remember whether `--` stands before the program: then it is no tool of ours, whatever its name."""
        given = list(args)
        rest = super().parse_args(ctx, args)
        words = ctx.params.get("words") or []
        ctx.meta["anything"] = len(given) > len(words) and given[len(given) - len(words) - 1] == "--"
        return rest


@app.command(
    cls=Passing,
    context_settings={**SETTINGS, "allow_interspersed_args": False},
    epilog=examples(
        "run claude", 'run --model fast codex exec "Fix the tests"', "run aider --message hi", "run -- python app.py"
    ),
)
def run(
    ctx: typer.Context,
    words: Annotated[list[str], typer.Argument(metavar="TOOL [ARGS]... | -- CMD...", show_default=False)],
    model: Annotated[str, typer.Option("-m", "--model", metavar="MODEL", help="What the tool asks")] = "",
    small_model: Annotated[str, typer.Option(metavar="MODEL", help="What it asks for its lesser tasks")] = "",
) -> None:
    """Start a tool with the gateway in its environment; no file is changed, and the gateway is started if it is not up.

    Tools: claude, codex, opencode, aider, gemini, continue, zed, copilot, llm. Behind `--` anything that reads
    OPENAI_BASE_URL, ANTHROPIC_BASE_URL or GOOGLE_GEMINI_BASE_URL.
    """
    from mini_llm.setup import environment, offer
    from mini_llm.setup.tool import Place

    known = flags(ctx)
    place = Place(known.environ, sys.platform)
    tool = None if ctx.meta["anything"] else _tool(words[0])
    program = _program(tool, words[0], place)
    up(known)
    offered = offer.make(
        known.runtime(), tool.name if tool else TOOL, model=model, small=small_model, asks=tool is not None
    )
    begin = tool.start if tool and tool.start else environment.anything
    told = begin(offered, place)
    become(program, [*told.words, *words[1:]], environment.over(known.environ, told.environ))


def up(known: Flags) -> Record:
    """Return the gateway that runs, started now if none did."""
    from mini_llm.cli.start import detached
    from mini_llm.gateway import process
    from mini_llm.gateway.binding import Options

    record = process.find(known.paths().home)
    if record is None:
        record = detached(known, Options())
        known.say(f"the gateway was started: {record.url} (pid {record.pid}); `mini-llm stop` ends it")
    return record


def become(program: str, words: Sequence[str], environ: Mapping[str, str]) -> None:
    """Run the program in our place: it gets our signals, and its exit code is ours."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    if sys.platform != "win32":
        os.execve(program, [program, *words], environ)  # noqa: S606
    process = subprocess.Popen([program, *words], env=environ)  # noqa: S603  (Windows can't put it in our place)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it as well, and it decides
    raise typer.Exit(process.wait())


def _tool(name: str) -> Tool:
    """Return a tool that can be started. Raises RefusedError, UsageError with what to do instead."""
    from mini_llm.errors import UsageError
    from mini_llm.setup import TOOLS, find
    from mini_llm.setup.tool import RefusedError

    if name not in TOOLS:
        raise UsageError(f"{name[:80]} is none of the tools", hint=f"for any program: mini-llm run -- {name[:80]}")
    tool = find(name)
    if tool.refused:
        raise RefusedError(tool.refused, hint=tool.hint)
    if not tool.programs:
        raise RefusedError(
            f"{tool.title} is a library, not a program", hint="run the program that uses it: mini-llm run -- CMD"
        )
    if tool.start is None:
        raise RefusedError(f"{tool.title} takes nothing from its environment", hint=f"mini-llm setup {name}")
    return tool


def _program(tool: Tool | None, name: str, place: Place) -> str:
    """Return the program to start, by its whole path."""
    from mini_llm.setup import detect
    from mini_llm.setup.tool import RefusedError

    found = detect.program(tool, place) if tool else shutil.which(name, path=place.environ.get("PATH"))
    if found is None:
        raise RefusedError(
            f"{tool.title if tool else name[:80]} is not installed here",
            hint=f"`{'` or `'.join(tool.programs) if tool else name[:80]}` has to be on PATH",
        )
    return str(Path(found).absolute())
