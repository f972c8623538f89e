"""`mini-llm setup`: write the gateway into a tool's own settings, and take it out again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mini_llm.cli import output
from mini_llm.cli.flags import Flags, flags, interactive
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import MiniLLMError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mini_llm.setup.check import Passed
    from mini_llm.setup.tool import Offer, Place, Tool
    from mini_llm.setup.writing import Edit

WAYS = {"none": "not possible"}  # as people read it
app = new_app()


@app.command(
    cls=Command,
    epilog=examples(
        "setup claude", "setup codex --model fast --yes", "setup zed --dry-run", "setup claude --undo", "setup --list"
    ),
)
def setup(
    ctx: typer.Context,
    tool: Annotated[str, typer.Argument(metavar="[TOOL]", help="claude, codex, opencode ...; none lists them")] = "",
    model: Annotated[str, typer.Option("-m", "--model", metavar="MODEL", help="What the tool asks")] = "",
    small_model: Annotated[str, typer.Option(metavar="MODEL", help="What it asks for its lesser tasks")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Agree to the change without being asked")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the change; write nothing")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take out what was written")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the tools: here, set up, out of date")] = False,
    no_check: Annotated[bool, typer.Option("--no-check", help="Ask the gateway for nothing afterwards")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Tell a tool to use the gateway, in its own settings: you see the change first, and --undo takes it back.

    No secret is written: a tool gets a command that prints its token, or the token's file.
    """
    from mini_llm.setup import find
    from mini_llm.setup.tool import Place

    known = flags(ctx)
    place = Place(known.environ, sys.platform)
    if listing or not tool:
        if undo or dry_run:
            raise UsageError("which tool?", hint="`mini-llm setup --list` shows them")
        _list(known, place, as_json=as_json)
        return
    act = Act(known, place, find(tool), yes=yes, dry_run=dry_run, as_json=as_json)
    if undo:
        act.undo()
    else:
        act.set_up(model, small_model, check=not no_check)


