"""`mini-llm explain`: where a request would go, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mini_llm.cli import output
from mini_llm.cli.flags import flags
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples

if TYPE_CHECKING:
    from mini_llm.routing import Decision

app = new_app()


@app.command(cls=Command, epilog=examples("explain smart", "explain gpt-5.5", "explain --json"))
def explain(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="As `chat -m` takes it; else the default")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Show the targets for a model in order, the reason for each place, and what would be skipped."""
    decision = flags(ctx).runtime().decide(model)
    tell(decision, as_json=as_json, color=flags(ctx).colour())


def tell(decision: Decision, *, as_json: bool, color: bool) -> None:
    """Print a decision."""
    if as_json:
        output.json(described(decision))
        return
    from mini_llm import pricing

    rows = [
        (str(place), str(choice.target), choice.reason, pricing.dollars(choice.expected_nanos))
        for place, choice in enumerate(decision.choices, 1)
    ]
    rows += [("-", str(target), f"skipped: {reason}", "") for target, reason in decision.skipped]
    output.table(("", "TARGET", "WHY", "EXPECTED PRICE"), rows, color=color)


def described(decision: Decision) -> dict[str, Any]:
    """Return a decision as plain JSON values; the keys are stable."""
    return {
        "asked": decision.asked,
        "route": decision.route,
        "strategy": decision.strategy,
        "line": decision.line(),
        "max_attempts": decision.max_attempts,
        "targets": [
            {
                "target": str(choice.target),
                "provider": choice.target.provider,
                "model": choice.target.model,
                "reason": choice.reason,
                "expected_cost_nanos": choice.expected_nanos,
            }
            for choice in decision.choices
        ],
        "skipped": [{"target": str(target), "reason": reason} for target, reason in decision.skipped],
    }
