"""What a tool is to us: where it is, what it is told, how it is started. One `TOOL` in each module of `tools/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mini_llm.config.paths import user_folder
from mini_llm.errors import MiniLLMError
from mini_llm.types import Model

PROVIDER = "mini-llm"  # what we are called in other tools' settings


class RefusedError(MiniLLMError):
    """This tool can't be set up, or not so; `hint` says what to do instead."""

    code = "refused"


@dataclass(frozen=True, slots=True)
class Place:
    """The machine that tools are looked for on. `platform` is as in `sys.platform`."""

    environ: Mapping[str, str]
    platform: str

    @property
    def home(self) -> Path:
        """The user's folder."""
        return user_folder(self.environ)

    def told(self, variable: str, usual: Path) -> Path:
        """Return the place that a variable of the tool's own names, else the usual one."""
        return Path(self.environ.get(variable) or usual)

    @property
    def settings(self) -> Path:
        """The folder of settings below which most tools that follow XDG have theirs."""
        told = self.environ.get("XDG_CONFIG_HOME", "")
        return Path(told) if told and Path(told).is_absolute() else self.home / ".config"

    @property
    def applications(self) -> Path:
        """The folder where desktop applications keep their settings."""
        if self.platform == "win32":
            return self.told("APPDATA", self.home / "AppData" / "Roaming")
        return self.home / "Library" / "Application Support" if self.platform == "darwin" else self.settings


@dataclass(frozen=True, slots=True)
class Offer:
    """What a tool is told of the gateway.

    `model` is what was asked for (`named`), else the default; `small` is for a tool's lesser tasks. `models` tells what
    to list, `native` whether a vendor's own names are served ("claude-"). `helper` is the command that prints the
    tool's token, which is in `token_file`; `folder` is ours, for what the tool can only be shown.
    `token` makes the token if there is none.
    """

    url: str
    model: str
    small: str
    named: bool
    models: Callable[[], Sequence[Model]]
    native: Callable[[str], bool]
    token_file: Path
    helper: tuple[str, ...]
    folder: Path
    token: Callable[[], str]


class Piece(NamedTuple):
    """One value of a settings file, and its place."""

    path: tuple[str, ...]
    value: Any


class Change(NamedTuple):
    """What is set in one file."""

    file: Path
    format: str
    pieces: tuple[Piece, ...]


class Start(NamedTuple):
    """How a tool is started: what is set in its environment (None: taken out), and words before the user's own."""

    environ: Mapping[str, str | None]
    words: tuple[str, ...] = ()


def token_of(offer: Offer, place: Place) -> str:
    """Return the tool's token as most tools get it."""
    return offer.token()


def nothing(*_: object) -> tuple[()]:
    """Return nothing."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool. `route` is the dialect that it asks in.

    `programs` are what it is called by, `folders` where else (below the user's folder) its installer puts it, `signs`
    the folders that tell it is there. `oldest` is the first version that can be set up.
    `changes` are None for a tool that can only be started (`start`), which `run` does; one is `refused` even that.
    `credential` returns the token by the way the tool will take. `own` are files of ours that it is shown.
    `steps` are what is left to the user.
    """

    name: str
    title: str
    route: str = "openai_chat"
    programs: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    signs: Callable[[Place], Sequence[Path]] = nothing
    oldest: str = ""
    changes: Callable[[Offer, Place], tuple[Change, ...]] | None = None
    own: Callable[[Offer, Place], Sequence[tuple[Path, str]]] = nothing
    credential: Callable[[Offer, Place], str] = token_of
    start: Callable[[Offer, Place], Start] | None = None
    steps: Callable[[Offer, Place], Sequence[str]] = nothing
    refused: str = ""
    hint: str = ""