class Act:
    """One tool set up, or that undone, as it was asked for."""

    def __init__(self, known: Flags, place: Place, tool: Tool, *, yes: bool, dry_run: bool, as_json: bool) -> None:
        self.known = known
        self.place = place
        self.tool = tool
        self.home = known.paths().home
        self.yes = yes
        self.dry_run = dry_run
        self.as_json = as_json

    def set_up(self, model: str, small: str, *, check: bool) -> None:
        """Plan, show, ask, write, try."""
        from mini_llm.setup import detect, offer, prepared
        from mini_llm.setup.tool import RefusedError

        tool = self.tool
        if tool.refused:
            raise RefusedError(tool.refused, hint=tool.hint)
        if tool.changes is None:
            self._explain(offer.make(self.known.runtime(), tool.name, model=model, small=small))
            return
        detect.check(tool, self.place)
        if not (self.known.load().config.gateway.port or self.dry_run):
            self._up()  # before it runs, nobody knows its address
        offered = offer.make(self.known.runtime(), tool.name, model=model, small=small)
        plan = prepared.prepare(tool, offered, self.place, self.home)
        if not self._agreed(plan.edits, changes=plan.changes):
            return
        if plan.changes:
            prepared.commit(self.home, plan)
            for edit in plan.edits:
                if edit.changes:
                    self.known.say(f"wrote {edit.file}")
        else:
            self.known.say(f"{tool.title} is set up already: nothing to do")
        passed = self._try(offered) if check else None
        if self.as_json:
            output.json({**self._told(plan.edits, done=plan.changes), "check": passed and passed._asdict()})
        elif plan.changes:
            for step in tool.steps(offered, self.place):
                self.known.say(f"next: {step}")
            self.known.say(f"undo: mini-llm setup {tool.name} --undo")

    def undo(self) -> None:
        """Take back what was written; also without the tool."""
        from mini_llm.setup import prepared

        found = prepared.undoing(self.home, self.tool.name)
        if found is None:
            self.known.say(f"{self.tool.title} was not set up: nothing to undo")
            if self.as_json:
                output.json(self._told((), done=False))
            return
        kept, edits = found
        if not self._agreed(edits, changes=True):
            return
        prepared.undo(self.home, kept, edits)
        for edit in edits:
            if edit.left:
                self.known.say(f"left as you changed it in {edit.file}: {', '.join(edit.left)}")
        if self.as_json:
            output.json(self._told(edits, done=True))
        else:
            self.known.say(f"{self.tool.title} is as it was before")

    def _agreed(self, edits: Sequence[Edit], *, changes: bool) -> bool:
        """Show what would be written; tell whether it may be. Raises UsageError if nobody can be asked."""
        diff = self.known.redact("\n".join(filter(None, (edit.diff() for edit in edits))))
        if self.dry_run:
            if self.as_json:
                output.json(self._told(edits, done=False))
            elif diff:
                output.line(diff)
            else:
                self.known.say("nothing would change")
            return False
        if not changes or self.yes:
            return True
        if not interactive():
            raise UsageError(
                "nobody is here to agree to the change",
                hint=f"`mini-llm setup {self.tool.name} --dry-run` shows it, --yes agrees to it",
            )
        output.talk(diff or "no file of the tool's changes")
        if not typer.confirm("Write this?", default=False, err=True):
            self.known.say("nothing was written")
            raise typer.Exit(1)
        return True

    def _try(self, offered: Offer) -> Passed | None:
        """Ask for one token as the tool will, from a gateway that is started if none runs."""
        from mini_llm.setup import check

        url = self._up()
        if url.startswith("https:"):
            self.known.say("not tried: the gateway encrypts with a certificate of its own")
            return None
        try:
            token = self.tool.credential(offered, self.place)
            passed = check.ask(url, self.tool.route, token, offered.model)
        except MiniLLMError as error:
            error.message = f"{self.tool.title} is set up, but its try-out failed: {error.message}"
            error.hint = f"{error.hint}\n`mini-llm setup {self.tool.name} --undo` takes it back".strip()
            raise
        self.known.say(f"tried: {passed.model} answered in {passed.seconds * 1000:.0f} ms")
        return passed

    def _up(self) -> str:
        """Return the gateway's address; it is started if it does not run."""
        from mini_llm.cli.run import up

        return up(self.known).url

    def _explain(self, offered: Offer) -> None:
        """Tell how a tool is pointed at the gateway whose settings can't be written."""
        tool = self.tool
        if tool.start is not None and tool.programs:
            why = f"{tool.title} takes address and key from its environment only: nothing is written"
            steps = [f"start it with: mini-llm run {tool.name}"]
        elif tool.start is not None:
            why = f"{tool.title} takes address and key from its environment: nothing is written"
            steps = ["one program: mini-llm run -- CMD", 'a whole shell: eval "$(mini-llm env)"']
        else:
            why = f"{tool.title} keeps its key in the open: nothing is written, you enter it"
            steps = list(tool.steps(offered, self.place))
        if self.as_json:
            output.json({"tool": tool.name, "written": False, "why": why, "steps": steps})
            return
        self.known.say(why)
        for step in steps:
            output.line(f"  {step}")

    def _told(self, edits: Sequence[Edit], *, done: bool) -> dict[str, Any]:
        """Return what was, or would be, written as plain JSON values; the keys are stable."""
        files = [
            {"file": str(edit.file), "diff": self.known.redact(edit.diff()), "left": list(edit.left)}
            for edit in edits
            if edit.changes or edit.left
        ]
        return {"tool": self.tool.name, "written": done, "files": files}


def _list(known: Flags, place: Place, *, as_json: bool) -> None:
    from mini_llm.gateway.process import NotRunningError
    from mini_llm.setup import offer, standing

    try:
        url = offer.url(known.runtime())
    except NotRunningError:  # it takes any port, and has none now
        url = ""
    found = standing.every(known.paths().home, place, url)
    if as_json:
        output.json([one.to_dict() for one in found])
        return
    rows = [
        (
            one.tool.name,
            str(one.installed or "-"),
            WAYS.get(one.way, one.way),
            "stale" if one.stale else "yes" if one.configured else "-",
        )
        for one in found
    ]
    output.table(("TOOL", "HERE", "WAY", "SET UP"), rows, color=known.colour())
    known.say_dim("`mini-llm setup TOOL` writes its settings; `mini-llm run TOOL` writes nothing")
    for one in found:
        if one.stale:
            known.say(f"{one.tool.name}: {one.stale}; `mini-llm setup {one.tool.name}` brings it up to date")
