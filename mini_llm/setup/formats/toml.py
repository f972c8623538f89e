"""TOML, by tomlkit: comments, order and blanks stay."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from mini_llm.setup.formats import Fault
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
        raise Fault(str(error).partition(" (at")[0], line=int(line[1]) if line else 0) from None


def put(text: str, path: Path, value: Any) -> str:
    """Set one value; tables on the way are made."""
    return _changed(text, path, lambda table: table.__setitem__(path[-1], value))


def remove(text: str, path: Path) -> str:
    """Take one value out."""
    return _changed(text, path, lambda table: table.pop(path[-1], None))


def _changed(text: str, path: Path, change: Any) -> str:
    mark = BOM if text.startswith(BOM) else ""
    body = text.removeprefix(BOM)
    try:
        document = tomlkit.parse(body)
        if tomlkit.dumps(document) != body:
            raise Fault("it is written in a way that can't be changed without doubt")
        table: Any = document
        for step in path[:-1]:
            if step not in table:
                table[step] = tomlkit.table(is_super_table=True)
            table = table[step]
        change(table)
        written = tomlkit.dumps(document)
    except (TOMLKitError, TypeError, AttributeError) as error:
        raise Fault(f"it can't be changed: {error}") from error
    windows = "\r\n" in body and not _BARE.search(body)
    return mark + (_BARE.sub("\r\n", written) if windows else written)
