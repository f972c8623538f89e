"""`mini-llm doctor`: test each link between a prompt and its answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from mini_llm.cli import output
from mini_llm.cli.flags import Flags, flags
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import ConfigError, MiniLLMError, UsageError

if TYPE_CHECKING:
    from mini_llm.doctor import Check, Finding
    from mini_llm.runtime import Runtime

app = new_app()
COLOURS = {"ok": "\x1b[32m", "warning": "\x1b[33m", "problem": "\x1b[31m"}
CLEAR = "\r\x1b[K"
WIDEST = 79


class Sick(MiniLLMError):
    """At least one check found a problem; each is told with what mends it."""

    exit_code = 1


@app.command(cls=Command, epilog=examples("doctor", "doctor --offline", "doctor --report | pbcopy"))
def doctor(
    ctx: typer.Context,
    offline: Annotated[bool, typer.Option("--offline", help="Leave out what needs the network")] = False,
    report: Annotated[bool, typer.Option("--report", help="Text for an issue: no key, no private host")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Test config, keyring, providers, clock, proxy, gateway, ledger and tools; exit 1 at a problem. Costs nothing."""
    from mini_llm.doctor import examine

    if report and as_json:
        raise UsageError("--report and --json exclude each other")
    known = flags(ctx)
    progress = Progress(known)
    known.quiet = True  # what the settings have to say is among the findings
    runtime, failed = _opened(known)
    found = [*failed, *examine(checks(known, runtime, offline=offline), progress.ended)]
    progress.clear()
    found = [one._replace(what=known.redact(one.what), mend=known.redact(one.mend)) for one in found]
    if report:
        output.data(_report(known, runtime, found))
    elif as_json:
        output.json([one.to_dict() for one in found])
    else:
        _show(known, found)
    if ill := sum(one.state == "problem" for one in found):
        what = f"{ill} of {len(found)} lines tell of a problem" if ill > 1 else "there is a problem"
        raise Sick(what, hint="" if report else "`mini-llm doctor --report` writes this without secrets, for an issue")


def checks(known: Flags, runtime: Runtime | None, *, offline: bool) -> list[Check]:
    """Return all that can be looked at; without a config that can be read that is little."""
    from mini_llm.doctor import Check, machine

    outside = [Check("proxy", partial(machine.surroundings, known.environ))]
    machines = [Check("mini-llm", machine.python), Check("sqlite", machine.sqlite)]
    shell = [Check("completions", partial(_completions, known))]
    if runtime is None:
        return [*machines, *outside, *shell]
    from mini_llm.doctor import links, port

    paths, loaded = runtime.loaded.paths, runtime.loaded
    asked = [Check("providers", partial(links.look, runtime), seconds=30)]
    if loaded.config.wallet:
        asked = [Check("wallet", partial(_wallet, runtime), seconds=15), *asked]
    return [
        *machines,
        Check("config", partial(machine.config, paths, loaded)),
        Check("keyring", partial(machine.keyring, runtime.credentials, loaded), seconds=12),
        *([] if offline else asked),
        *outside,
        Check("gateway", partial(port.look, loaded)),
        Check("ledger", partial(machine.ledger, runtime), seconds=60),
        *shell,
        Check("tools", partial(machine.tools, runtime)),
    ]


def _opened(known: Flags) -> tuple[Runtime | None, list[Finding]]:
    """Open what the config says; a config that can't be read is the first finding."""
    from mini_llm.doctor import Finding

    try:
        runtime = known.runtime()
    except ConfigError as error:
        mend = "mini-llm config edit"
        return None, [Finding("config", "problem", what, mend) for what in error.problems or (error.message,)]
    for shared in ("credentials", "registry", "transport"):  # the checks share them: made once, before these begin
        getattr(runtime, shared)
    return runtime, []


def _completions(known: Flags) -> Iterator[Finding]:
    """Are the completions of the user's shell there, and of this version."""
    from mini_llm.cli import completions, shell_files, shells
    from mini_llm.doctor import Finding

    shell = completions.guessed(known.environ)
    if shell not in shells.FILES:
        yield Finding("completions", "ok", "your shell is not one that there are completions for")
        return
    place = shell_files.place_of(shell, known.environ).script
    mend = f"mini-llm completions {shell} --install"
    try:
        kept = place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        yield Finding("completions", "warning", f"not installed for {shell}", mend)
        return
    if kept == shells.script(shell):
        yield Finding("completions", "ok", f"installed for {shell}: {place}")
    else:
        yield Finding("completions", "warning", f"those of {shell} are of another version", mend)


def _wallet(runtime: Runtime) -> Iterator[Finding]:
    """How the wallet stands, as `status` tells it."""
    from mini_llm.cli import wallet_standing
    from mini_llm.doctor import Finding

    problems: list[dict[str, str]] = []
    told = wallet_standing.standing(runtime, problems)
    if told is not None:
        for problem in problems:
            yield Finding("wallet", "problem", problem["what"], problem["mend"])
        if not problems:
            service = told.get("service") or told["endpoint"] or told["type"]
            signed = "connected" if told["connected"] else "not signed in"
            yield Finding("wallet", "ok" if told["connected"] else "warning", f"{service}: {signed}", "")


class Progress:
    """One line on stderr, written over and over, that tells what has been looked at."""

    def __init__(self, known: Flags) -> None:
        self._shown = output.is_terminal(sys.stderr) and not known.quiet and known.environ.get("TERM") != "dumb"
        self._names: list[str] = []

    def ended(self, name: str) -> None:
        """Tell that one more is done."""
        self._names.append(name)
        self._write(f"{CLEAR}looking: {', '.join(self._names)} done"[:WIDEST])

    def clear(self) -> None:
        """Make room for the findings."""
        self._write(CLEAR)

    def _write(self, text: str) -> None:
        if self._shown:
            sys.stderr.write(text)
            sys.stderr.flush()


def _show(known: Flags, found: Sequence[Finding]) -> None:
    """Write one line a finding, and below it what mends it; tab-separated in a pipe."""
    if not output.is_terminal(sys.stdout):
        output.table((), [(one.state, one.name, one.what, one.mend) for one in found])
        return
    from shutil import get_terminal_size
    from textwrap import wrap

    colour, width = known.colour(), max(map(len, (one.name for one in found)))
    room = max(40, get_terminal_size().columns - width - 12)
    for one in found:
        state = f"{COLOURS[one.state]}{one.state:<7}{output.RESET}" if colour else f"{one.state:<7}"
        first, *rest = wrap(output.clean(one.what), room, break_on_hyphens=False) or [""]
        output.line(f"{state}  {one.name:<{width}}  {first}")
        rest += [f"→ {output.clean(line)}" for line in one.mend.split("\n") if line.strip()]
        for line in rest:
            output.line(f"{'':<{width + 11}}{line}")


def _report(known: Flags, runtime: Runtime | None, found: Sequence[Finding]) -> str:
    from mini_llm.config import Config
    from mini_llm.doctor import report

    config = runtime.loaded.config if runtime else Config()
    return report.write(found, report.disguise(config, known.environ, report.public_hosts()).hide)
