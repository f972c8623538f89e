"""Trees of values: walk them, ask them, put one over another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mini_llm.config.fields import TREE, Branch
from mini_llm.config.jsonc import Path


def merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Lay values over others: objects by key, all else whole. An alias is one thing, however it is written."""
    _merge(into, values, TREE)


def _merge(into: dict[str, Any], values: Mapping[str, Any], branch: Branch) -> None:
    for name, value in values.items():
        below, here = branch.step(name), into.get(name)
        if below and below.key.kind == "switch" and isinstance(here, Mapping) != isinstance(value, Mapping):
            value, here = _spread(value), _spread(here)
        if isinstance(value, Mapping) and below and below.key.kind in ("object", "switch"):
            into[name] = here = dict(here) if isinstance(here, Mapping) else {}
            _merge(here, value, below)
        else:
            into[name] = value


def _spread(value: Any) -> Any:
    """Return a switch written as one word in its longer form."""
    return {"enabled": value} if isinstance(value, bool) else value


def leaves(values: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every single value with its path; a list of plain values is one."""
    if isinstance(values, Mapping):
        for name, below in values.items():
            yield from leaves(below, (*path, name))
    elif isinstance(values, list) and values and isinstance(values[0], Mapping):
        for index, item in enumerate(values):
            yield from leaves(item, (*path, index))
    elif path:
        yield path, values


def has(values: Any, path: Path) -> bool:
    """Say whether there is a value at *path*."""
    for step in path:
        named = isinstance(values, Mapping) and step in values
        if not named and not (isinstance(values, list) and isinstance(step, int) and step < len(values)):
            return False
        values = values[step]
    return True


def place(values: Any, path: Path, value: object) -> None:
    """Put a value at *path*, making the objects on the way."""
    for step in path[:-1]:
        if isinstance(values, list):
            values = values[int(step)]
            continue
        below = values.get(step)
        if not isinstance(below, dict | list):
            below = values[step] = {}
        values = below
    values[path[-1]] = value
