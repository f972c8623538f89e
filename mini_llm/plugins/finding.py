"""Where plugins are: in the environment that mini-llm runs in, or where PYTHONPATH points; never in the working folder.

A folder that was cloned may hold a package with a plugin's name, and Python looks there first under `python -m`.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module, metadata, util
from pathlib import Path
from typing import Any

GROUP = "mini_llm"


def reference(name: str) -> str:
    """Return where the plugin *name* is. Raises LookupError that says why it can't be told."""
    found: dict[str, str] = {}
    for package in metadata.distributions(path=search_path(sys.path, _working_folder())):
        for point in package.entry_points:
            if point.group == GROUP and point.name == name:
                found.setdefault(str(package.metadata["Name"]), point.value)
    if not found:
        raise LookupError("no package that is installed beside mini-llm offers it")
    if len(found) > 1:
        raise LookupError(f"several packages offer it: {', '.join(sorted(found))}")
    return next(iter(found.values()))


def imported(reference: str) -> Any:
    """Import `package.module` or `package.module:name`. Raises LookupError before anything strange is run."""
    module, _, name = reference.partition(":")
    if not all(word.isidentifier() for word in module.split(".")):
        raise LookupError(f"{reference!r} is no reference to a module")
    spec = util.find_spec(module.partition(".")[0])  # of the first name alone: that runs nothing
    if spec is None:
        raise LookupError(f"there is no module {module}")
    places = [*([spec.origin] if spec.has_location and spec.origin else []), *(spec.submodule_search_locations or ())]
    folder = _working_folder()
    if strange := next((place for place in places if is_strange(place, folder)), ""):
        raise LookupError(f"it lies in the working folder, where nothing is loaded from: {strange}")
    found = import_module(module)
    for step in filter(None, name.split(".")):
        if not hasattr(found, step):
            raise LookupError(f"{module} has no {name}")
        found = getattr(found, step)
    return found


def search_path(path: Sequence[str], folder: str) -> list[str]:
    """Return those of *path* in which packages may be looked for, when we run in *folder*."""
    return [place for place in path if place and Path(place).is_absolute() and not is_strange(place, folder)]


def is_strange(place: str, folder: str) -> bool:
    """Tell whether *place* lies in the working folder, and in none of this Python's own folders of packages."""
    if not folder:
        return not Path(place).is_absolute()
    straight = os.path.abspath(place)  # noqa: PTH100  `..` would lead out of a folder of our own, links stay
    below = _is_below(straight, folder) or _is_below(os.path.realpath(place), folder)
    return below and not any(Path(straight).is_relative_to(own) for own in _own_folders())


def _is_below(place: str, folder: str) -> bool:
    """Tell whether one of the folders above *place* is *folder*, however either is written: links, small letters."""
    for way in (Path(place), *Path(place).parents):
        with suppress(OSError):  # it is not there, or not ours to look at
            if way.samefile(folder):
                return True
    return False


def _own_folders() -> Iterator[str]:
    """Yield where packages of this Python are installed."""
    yield from {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()}
    if site.ENABLE_USER_SITE:
        yield site.getusersitepackages()


def _working_folder() -> str:
    """Return it; "" if it was removed."""
    try:
        return str(Path.cwd())
    except OSError:
        return ""
