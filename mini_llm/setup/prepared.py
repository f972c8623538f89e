"""All that setting up a tool, or taking that back, would write: made first, looked at, then written at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mini_llm.config import files
from mini_llm.gateway.tokens import Tokens
from mini_llm.setup import record, writing
from mini_llm.setup.record import Record
from mini_llm.setup.tool import Offer, Place, Tool
from mini_llm.setup.writing import Edit


class Prepared(NamedTuple):
    """What setting up writes: the tool's files, our own that it is shown, what was before, and the record of it all."""

    edits: tuple[Edit, ...]
    record: Record
    originals: tuple[tuple[Path, bytes], ...]
    own: tuple[tuple[Path, str], ...]
    known: Record | None

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return any(edit.changes for edit in self.edits) or self._new or any(_differs(*one) for one in self.own)

    @property
    def _new(self) -> bool:
        """Whether the record says something else than the one there is."""
        if self.known is None:
            return any(one.pieces for one in self.record.written)
        return replace(self.record, when="") != replace(self.known, when="")


def prepare(tool: Tool, offer: Offer, place: Place, home: Path) -> Prepared:
    """Return what setting *tool* up would write. Raises RefusedError; nothing is written."""
    assert tool.changes is not None
    known = record.read(home, tool.name)
    folder = writing.backups(home, tool.name)
    edits, written, originals = [], [], []
    for change in tool.changes(offer, place):
        old = known.of(change.file) if known is not None else None
        edit, one, base = writing.planned(change, old, folder)
        edits.append(edit)
        written.append(one)
        if edit.before is not None and edit.changes:
            originals.append((writing.kept_at(folder, change.file, edit.before), edit.before))
        if base is not None:
            originals.append((Path(one.original), base))
    left = [one for one in known.written if not any(one.file == edit.file for edit in edits)] if known else []
    own = tuple(tool.own(offer, place))
    kept = Record(
        tool.name, record.stamp(), offer.url, offer.helper, (*written, *left), tuple(str(file) for file, _ in own)
    )
    return Prepared(tuple(edits), kept, tuple(originals), own, known)


def commit(home: Path, prepared: Prepared) -> None:
    """Write what was prepared, all or none."""
    Tokens(home).create(prepared.record.tool)
    for file, text in prepared.own:
        with files.locked(file) as target:
            files.write(target, text.encode())
    writing.write(home, prepared.edits, prepared.record, prepared.originals)


def undoing(home: Path, tool: str) -> tuple[Record, tuple[Edit, ...]] | None:
    """Return what taking the set-up back would write, None if there is none. The tool itself need not be here."""
    kept = record.read(home, tool)
    if kept is None:
        return None
    return kept, tuple(writing.taken_back(one) for one in reversed(kept.written))


def undo(home: Path, kept: Record, edits: tuple[Edit, ...]) -> None:
    """Write that, forget the record, and take the tool's token away."""
    writing.write_back(home, edits, kept)
    Tokens(home).revoke(kept.tool)


def _differs(file: Path, text: str) -> bool:
    return files.read(file) != text.encode()
