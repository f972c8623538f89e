"""How settings are written: one module a format, each with the functions of `Format`. Text in, text out."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from mini_llm.config import files
from mini_llm.errors import MiniLLMError
from mini_llm.setup import tree

LIMIT = 16 << 20  # no settings file of people is larger

NAMES = ("json", "jsonc", "toml", "yaml")


class Format(Protocol):
    """What a format can do. A text that is empty holds nothing yet; that is no fault."""

    def parse(self, text: str) -> Any:
        """Return what the text says. Raises FormatError."""

    def put(self, text: str, path: tree.Path, value: Any) -> str:
        """Return the text with one value set, and everything else as it was."""

    def remove(self, text: str, path: tree.Path) -> str:
        """Return the text without one value."""


class FormatError(MiniLLMError):
    """The text is not what its format allows, or can't be changed with certainty; `line` is where, 0 if nowhere."""

    code = "unreadable"

    def __init__(self, what: str, *, line: int = 0) -> None:
        super().__init__(what)
        self.line = line


def named(name: str) -> Format:
    """Return one format; the library behind it is loaded now."""
    assert name in NAMES, name
    found: Any = import_module(f"{__name__}.{name}")
    return found  # type: ignore[no-any-return]  # modules satisfy the protocol


def said(name: str, file: Path) -> Any:
    """Return what a file says; {} where there is none, or none that can be read (which is told when it is changed)."""
    try:
        return named(name).parse((files.read(file, limit=LIMIT) or b"").decode("utf-8", "replace"))
    except FormatError:
        return {}


def put(form: Format, text: str, path: tree.Path, value: Any) -> str:
    """Return the text with one value set. What comes out is read again: it says the same as before, and the value."""
    before = form.parse(text)
    return _proved(form, form.put(text, path, value), tree.put(before, path, value))


def remove(form: Format, text: str, path: tree.Path) -> str:
    """Return the text without one value, read again as after `put`."""
    before = form.parse(text)
    return _proved(form, form.remove(text, path), tree.remove(before, path))


def _proved(form: Format, text: str, wanted: Any) -> str:
    try:
        found = form.parse(text)
    except FormatError:
        found = tree.ABSENT
    if tree.bare(found) != tree.bare(wanted):
        raise FormatError("it is written in a way that can't be changed without doubt")
    return text
