"""Where things live on this machine."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mini_llm.errors import ConfigError

_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Paths:
    """`home` holds the config, secrets and private providers; `config` is the user's file.

    `folders` are data, cache and logs; None leaves them to the platform.
    """

    home: Path
    config: Path
    profile: str = ""
    folders: tuple[Path, Path, Path] | None = None

    @classmethod
    def find(cls, environ: Mapping[str, str], *, config: Path | None = None, profile: str = "") -> Paths:
        """Find them: a profile is a whole home of its own under `profiles/`."""
        profile = profile or environ.get("MINI_LLM_PROFILE", "")
        if profile and not _PROFILE.fullmatch(profile):
            raise ConfigError(f"{profile!r} can't name a profile", hint="use letters, digits, '.', '_' and '-'")
        below = Path("profiles", profile) if profile else Path()
        home = _home(environ) / below
        config = config or _path(environ, "MINI_LLM_CONFIG") or home / "config.json"
        return cls(home, config.absolute(), profile, _folders(environ, home, below))

    @property
    def data(self) -> Path:
        """What must be kept: the ledger."""
        return self.folders[0] if self.folders else self._platform("user_data_path")

    @property
    def cache(self) -> Path:
        """What can be fetched again: prices, model lists."""
        return self.folders[1] if self.folders else self._platform("user_cache_path")

    @property
    def logs(self) -> Path:
        """What the gateway writes."""
        return self.folders[2] if self.folders else self._platform("user_log_path")

    def _platform(self, kind: str) -> Path:
        import platformdirs  # 20 ms; only macOS and Windows need it

        folder: Path = getattr(platformdirs, kind)("mini-llm", appauthor=False)
        return folder / "profiles" / self.profile if self.profile else folder


def _home(environ: Mapping[str, str]) -> Path:
    if home := _path(environ, "MINI_LLM_HOME"):
        return home
    xdg = _path(environ, "XDG_CONFIG_HOME")
    if xdg and (xdg / "mini-llm").is_dir():
        return xdg / "mini-llm"
    return user_folder(environ) / ".mini-llm"


def user_folder(environ: Mapping[str, str]) -> Path:
    """Return the user's own folder: what `~` means."""
    told = environ.get("USERPROFILE" if os.name == "nt" else "HOME")
    return Path(told) if told else Path.home()


def _folders(environ: Mapping[str, str], home: Path, below: Path) -> tuple[Path, Path, Path] | None:
    if environ.get("MINI_LLM_HOME"):
        return home / "data", home / "cache", home / "logs"
    if sys.platform in ("darwin", "win32"):
        return None
    # The XDG folders are three lines; platformdirs would cost every chat 20 ms.
    user = user_folder(environ)
    data = (_path(environ, "XDG_DATA_HOME") or user / ".local/share") / "mini-llm"
    cache = (_path(environ, "XDG_CACHE_HOME") or user / ".cache") / "mini-llm"
    state = (_path(environ, "XDG_STATE_HOME") or user / ".local/state") / "mini-llm"
    return data / below, cache / below, state / below / "log"


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    """Read a folder from a variable; `~` works, and a relative XDG folder does not count (their rule)."""
    told = environ.get(name, "")
    if not told:
        return None
    if told == "~" or told.startswith("~/"):
        return user_folder(environ) / told[2:]
    if name.startswith("XDG_") and not Path(told).is_absolute():
        return None
    return Path(told).absolute()
