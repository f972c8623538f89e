"""The project file: found from the working folder up, and trusted only by path and content."""

from __future__ import annotations

import os
from collections.abc import Mapping
from json import dumps, loads
from pathlib import Path as File
from typing import Any

from mini_llm.config import build, files
from mini_llm.config.checks import Problem
from mini_llm.config.fields import PERIODS
from mini_llm.config.keys import join
from mini_llm.config.paths import Paths
from mini_llm.errors import ConfigError

NAME = "mini-llm.config.json"

# All that a stranger's file may set. Nothing here can move a secret to another address.
HARMLESS = ("$schema", "aliases", "default", "routing", "budgets")


def find(cwd: File, paths: Paths) -> File | None:
    """Return the nearest project file from *cwd* upwards; the user's own file does not count."""
    folder = cwd.resolve()
    for place in (folder, *folder.parents):
        file = place / NAME
        if os.path.lexists(file) and os.path.realpath(file) != os.path.realpath(paths.config):
            return file
    return None


def harmless(values: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Split off what an untrusted file may set; return it, and the names of the rest."""
    kept = {name: value for name, value in values.items() if name in HARMLESS}
    return kept, {_shown(name) for name in values if name not in HARMLESS}


def lowering(told: Any, usual: Any, path: tuple[str, ...] = ("budgets",)) -> tuple[dict[str, Any], set[str]]:
    """Split off the budgets that are stricter than the user's own; return them, and the names of the rest.

    An amount may be lower, or stand where there was none; `enforce` may become hard; days stay as the user counts them.
    """
    if not isinstance(told, Mapping):
        return {}, {join(tuple(map(_shown, path)))}
    usual = usual if isinstance(usual, Mapping) else {}
    kept: dict[str, Any] = {}
    ignored: set[str] = set()
    for name, value in told.items():
        if len(path) == 2 or (len(path) == 1 and name in ("tools", "keys")):
            kept[name], rest = lowering(value, usual.get(name), (*path, name))
            ignored |= rest
        elif _is_stricter(name, value, usual.get(name)):
            kept[name] = value
        else:
            ignored.add(join(tuple(map(_shown, (*path, name)))))
    return kept, ignored


def _shown(name: str) -> str:
    return name[:40] if name.isprintable() else ascii(name[:40])


def _is_stricter(name: str, value: Any, usual: Any) -> bool:
    if name == "enforce":
        return bool(value == "hard")
    if name not in PERIODS:
        return False
    try:
        return usual is None or bool(build.nanos(value) <= build.nanos(usual))
    except (TypeError, ValueError, OverflowError):  # no amount: the check of all values tells
        return True


def commands_in(values: Any, path: tuple[str | int, ...] = ()) -> list[Problem]:
    """Find `cmd:` references: a project file may not run programs, trusted or not."""
    if isinstance(values, Mapping):
        return [found for name, below in values.items() for found in commands_in(below, (*path, name))]
    if isinstance(values, list):
        return [found for index, below in enumerate(values) for found in commands_in(below, (*path, index))]
    if isinstance(values, str) and values.lstrip().startswith("cmd:") and path[-1] not in ("default", "targets"):
        return [Problem(path, f"{join(path)} must not be a cmd: reference: a project file may not run programs")]
    return []


def plugins_in(values: Mapping[str, Any]) -> list[Problem]:
    """Find `plugins`: they run with all of the user's rights, so that a project file may not name them either."""
    what = "plugins can't be named in a project file, trusted or not: name them in your own config"
    return [Problem(("plugins",), what, key=True)] if "plugins" in values else []


def is_trusted(file: File, data: bytes, paths: Paths) -> bool:
    """Say whether this very content was trusted at this very place."""
    return _known(paths).get(_place(file)) == _digest(data)


def trust(file: File, paths: Paths) -> None:
    """Remember the file as it is now; any change to it ends the trust."""
    data = files.read(file)
    if data is None:
        raise ConfigError(f"there is no {file}")
    with files.locked(_list(paths)) as target:
        known = {**_known(paths), _place(file): _digest(data)}
        files.write(target, (dumps(known, indent=2) + "\n").encode())


def _known(paths: Paths) -> dict[str, str]:
    """Read the list; one that is damaged trusts nothing."""
    data = files.read(_list(paths))
    try:
        known = loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}


def _list(paths: Paths) -> File:
    return paths.home / "trusted.json"


def _place(file: File) -> str:
    return os.path.normcase(os.path.realpath(file))


def _digest(data: bytes) -> str:
    import hashlib  # 3 ms, and most folders hold no project file

    return hashlib.sha256(data).hexdigest()
