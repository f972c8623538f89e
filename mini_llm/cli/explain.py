"""`mini-llm explain`: where a request would go, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mini_llm.cli import output
from mini_llm.cli.flags import flags
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples
from mini_llm.gateway import described

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
        output.json(described.decision(decision))
        return
    from mini_llm import pricing

    rows = [
        (str(place), str(choice.target), choice.reason, pricing.dollars(choice.expected_nanos))
        for place, choice in enumerate(decision.choices, 1)
    ]
    rows += [("-", str(target), f"skipped: {reason}", "") for target, reason in decision.skipped]
    output.table(("", "TARGET", "WHY", "EXPECTED PRICE"), rows, color=color)
