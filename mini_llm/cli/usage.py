"""`mini-llm usage`: tokens and cost by whatever people ask, and whether every figure is right."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mini_llm.cli import output
from mini_llm.cli.flags import Flags, flags
from mini_llm.cli.frame import Command, Group, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import MiniLLMError, UsageError

if TYPE_CHECKING:
    from mini_llm.cli.period import Period
    from mini_llm.ledger.entries import Findings, Unsettled, UsageRow

TIMES = ("day", "week", "month")
BYS = (*TIMES, "provider", "model", "tool", "key", "member", "credential", "route", "payer", "status")
PAYERS = ("own", "wallet", "local")
STATUSES = ("ok", "failed", "partial", "cancelled", "unknown")
MOST_LISTED = 20
app = new_app(
    Group,
    invoke_without_command=True,
    epilog=examples("usage", "usage --by model --since month", "usage --tool codex --since 7d --json", "usage verify"),
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON")]


class UnsoundError(MiniLLMError):
    """A figure of the ledger is not what it was made from."""


def _only(what: str, *names: str) -> Any:
    return typer.Option(*names, metavar="NAME", help=f"Only {what}")


@app.callback()
def usage(
    ctx: typer.Context,
    by: Annotated[str, typer.Option(metavar="WHAT", help=f"{', '.join(BYS[:-1])} or {BYS[-1]}")] = "day",
    since: Annotated[str, typer.Option(metavar="WHEN", help="A date, 7d, today, week, month, year or all")] = "",
    until: Annotated[str, typer.Option(metavar="WHEN", help="A date, which is counted too")] = "",
    provider: Annotated[str | None, _only("this provider")] = None,
    model: Annotated[str | None, _only("this model", "-m", "--model")] = None,
    tool: Annotated[str | None, _only("this tool")] = None,
    key: Annotated[str | None, _only("this key of the gateway")] = None,
    member: Annotated[str | None, _only("this member of the gateway")] = None,
    credential: Annotated[str | None, _only("this key of a provider")] = None,
    route: Annotated[str | None, _only("this route, in the words of `--by route`")] = None,
    payer: Annotated[str | None, _only("what this one paid: own (your key), wallet, local")] = None,
    status: Annotated[str | None, _only("what ended so: ok, failed, partial, cancelled, unknown")] = None,
    unsettled: Annotated[bool, typer.Option("--unsettled", help="List attempts whose end nobody told")] = False,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with exact figures")] = False,
) -> None:
    """Show tokens and cost, of the last 30 days unless told otherwise."""
    if ctx.invoked_subcommand is not None:
        return
    asked = {"provider": provider, "model": model, "tool": tool, "key": key, "member": member}
    asked |= {"credential": credential, "route": route, "payer": payer, "status": status}
    only = {name: value for name, value in asked.items() if value is not None}
    _check(by, only)
    if as_json and as_csv:
        raise UsageError("--json and --csv are two answers", hint="ask for one of them")
    if unsettled:
        if as_csv or since or until or only:
            raise UsageError("--unsettled lists all there are", hint="leave the other flags but --json out")
        _list_unsettled(flags(ctx), as_json=as_json)
        return
    _tell(flags(ctx), by, _period(flags(ctx), since, until), only, "json" if as_json else "csv" if as_csv else "table")


@app.command(cls=Command, epilog=examples("usage verify", "usage verify --json"))
def verify(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Work out every cost anew from tokens and prices, and every sum from its rows; exit 1 if one is wrong."""
    from mini_llm import pricing

    runtime = flags(ctx).runtime()
    findings = runtime.ledger.verify(pricing.cost_of(runtime.catalogue))
    if as_json:
        output.json(_verdict(findings))
    else:
        _list_findings(flags(ctx), findings)
    if not findings.sound:
        wrong = [
            output.count(len(found), noun)
            for found, noun in ((findings.differences, "cost"), (findings.problems, "sum"))
            if found
        ]
        hint = "`mini-llm usage verify --json` lists all; keep a copy of the ledger, in " + str(
            runtime.loaded.paths.data
        )
        raise UnsoundError(f"the ledger is not sound: {' and '.join(wrong)} differ", hint=hint)


