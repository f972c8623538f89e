"""JSON, with comments and trailing commas where a tool takes them. The edits are those of our own config."""

from __future__ import annotations

from typing import Any

from mini_llm.config import edits, jsonc
from mini_llm.errors import ConfigError
from mini_llm.setup import tree
from mini_llm.setup.formats import FormatError
from mini_llm.setup.tree import Path

BOM = "\ufeff"


def parse(text: str) -> Any:
    """Return what the text says; an empty one says {}."""
    if not text.strip(BOM + " \t\r\n"):
        return {}
    try:
        return jsonc.parse(text).plain()
    except jsonc.SyntaxProblem as problem:
        line, column = jsonc.position(jsonc.line_starts(text), problem.offset)
        raise FormatError(f"{problem.what} (column {column})", line=line) from None


def put(text: str, path: Path, value: Any) -> str:
    """Set one value; an item that its list does not have is added at the end."""
    if not text.strip(BOM + " \t\r\n"):
        text = (BOM if text.startswith(BOM) else "") + ("[]\n" if tree.item(path[0]) else "{}\n")
    found = parse(text)
    try:
        if tree.item(path[-1]) and tree.get(found, path) is tree.ABSENT:
            return edits.append(text, _numbered(found, path[:-1]), value)
        return edits.put(text, _numbered(found, path), value)
    except ConfigError as error:
        raise FormatError(error.message) from None


def remove(text: str, path: Path) -> str:
    """Take one value out."""
    found = parse(text)
    if tree.get(found, path) is tree.ABSENT:
        return text
    return edits.remove(text, _numbered(found, path)) or text


def _numbered(found: Any, path: Path) -> Path:
    """Return the path with an item's number in place of its name."""
    steps: list[str] = []
    for step in path:
        name = tree.item(step)
        steps.append(str(tree.place(tree.get(found, path[: len(steps)]), name)) if name else step)
    return tuple(steps)
