"""What every command shares: the flags that work everywhere, help that reads well in plain text, lazy loading."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from mini_llm import errors
from mini_llm.cli import output
from mini_llm.cli.help import Page, examples

if TYPE_CHECKING:
    from mini_llm.config import Loaded, Paths
    from mini_llm.credentials import Credentials
    from mini_llm.runtime import Runtime

__all__ = ["Command", "Flags", "Group", "Listing", "examples", "flags", "interactive", "new_app"]

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Flags:
    """The flags that work with every command, and what was opened with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.config = ""
        self.profile = ""
        self.quiet = False
        self.verbose = False
        self.no_color = False
        self.loaded: Loaded | None = None
        self.opened: Runtime | None = None
        self._credentials: Credentials | None = None

    def paths(self) -> Paths:
        """Return where this machine keeps our files."""
        from mini_llm.config import Paths  # needs pathlib only, but `--help` needs nothing

        return Paths.find(self.environ, config=Path(self.config) if self.config else None, profile=self.profile)

    def load(self) -> Loaded:
        """Read the settings; what they have to say goes to stderr."""
        from mini_llm.config import load

        if self.loaded is None:
            self._check_named()
            self.loaded = load(self.paths(), environ=self.environ, cwd=Path.cwd())
            self._tell(self.loaded)
        return self.loaded

    def runtime(self) -> Runtime:
        """Open everything a call to a model needs."""
        from mini_llm.runtime import Runtime

        if self.opened is None:
            self._check_named()
            config = Path(self.config) if self.config else None
            self.opened = Runtime.open(environ=self.environ, cwd=Path.cwd(), config=config, profile=self.profile)
            self.loaded = self.opened.loaded
            self._tell(self.loaded)
        return self.opened

    def credentials(self) -> Credentials:
        """Return what keeps the secrets of this process."""
        from mini_llm.credentials import Credentials

        if self.opened is not None:
            return self.opened.credentials
        if self._credentials is None:
            self._credentials = Credentials(environ=self.environ, paths=self.paths())
        return self._credentials

    def redact(self, text: str) -> str:
        """Return *text* without a secret. Must work however early something failed."""
        from mini_llm.credentials import Redactor

        held = [self._credentials, self.opened.credentials if self.opened else None]
        for credentials in held:
            text = credentials.redact(text) if credentials else text
        return Redactor().redact(text)

    def colour(self) -> bool:
        """Tell whether stdout may be given colours."""
        return output.coloured(sys.stdout, self.environ, no_color=self.no_color)

    def say(self, text: str) -> None:
        """Talk on stderr, unless asked to be quiet."""
        if not self.quiet:
            output.talk(text)

    def say_dim(self, text: str) -> None:
        """Talk on stderr in a low voice."""
        dim = output.coloured(sys.stderr, self.environ, no_color=self.no_color)
        if not self.quiet:
            output.talk(text, dim=dim)

    def farewell(self) -> None:
        """Say what was noticed on the way."""
        for notice in self.opened.credentials.notices if self.opened else ():
            self.say(f"warning: {notice}")

    def _check_named(self) -> None:
        """A config that was named must be there; only `config set` and its like make one."""
        if self.config and not Path(self.config).exists():
            raise errors.ConfigError(f"there is no {self.config}", hint="check `--config`")

    def _tell(self, loaded: Loaded) -> None:
        for notice in loaded.notices:
            self.say(f"note: {notice}")


def flags(ctx: typer.Context) -> Flags:
    """Return the flags this process was started with."""
    found = ctx.find_root().obj
    assert isinstance(found, Flags)
    return found


def global_options(*, hidden: bool) -> list[TyperOption]:
    """Return the flags that work with every command; only the first help lists them."""

    def option(name: str, help: str, **settings: Any) -> TyperOption:
        return TyperOption(
            param_decls=[name], help=help, expose_value=False, hidden=hidden, callback=_remember, **settings
        )

    flag = {"is_flag": True, "default": False}
    return [
        option("--config", "Use this config file", metavar="PATH"),
        option("--profile", "Use this profile of the config", metavar="NAME"),
        option("--quiet", "Print nothing but data and errors", **flag),
        option("--verbose", "Say more; show where an error comes from", **flag),
        option("--no-color", "No colour", **flag),
    ]


def _remember(ctx: Any, param: Any, value: Any) -> Any:
    if value:
        setattr(ctx.find_root().obj, param.name, value)
    return value


class Command(Page, TyperCommand):
    """One command: takes the global flags too, and prints its examples as written."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params += global_options(hidden=True)


class Group(Page, TyperGroup):
    """A command with commands below it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in the command that is meant when none is named."""
        first = args[0] if args else ""
        if first not in self.commands and first not in ("-h", "--help") and (meant := self.meant(args)):
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

    table: Mapping[str, str] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names, in the table's order."""
        return list(self.table)

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


def environment() -> Mapping[str, str]:
    """Return the process's own environment: the one place that reaches for it."""
    return os.environ


def interactive() -> bool:
    """Tell whether somebody sits there who can answer a question."""
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty())