def _check(by: str, only: dict[str, str]) -> None:
    if by not in BYS:
        raise UsageError(f"cannot sum by {by}", hint=f"one of {', '.join(BYS)}")
    for name, known in (("payer", PAYERS), ("status", STATUSES)):
        if only.get(name, known[0]) not in known:
            raise UsageError(f"no {name} is called {only[name]}", hint=f"one of {', '.join(known)}")


def _period(known: Flags, since: str, until: str) -> Period:
    from mini_llm.cli.period import period

    return period(since, until, time.time(), _zone(known))


def _zone(known: Flags) -> Any:
    from mini_llm.ledger.windows import zone_named

    return zone_named(known.runtime().loaded.config.budget_zone)


def _tell(known: Flags, by: Any, period: Period, only: dict[str, str], how: str) -> None:
    """Sum, and show: times in their order, all else with the dearest first."""
    from mini_llm.cli import sums

    found = known.runtime().ledger.usage(by, since=period.since, until=period.until, only=only, zone=_zone(known))
    rows = list(found) if by in TIMES else sorted(found, key=_dearest)
    if how == "json":
        output.json(sums.described(rows, by, period))
    elif how == "csv":
        output.data(sums.comma_separated(rows, by))
    elif rows:
        sums.table(known, rows, by, period)
    if not rows:
        _say_nothing_found(known, only, period)


def _dearest(row: UsageRow) -> tuple[int, int, str]:
    return -row.cost_nanos, -row.input_tokens - row.output_tokens, row.name


def _say_nothing_found(known: Flags, only: dict[str, str], period: Period) -> None:
    if not known.runtime().ledger.totals().attempts:
        known.say('nothing was asked yet; ask, and it is counted here: `mini-llm chat "Hello"`')
        return
    narrowed = " for " + ", ".join(f"{name} {value or '(none)'}" for name, value in only.items()) if only else ""
    look = "look further back: `mini-llm usage --since all`"
    if narrowed and not period.since:
        look = f"see what there is: `mini-llm usage --since all --by {next(iter(only))}`"
    known.say(f"nothing was asked{narrowed} from {period.words}; {look}")


def _list_unsettled(known: Flags, *, as_json: bool) -> None:
    """List what is under way, and what ended unseen: its cost is the best estimate there is."""
    from mini_llm import pricing

    found = known.runtime().ledger.unsettled()
    if as_json:
        output.json([one._asdict() for one in found])
        return
    if not found:
        known.say("nothing is unsettled: of every attempt it is known how it ended")
        return
    zone = _zone(known)
    rows = [
        (_when(one, zone), f"{one.provider}/{one.model}", pricing.dollars(one.nanos), _state(one), one.request_id)
        for one in found
    ]
    output.table(("SENT", "TO", "COST", "STATE", "REQUEST"), rows, color=known.colour(), numbers=("COST",))


def _when(one: Unsettled, zone: Any) -> str:
    from datetime import datetime

    return f"{datetime.fromtimestamp(one.time, zone):%Y-%m-%d %H:%M}"


def _state(one: Unsettled) -> str:
    return "held" if one.open else "estimated"


def _verdict(findings: Findings) -> dict[str, Any]:
    """Return what was found as plain JSON values; the keys are stable."""
    return {
        "sound": findings.sound,
        "rows": findings.rows,
        "recomputed": findings.recomputed,
        "differences": [
            {"request_id": one.request_id, "attempt": one.attempt}
            | {"written_nanos": one.written, "computed_nanos": one.computed}
            for one in findings.differences
        ],
        "problems": list(findings.problems),
    }


def _list_findings(known: Flags, findings: Findings) -> None:
    left = findings.rows - findings.recomputed
    output.fields(
        {
            "rows": f"{findings.rows:,}",
            "worked out anew": f"{findings.recomputed:,}",
            "price not at hand": f"{left:,}" if left else "",
            "wrong costs": f"{len(findings.differences):,}",
            "wrong sums": f"{len(findings.problems):,}",
        },
        color=known.colour(),
    )
    for one in findings.differences[:MOST_LISTED]:
        written, computed = _exact(one.written), _exact(one.computed)
        output.line(f"{one.request_id} attempt {one.attempt}: {written} written, {computed} worked out")
    for problem in findings.problems[:MOST_LISTED]:
        output.line(problem)


def _exact(nanos: int | None) -> str:
    from mini_llm import pricing

    return "unknown" if nanos is None else f"${pricing.decimal(nanos)}"
