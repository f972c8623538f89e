"""How commands are framed: help that reads well in plain text, suggestions, modules loaded when they run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from mini_llm import errors
from mini_llm.cli.flags import global_options
from mini_llm.cli.help import Page

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Command(Page, TyperCommand):
    """One command: takes the global flags too, and prints its examples as written."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params += global_options(hidden=True)


class Group(Page, TyperGroup):
    """A command with commands below it."""

    hides_flags = True

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params += global_options(hidden=self.hides_flags)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in the command that is meant when none is named."""
        first = next((word for word in args if not word.startswith("-")), "")
        asks_help = bool(args) and args[0] in ("-h", "--help")
        if first not in self.commands and not asks_help and (meant := self.meant(args)):
            args = [meant, *args]
        return super().parse_args(ctx, args)

    def meant(self, args: list[str]) -> str:
        """Return the command that is meant when none is named."""
        return "--help" if not args and not self.invoke_without_command else ""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands, each with its first sentence whole."""
        rows = [(name, (command.help or "").partition("\n")[0].rstrip(".")) for name, command in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, or say which name comes near."""
        if args[0] not in self.list_commands(ctx):
            raise unknown(args[0], self.list_commands(ctx), ctx.command_path)
        return super().resolve_command(ctx, args)


class Listing(Group):
    """A group that lists when nothing else is said."""

    def meant(self, args: list[str]) -> str:
        """Return `list`, but not in front of a name."""
        return "list" if not args or args[0].startswith("-") else ""


class Door(Group):
    """The first level. Its table is all it knows: a command's module is imported when that command runs."""

    hides_flags = False
    table: Mapping[str, str] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names, in the table's order."""
        return list(self.table)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, also one that a plugin adds; or say which name comes near."""
        if args[0] not in self.table:
            from mini_llm.cli import added  # a word that is none of ours

            if found := added.command(ctx, args[0]):
                return args[0], found, args[1:]
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one command."""
        module = import_module(f"mini_llm.cli.{cmd_name}")
        return typer.main.get_command(module.app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.table.items()))


def new_app(cls: type[Group] = Group, **settings: Any) -> typer.Typer:
    """Return an empty command with our manners."""
    return typer.Typer(cls=cls, rich_markup_mode=None, add_completion=False, context_settings=SETTINGS, **settings)


def unknown(name: str, names: list[str], path: str) -> errors.UsageError:
    from difflib import get_close_matches  # only on this way out

    near = get_close_matches(name, names, n=2)
    meant = " or ".join(f"`{path} {found}`" for found in near)
    hint = f"did you mean {meant}?" if near else f"`{path} --help` lists them"
    return errors.UsageError(f"no command called {name}", hint=hint)
