"""TOML, by tomlkit: comments, order and blanks stay."""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from mini_llm.setup import tree
from mini_llm.setup.formats import FormatError
from mini_llm.setup.tree import Path

BOM = "\ufeff"
_LINE = re.compile(r"at line (\d+)")
_BARE = re.compile(r"(?<!\r)\n")


def parse(text: str) -> Any:
    """Return what the text says."""
    try:
        return tomllib.loads(text.removeprefix(BOM))
    except tomllib.TOMLDecodeError as error:
        line = _LINE.search(str(error))
        raise FormatError(str(error).partition(" (at")[0], line=int(line[1]) if line else 0) from None


def put(text: str, path: Path, value: Any) -> str:
    """Set one value. A table that is new goes to the end, where it can't get between what belongs together."""
    if isinstance(value, dict) and tree.get(parse(text), path) is tree.ABSENT:
        with suppress(FormatError):
            added = _appended(text, path, value)
            if parse(added) == tree.put(parse(text), path, value):
                return added
    return _changed(text, path, lambda table: table.__setitem__(path[-1], value))


def remove(text: str, path: Path) -> str:
    """Take one value out."""
    return _changed(text, path, lambda table: table.pop(path[-1], None))


def _appended(text: str, path: Path, value: Any) -> str:
    table: Any = tomlkit.item(value)
    for step in reversed(path[1:]):
        table, inner = tomlkit.table(is_super_table=True), table
        table[step] = inner
    document = tomlkit.document()
    document[path[0]] = table
    newline = "\r\n" if "\r\n" in text else "\n"
    apart = newline if text.endswith("\n") else newline * 2
    return text + (apart if text.removeprefix(BOM) else "") + _BARE.sub(newline, tomlkit.dumps(document))


def _changed(text: str, path: Path, change: Any) -> str:
    mark = BOM if text.startswith(BOM) else ""
    body = text.removeprefix(BOM)
    try:
        document = tomlkit.parse(body)
        if tomlkit.dumps(document) != body:
            raise FormatError("it is written in a way that can't be changed without doubt")
        table: Any = document
        for step in path[:-1]:
            if step not in table:
                table[step] = tomlkit.table(is_super_table=True)
            table = table[step]
        change(table)
        written = tomlkit.dumps(document)
    except (TOMLKitError, TypeError, AttributeError) as error:
        raise FormatError(f"it can't be changed: {error}") from error
    windows = "\r\n" in body and not _BARE.search(body)
    return mark + (_BARE.sub("\r\n", written) if windows else written)
