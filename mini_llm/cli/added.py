"""The command that a plugin adds, under the plugin's name. What follows the name is the plugin's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import typer

from mini_llm import errors
from mini_llm.cli.flags import flags
from mini_llm.cli.frame import Command, new_app


class Passing(Command):
    """A command that reads none of its arguments."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep them as they were typed."""
        ctx.args = list(args)
        return []


def command(ctx: typer.Context, name: str) -> Any:
    """Return the command of the plugin *name*; None if the user's config names no such. Raises PluginError."""
    if name.startswith("-") or name not in flags(ctx).load().config.plugins:
        return None
    from mini_llm import plugins

    run = plugins.command(name)
    if run is None:
        raise plugins.PluginError(f"plugin {name} adds no command", hint="`mini-llm --help` lists what there is")
    app = new_app()
    app.command(name, cls=Passing)(_calling(name, run))
    return typer.main.get_command(app)


def _calling(name: str, run: Callable[[Sequence[str]], int | None]) -> Callable[[typer.Context], None]:
    """Return what calls *run*, so that whatever it does ends as commands end."""

    def call(ctx: typer.Context) -> None:
        try:
            code = run(ctx.args)
        except SystemExit as error:  # as argparse ends
            code = error.code if error.code is None or isinstance(error.code, int) else _said(error.code)
        except (OSError, errors.MiniLLMError, typer.Exit, typer.Abort):
            raise
        except Exception as error:
            from mini_llm.plugins import told

            raise errors.MiniLLMError(
                f"plugin {name} failed: {told(error)}", hint="tell who made it; `--verbose` in front of it shows where"
            ) from error
        raise typer.Exit(code if isinstance(code, int) else 0)

    return call


def _said(message: object) -> int:
    """Do as Python does with `sys.exit("…")`."""
    from mini_llm.cli import output

    output.talk(str(message))
    return 1
