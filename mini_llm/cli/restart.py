"""`mini-llm restart`: end the gateway and start it again."""

from __future__ import annotations

from pathlib import Path

import typer

from mini_llm.cli.flags import flags
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples
from mini_llm.cli.start import check_no_team, detached, tell
from mini_llm.cli.stop import end

app = new_app()


@app.command(cls=Command, epilog=examples("restart"))
def restart(ctx: typer.Context) -> None:
    """End the gateway and start it again, detached, as it was asked to start."""
    from mini_llm.gateway import binding, process

    known = flags(ctx)
    check_no_team(known)
    record = process.need(known.paths().home)
    if not known.config and Path(record.config).is_file():
        known.config = record.config
    binding.check(record.options.over(known.load().config.gateway))  # what is wrong is told while the old one runs
    end(known)
    tell(known, detached(known, record.options), print_token=False, as_json=False)
