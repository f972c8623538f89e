"""From a file's text and what is to be in it to the text that it becomes, and back again. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mini_llm.setup import formats, tree
from mini_llm.setup.record import Kept, Written
from mini_llm.setup.tool import Change


class Undone(NamedTuple):
    """A text without ours. `left` are the values that the user changed since, which stay."""

    text: str
    left: tuple[str, ...]


def changed(text: str, change: Change) -> str:
    """Return the text with the pieces of *change* set; what is set already stays. Raises FormatError."""
    form = formats.named(change.format)
    for piece in change.pieces:
        if tree.get(form.parse(text), piece.path) != piece.value:
            text = formats.put(form, text, piece.path, piece.value)
    return text


def kept(before: str, change: Change) -> tuple[Kept, ...]:
    """Return what of *change* the text before did not say, with what it said instead."""
    said = formats.named(change.format).parse(before)
    told = ((piece, tree.get(said, piece.path)) for piece in change.pieces)
    return tuple(Kept(piece.path, piece.value, there) for piece, there in told if there != piece.value)


def made(before: str, change: Change) -> tuple[tuple[str, ...], ...]:
    """Return the objects that have to be made for the pieces, inner ones first."""
    said = formats.named(change.format).parse(before)
    above = {piece.path[:length] for piece in change.pieces for length in range(1, len(piece.path))}
    return tuple(sorted((path for path in above if tree.get(said, path) is tree.ABSENT), key=lambda path: -len(path)))


def undone(text: str, written: Written) -> Undone:
    """Return the text without what we wrote; what the user changed since is left. Raises FormatError."""
    form = formats.named(written.format)
    left: list[str] = []
    for piece in reversed(written.pieces):
        now = tree.get(form.parse(text), piece.path)
        if now != piece.value:
            left += _told(piece, now)
        elif piece.before is tree.ABSENT:
            text = formats.remove(form, text, piece.path)
        else:
            text = formats.put(form, text, piece.path, piece.before)
    for path in written.made:
        if tree.get(form.parse(text), path) in ({}, [], None):
            text = formats.remove(form, text, path)
    return Undone(text, tuple(left))


def empty(text: str) -> bool:
    """Tell whether a text says nothing at all, comments included."""
    return "".join(text.split()).lstrip("\ufeff") in ("", "{}", "[]")


def drift(text: str, written: Written) -> Iterator[str]:
    """Yield the places where the file no longer says what we wrote."""
    said = formats.named(written.format).parse(text)
    return (tree.told(piece.path) for piece in written.pieces if tree.get(said, piece.path) != piece.value)


def _told(piece: Kept, now: object) -> list[str]:
    """Return the place of a value that was changed since; one that is gone, or as it was before, is no news."""
    return [] if now is tree.ABSENT or now == piece.before else [tree.told(piece.path)]
