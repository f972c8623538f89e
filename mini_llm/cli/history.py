"""`mini-llm history`: the conversations kept on this machine, if that is turned on."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Annotated

import typer

from mini_llm.cli import conversations, output
from mini_llm.cli.flags import Flags, flags, interactive
from mini_llm.cli.frame import Command, Listing, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import UsageError

if TYPE_CHECKING:
    from mini_llm.history import Conversation, Hit, Kept

app = new_app(
    Listing,
    epilog=examples("history", 'history search "blue sky"', "history show k7f", "history replay k7f -m openai/gpt-5.5"),
)
BESIDE = 57  # columns of the list beside what a conversation is about
FOUND = re.compile("\x02([^\x03]*)\x03")
BOLD = "\x1b[1m"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Of a conversation or a request; its first letters will do")]


@app.callback()
def root() -> None:
    """Show, search and delete conversations. Nothing is kept until `mini-llm config set history true`."""


@app.command("list", cls=Command, epilog=examples("history list", "history list --limit 100 --json"))
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the conversations, the latest first."""
    with conversations.opened(flags(ctx)) as store:
        found = store.conversations(limit)
    if as_json:
        output.json([conversations.described(one) for one in found])
    elif found:
        _table(flags(ctx), found)
    else:
        flags(ctx).say("nothing is kept yet")


@app.command(cls=Command, epilog=examples("history show k7f", "history show ml-0192f --json", "history show k7f >a.md"))
def show(
    ctx: typer.Context,
    name: Id,
    raw: Annotated[bool, typer.Option("--raw", help="Leave Markdown as it is")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a conversation, or one turn of it."""
    with conversations.opened(flags(ctx)) as store:
        conversation, turn = store.find(name)
        turns = [one for one in store.turns(conversation) if turn in ("", one.request_id)]
        (found,) = store.conversations(only=conversation)
    if as_json:
        told = [conversations.described_turn(one, first=place == 0) for place, one in enumerate(turns)]
        output.json({**conversations.described(found), "messages": told})
        return
    from mini_llm.cli.transcript import Transcript

    pretty = output.is_terminal(sys.stdout) and not raw
    transcript = Transcript(color=flags(ctx).colour(), pretty=pretty)
    for place, one in enumerate(turns):
        transcript.turn(one, first=place == 0)


@app.command(cls=Command, epilog=examples("history search fox", "history search '\"blue sky\" color*' --json"))
def search(
    ctx: typer.Context,
    text: Annotated[list[str], typer.Argument(metavar="TEXT", help='Words; "in quotes" together, wor* a beginning')],
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many")] = 20,
    as_json: AsJson = False,
) -> None:
    """Find where something was said; the best first."""
    with conversations.opened(flags(ctx)) as store:
        hits = store.search(" ".join(text), limit)
    if as_json:
        output.json([conversations.described_hit(hit) for hit in hits])
    elif hits:
        _hits(flags(ctx), hits)
    else:
        flags(ctx).say("nothing found")


@app.command(
    cls=Command, epilog=examples("history delete k7f", "history delete --before 2026-06-01", "history delete --all")
)
def delete(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Conversations, or single turns")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them")] = False,
    before: Annotated[
        str, typer.Option(metavar="DATE", help="Those silent since then: 2026-06-01, 30d, week, month, year")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete conversations for good."""
    if bool(names) + every + bool(before) != 1:
        raise UsageError("which conversations?", hint="name their ids, or say `--before DATE` or `--all`")
    known = flags(ctx)
    with conversations.opened(known) as store:
        if names:
            gone = sum(store.delete(*one) for one in [store.find(name) for name in names])
        else:
            instant = _instant(known, before) if before else float("inf")
            doomed = sum(one.updated < instant for one in store.conversations())
            if doomed and not yes:
                _confirm(output.count(doomed, "conversation"))
            gone = store.delete_before(instant)
    if as_json:
        output.json({"deleted": gone})
    else:
        known.say(f"deleted {output.count(gone, 'conversation')}" if not names else f"deleted {', '.join(names)}")


@app.command(cls=Command, epilog=examples("history replay k7f -m openai/gpt-5.5", "history replay ml-0192f --json"))
def replay(
    ctx: typer.Context,
    name: Id,
    model: Annotated[
        str, typer.Option("-m", "--model", metavar="MODEL", help="Ask this one; without it the same")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole answer with usage, cost and route")] = False,
) -> None:
    """Ask the last turn, or the one of that id, once more."""
    from mini_llm.cli import answer

    known = flags(ctx)
    turn = _turn(known, name)
    if conversations.NOT_KEPT in str(turn.messages):
        known.say("note: files are not kept; the model is told their names alone")
    options = {**conversations.options_of(turn), **({"model": model} if model else {}), "caller": "history"}
    screen = answer.Screen.open(known, as_json=as_json, raw=False, render=False, reasoning=False)
    answer.run(known.runtime(), answer.Question(turn.messages, options), screen, stream=not as_json)


def _turn(known: Flags, name: str) -> Kept:
    with conversations.opened(known) as store:
        conversation, turn = store.find(name)
        turns = store.turns(conversation)
    return next((one for one in turns if one.request_id == turn), turns[-1])


def _table(known: Flags, found: list[Conversation]) -> None:
    room = max(20, shutil.get_terminal_size().columns - BESIDE)
    terminal = output.is_terminal(sys.stdout)
    columns = ("ID", "WHEN", "TOOL", "TURNS", "COST", "ABOUT")
    rows = [
        (
            *(one.id, conversations.moment(one.updated), one.tool, f"{one.turns:,}"),
            _cost(one),
            one.title if not terminal or len(one.title) <= room else f"{one.title[: room - 1]}…",
        )
        for one in found
    ]
    output.table(columns, rows, color=known.colour(), numbers=("TURNS", "COST"))


def _cost(one: Conversation) -> str:
    from mini_llm import pricing

    if one.unpriced and not one.cost_nanos:
        return "unknown"
    return f"{pricing.dollars(one.cost_nanos)}{'+' if one.unpriced else ''}"


def _hits(known: Flags, hits: list[Hit]) -> None:
    color = known.colour()
    if not output.is_terminal(sys.stdout):
        rows = [(hit.conversation, hit.request_id, conversations.instant(hit.time), hit.role, hit.text) for hit in hits]
        output.table((), rows)
        return
    width = shutil.get_terminal_size().columns
    for hit in hits:
        head = output.clean(f"{hit.conversation}  {conversations.moment(hit.time)}  {hit.role}  {hit.title}")
        head = head if len(head) <= width else f"{head[: width - 1]}…"
        output.line(f"{output.CYAN}{head}{output.RESET}" if color else head)
        text = textwrap.fill(hit.text, width, initial_indent="  ", subsequent_indent="  ")
        pieces = [output.clean(piece) for piece in FOUND.split(text)]
        pieces[1::2] = [f"{BOLD}{piece}{output.RESET}" if color else piece for piece in pieces[1::2]]
        output.line(f"{''.join(pieces)}\n")


def _instant(known: Flags, word: str) -> float:
    from mini_llm.cli.period import begins
    from mini_llm.ledger.windows import zone_named

    return begins("--before", word, time.time(), zone_named(known.load().config.budget_zone))


def _confirm(what: str) -> None:
    if not interactive():
        raise UsageError(f"will not delete {what} unasked", hint="say so with `--yes`")
    typer.confirm(f"Really delete {what}?", abort=True, err=True)
