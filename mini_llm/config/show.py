"""Show the settings to people: every value with its source, secrets masked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mini_llm.config import address, checks
from mini_llm.config.fields import TREE, Branch, find
from mini_llm.config.jsonc import Path
from mini_llm.config.keys import join, split
from mini_llm.config.layers import Loaded, defaults, is_reference
from mini_llm.config.tree import has, leaves, place
from mini_llm.errors import UsageError

_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie|password|credential|session", re.IGNORECASE)


def flatten(loaded: Loaded) -> list[tuple[str, object, str]]:
    """Return every effective value as (dotted key, value fit to be shown, source), in the order of the table."""
    order = {name: place for place, name in enumerate(TREE.below)}
    rows = [(path, value) for path, value in leaves(effective(loaded)) if find(path)]
    rows.sort(key=lambda row: order[str(row[0][0])])
    return [(join(path), _masked(path, value), loaded.source(path)) for path, value in rows]


def get_value(loaded: Loaded, key: str) -> object:
    """Return the effective value of a dotted key, None if it is not set. Show it only through `masked`."""
    path = known(key)
    values: Any = effective(loaded)
    for name in path:
        if isinstance(values, list) and name.isdecimal() and int(name) < len(values):
            values = values[int(name)]
        else:
            values = values.get(name) if isinstance(values, Mapping) else None
    return values


def masked(key: str, value: object) -> object:
    """Return a value as it may be shown: `sk-…abcd` for a plain secret, references and all else as they are."""
    return _masked(split(key), value)


def known(key: str) -> tuple[str, ...]:
    """Return the path of a dotted key; UsageError with the nearest name if there is no such setting."""
    path = split(key)
    branch: Branch | None = TREE
    for at, name in enumerate(path):
        above, branch = branch, branch.step(name) if branch else None
        if branch is None:
            hint = checks.suggestion(name, above.below) if above else ""
            raise UsageError(
                f"there is no setting {join(path[: at + 1])}{hint}", hint="all of them: mini-llm config show"
            )
    return path


def effective(loaded: Loaded) -> dict[str, Any]:
    """Return all values in one tree: what is set, and the built-in rest."""
    values: dict[str, Any] = _copy(loaded.values)
    for key, value in defaults(values).items():
        path = tuple(key.split("."))
        if not has(values, path):
            place(values, path, value)
    return values


def _masked(path: Path, value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _masked((*path, name), below) for name, below in value.items()}
    if isinstance(value, list):
        return [_masked((*path, index), below) for index, below in enumerate(value)]
    key = find(path)
    if not isinstance(value, str) or key is None:
        return value
    if key.kind == "secret" and not is_reference(value):
        return mask(value)
    if key.kind == "header" and _SECRET_HEADER.search(str(path[-1])):
        return " ".join(word if _is_harmless(word) else mask(word) for word in value.split(" "))
    if key.kind == "address" and ("?" in value or "@" in value):
        return address.shown(value).strip("'")
    return value


def mask(secret: str) -> str:
    """Shorten a secret until it tells nothing: its kind, and its last four characters if it is long."""
    if len(secret) < 12:
        return "…"
    kind = re.match(r"[a-z]{2,3}-(?=.{12})", secret)
    return f"{kind.group() if kind else ''}…{secret[-4:]}"


def _is_harmless(word: str) -> bool:
    return word in ("Bearer", "Basic", "Token") or _VARIABLE.sub("", word) == ""


def _copy(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {name: _copy(below) for name, below in values.items()}
    return [_copy(below) for below in values] if isinstance(values, list) else values
