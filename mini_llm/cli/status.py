"""`mini-llm status`: one screen that says what works and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mini_llm.cli import output, running, wallet_standing
from mini_llm.cli.flags import flags
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import LedgerError, MiniLLMError, NoProviderError
from mini_llm.gateway import described

if TYPE_CHECKING:
    from pathlib import Path

    from mini_llm.runtime import Runtime

MEND_NOTHING = "mini-llm login, or bring a key of your own: export OPENAI_API_KEY=sk-..."
app = new_app()


class Unwell(MiniLLMError):
    """Something that the user set up does not work."""

    exit_code = 1


@app.command(cls=Command, epilog=examples("status", "status --json"))
def status(ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False) -> None:
    """Show providers, default model, usage and config on one screen; exit 1 if anything is wrong."""
    found = survey(flags(ctx).runtime())
    if as_json:
        output.json(found)
    else:
        output.fields(_screen(found), color=flags(ctx).colour())
    problems = found["problems"]
    if problems:
        what = "; ".join(problem["what"] for problem in problems)
        raise Unwell(what, hint="\n".join(problem["mend"] for problem in problems if problem["mend"]))


def survey(runtime: Runtime) -> dict[str, Any]:
    """Return all that is known, as plain JSON values; the keys are stable."""
    from mini_llm._version import __version__

    providers = [described.provider(runtime, name) for name in described.names(runtime)]
    problems = [{"what": row["health"], "mend": row["mend"]} for row in providers if not row["usable"]]
    default = _default(runtime, problems)
    return {
        "version": __version__,
        "wallet": wallet_standing.standing(runtime, problems),
        "gateway": _gateway(runtime.loaded.paths.home, problems),
        "default": default,
        "providers": providers,
        "today": _today(runtime, problems),
        "budgets": _budgets(runtime, problems),
        "config": str(runtime.loaded.paths.config),
        "catalogue": runtime.catalogue.snapshot,
        "problems": problems,
    }


def _gateway(home: Path, problems: list[dict[str, str]]) -> dict[str, Any] | None:
    """Return what the gateway that runs says of itself, None if none runs."""
    record = running.found(home)
    if record is None:
        return None
    told: dict[str, Any] = {"address": record.url, "pid": record.pid, "since": record.started, "answers": False}
    try:
        told |= {**running.described(home, record), "answers": True}
    except MiniLLMError as error:
        what = f"the gateway at {record.url} (pid {record.pid}) does not answer: {error.message}"
        problems.append({"what": what, "mend": "mini-llm restart"})
        return told
    problems += _troubles(told)
    return told


def _troubles(gateway: dict[str, Any]) -> list[dict[str, str]]:
    """Return what does not work in a gateway that answers."""
    found = [
        {"what": f"the gateway's config is not the one in use: {problem['what']}", "mend": "mini-llm config check"}
        for problem in gateway["config"]["problems"][:1]
    ]
    for part in ("ledger", "log"):
        if trouble := gateway[part]["trouble"]:
            found.append({"what": f"the gateway's {part} can't be written: {trouble}", "mend": ""})
    return found


def _default(runtime: Runtime, problems: list[dict[str, str]]) -> dict[str, Any]:
    """Return where a request with no model would go now."""
    name = runtime.loaded.config.default
    try:
        decision = runtime.decide()
    except NoProviderError:
        problems.append({"what": "nothing is set up that could answer", "mend": MEND_NOTHING})
        return {"model": name, "targets": []}
    except MiniLLMError as error:
        if all(problem["what"] != error.message for problem in problems):
            problems.append({"what": error.message, "mend": error.hint})
        return {"model": name, "targets": []}
    return {"model": name, "targets": [str(choice.target) for choice in decision.choices]}


def _today(runtime: Runtime, problems: list[dict[str, str]]) -> dict[str, Any]:
    from datetime import datetime, time

    midnight = datetime.combine(datetime.now().astimezone().date(), time()).astimezone()
    try:
        totals = runtime.ledger.totals(midnight.timestamp())
    except Exception as error:  # whatever the database says
        problems.append({"what": f"the ledger cannot be read: {error}", "mend": ""})
        return {}
    return {
        "requests": totals.requests,
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "cost_nanos": totals.cost_nanos,
        "unpriced": totals.unpriced,
    }


def _budgets(runtime: Runtime, problems: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return how each budget stands; one that is spent stops what it binds."""
    if not runtime.loaded.config.limits:
        return []
    from mini_llm.cli import standings
    from mini_llm.ledger.budgets import raising

    try:
        found = runtime.budgets.standings()
    except LedgerError:  # told already, of today's usage
        return []
    for one in found:
        if one.limit.hard and not standings.left(one):
            problems.append(
                {
                    "what": f"{standings.named(one.limit.scope, one.limit.period)} is spent",
                    "mend": raising(one.limit),
                }
            )
    return [standings.described(one) for one in found]


