"""JSON as it is defined: for tools that leave a file with comments or trailing commas aside as a whole."""

from __future__ import annotations

from json import JSONDecodeError, loads
from typing import Any

from mini_llm.setup.formats import FormatError, jsonc
from mini_llm.setup.formats.jsonc import BOM, put, remove

__all__ = ["parse", "put", "remove"]


def parse(text: str) -> Any:
    """Return what the text says; an empty one says {}."""
    found = jsonc.parse(text)
    try:
        loads(text.removeprefix(BOM) or "{}")
    except JSONDecodeError as error:
        if text.strip(BOM + " \t\r\n"):
            what = "the tool reads no comments and no trailing commas: it leaves the whole file aside"
            raise FormatError(what, line=error.lineno) from None
    return found
