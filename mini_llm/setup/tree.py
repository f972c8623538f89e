"""Look at, set and take out one value of a tree of settings. Pure.

A path is the names on the way. A step in brackets, `[mini-llm]`, is the item of a list that is called so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from mini_llm.errors import MiniLLMError

Path: TypeAlias = tuple[str, ...]

CALLED = ("name", "model_id")  # what the items of a tool's list are called by


class _Absent:
    """Nothing stands there; None is a value."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


class ShapeError(MiniLLMError):
    """What stands in the file leaves no room for what has to go there."""

    code = "unexpected_shape"


def item(step: str) -> str:
    """Return the name of the list's item that *step* means, "" if it means a member."""
    return step[1:-1] if step[:1] == "[" and step[-1:] == "]" else ""


def place(items: Any, name: str) -> int:
    """Return where the item called *name* stands in a list, -1 if nowhere."""
    for at, one in enumerate(items if isinstance(items, list) else ()):
        if isinstance(one, Mapping) and any(one.get(key) == name for key in CALLED):
            return at
    return -1


def get(tree: Any, path: Path) -> Any:
    """Return the value at *path*, ABSENT if there is none."""
    for step in path:
        if name := item(step):
            at = place(tree, name)
            tree = tree[at] if at >= 0 else ABSENT
        else:
            tree = tree.get(step, ABSENT) if isinstance(tree, Mapping) else ABSENT
    return tree


def put(tree: Any, path: Path, value: Any) -> Any:
    """Return the tree with *value* at *path*; what is missing on the way is made. Raises ShapeError."""
    if not path:
        return value
    step, below = path[0], path[1:]
    if not (name := item(step)):
        members = {} if tree is ABSENT else tree
        if not isinstance(members, Mapping):
            raise ShapeError(f"there is no object to put {step} in")
        return {**members, step: put(members.get(step, ABSENT), below, value)}
    items = tree or []
    if not isinstance(items, list):
        raise ShapeError(f"there is no list to put {name} in")
    at = place(items, name)
    if at < 0:
        return [*items, put(ABSENT, below, value)]
    return [*items[:at], put(items[at], below, value), *items[at + 1 :]]


def remove(tree: Any, path: Path) -> Any:
    """Return the tree without what stands at *path*."""
    step, below = path[0], path[1:]
    if get(tree, path) is ABSENT:
        return tree
    name = item(step)
    key: Any = place(tree, name) if name else step
    members = dict(enumerate(tree)) if name else dict(tree)
    if below:
        members[key] = remove(members[key], below)
    else:
        del members[key]
    return list(members.values()) if name else members


def bare(tree: Any) -> Any:
    """Return a tree without the objects and lists that hold nothing: some formats can't tell them from nothing."""
    if isinstance(tree, Mapping):
        members = {key: bare(below) for key, below in tree.items()}
        return {key: below for key, below in members.items() if below is not ABSENT} or ABSENT
    return tree or ABSENT if isinstance(tree, list) else tree


def told(path: Path) -> str:
    """Return a path as people read it: `env.ANTHROPIC_BASE_URL`."""
    return ".".join(item(step) or step for step in path)