def _screen(found: dict[str, Any]) -> dict[str, Any]:
    """Return the survey as lines for people."""
    default = found["default"]
    targets = " → ".join(default["targets"]) or "nothing that works"
    lines: dict[str, Any] = {
        "wallet": wallet_standing.lines(found["wallet"]),
        "gateway": _running(found["gateway"]),
        "targets": _targets(found["gateway"]),
        "default": f"{default['model']}: {targets}" if default["model"] not in ("", targets) else targets,
    }
    width = max((len(row["name"]) for row in found["providers"]), default=0)
    rows = [f"{row['name']:<{width}}  {_key(row)}" for row in found["providers"]]
    lines["providers"] = "\n".join(rows) or "none"
    lines["today"] = _spent(found["today"])
    lines["budgets"] = "\n".join(map(_stands, found["budgets"]))
    return {**lines, "config": found["config"], "prices": f"of {found['catalogue']}"}


def _key(provider: dict[str, Any]) -> str:
    """Return where a provider's key is, or what is wrong with it."""
    if not provider["usable"]:
        return str(provider["health"])
    return "no key needed" if provider["key"] == described.NO_KEY else f"key from {provider['key']}"


def _running(gateway: dict[str, Any] | None) -> str:
    """Return where the gateway is, since when, and what it has to do."""
    if gateway is None:
        return "not running; `mini-llm start` starts it"
    from time import localtime, strftime

    since = strftime("%Y-%m-%d %H:%M", localtime(gateway["since"]))
    line = f"{gateway['address']}, since {since}, pid {gateway['pid']}"
    if not gateway["answers"]:
        return f"{line}; it does not answer"
    workers = f", {gateway['workers']} workers" if gateway["workers"] > 1 else ""
    hour = gateway["requests"]["last_hour"]
    asked = f"{'?' if hour is None else format(hour, ',')} requests in the last hour"
    return f"{line}{workers}\n{asked}, {gateway['requests']['live']} under way"


def _targets(gateway: dict[str, Any] | None) -> str:
    """Return how each target fares, one a line."""
    targets = (gateway or {}).get("targets", [])
    width = max((len(_named(one)) for one in targets), default=0)
    return "\n".join(f"{_named(one):<{width}}  {_fares(one)}" for one in targets)


def _named(target: dict[str, Any]) -> str:
    return f"{target['target']} {target['credential']}".rstrip()


def _fares(target: dict[str, Any]) -> str:
    if target["trouble"]:
        return str(target["trouble"])
    if target["state"] != "closed":
        return str(target["state"])
    return "not asked yet" if target["latency"] is None else f"ok, first content after {target['latency']:.2f} s"


def _stands(budget: dict[str, Any]) -> str:
    """Return what is left of a budget."""
    from mini_llm import pricing
    from mini_llm.cli.standings import whose

    used = pricing.dollars(budget["spent_nanos"] + budget["held_nanos"])
    left, limit = pricing.dollars(budget["left_nanos"]), pricing.dollars(budget["limit_nanos"])
    warns = "" if budget["hard"] else "; only warns"
    return f"{budget['period']}{whose(budget['scope'])}: {used} of {limit}, {left} left{warns}"


def _spent(today: dict[str, Any]) -> str:
    from mini_llm import pricing

    if not today:
        return "unknown"
    if not today["requests"]:
        return "nothing asked yet"
    cost = pricing.dollars(today["cost_nanos"])
    more = f" and {today['unpriced']} without a known price" if today["unpriced"] else ""
    calls = "1 request" if today["requests"] == 1 else f"{today['requests']:,} requests"
    return f"{calls}, {today['input_tokens']:,} in, {today['output_tokens']:,} out, {cost}{more}"
