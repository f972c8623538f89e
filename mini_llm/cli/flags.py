"""The flags that work with every command, and what a process opens with them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperOption

from mini_llm import errors
from mini_llm.cli import output

if TYPE_CHECKING:
    from mini_llm.config import Loaded, Paths
    from mini_llm.credentials import Credentials
    from mini_llm.runtime import Runtime


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

    def folder(self) -> Path:
        """Return the working folder; a home instead of one that was removed."""
        try:
            return Path.cwd()
        except OSError:
            return self.paths().home

    def load(self) -> Loaded:
        """Read the settings; what they have to say goes to stderr."""
        from mini_llm.config import load

        if self.loaded is None:
            self._check_named()
            self.loaded = load(self.paths(), environ=self.environ, cwd=self.folder())
            self._tell(self.loaded)
        return self.loaded

    def runtime(self) -> Runtime:
        """Open everything a call to a model needs."""
        from mini_llm.runtime import Runtime

        if self.opened is None:
            self._check_named()
            config = Path(self.config) if self.config else None
            self.opened = Runtime.open(environ=self.environ, cwd=self.folder(), config=config, profile=self.profile)
            self.loaded = self.opened.loaded
            self._tell(self.loaded)
        return self.opened

    def forget(self) -> None:
        """Read the settings anew when they are needed next."""
        self.loaded = self.opened = None

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


def interactive() -> bool:
    """Tell whether somebody sits there who can answer a question."""
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty())
