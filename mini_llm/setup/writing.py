"""Read and write the files of tools: planned first, shown, then written all or none, with what was before kept."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from difflib import unified_diff
from pathlib import Path
from typing import NamedTuple

from mini_llm.config import files
from mini_llm.errors import ConfigError
from mini_llm.setup import plan, record
from mini_llm.setup.formats import LIMIT, FormatError
from mini_llm.setup.record import Record, Written
from mini_llm.setup.tool import Change, RefusedError
from mini_llm.setup.tree import ShapeError

BACKUPS = "backups"
MOST_BACKUPS = 5


class Edit(NamedTuple):
    """One file before and after; None where there is none. `left` are places that the user changed since."""

    file: Path
    before: bytes | None
    after: bytes | None
    left: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.before != self.after

    def diff(self) -> str:
        """Return what changes, as people read it."""
        old, new = (_lines(data) for data in (self.before, self.after))
        was, is_now = (str(self.file) if data is not None else os.devnull for data in (self.before, self.after))
        return "\n".join(unified_diff(old, new, was, is_now, lineterm=""))


def planned(change: Change, old: Written | None, folder: Path) -> tuple[Edit, Written, bytes | None]:
    """Return what setting *change* does to its file, what there will be to remember, and the file without us.

    Raises RefusedError.
    *old* is what was written before; *folder* is where the originals are kept.
    """
    now = _read(change.file)
    try:
        base = without_us(old, now)
        gone = old is not None and {piece.path for piece in old.pieces} - {piece.path for piece in change.pieces}
        text = _text(base if gone else now, change.file)
        after = plan.changed(text, change).encode()
        origin = _text(base, change.file)
        pieces, made = plan.kept(origin, change), plan.made(origin, change)
    except (FormatError, ShapeError) as error:
        raise _refused(change.file, error) from None
    edit = Edit(change.file, now, after)
    if edit.changes:
        _check_writable(change.file)
    original = "" if base is None else str(kept_at(folder, change.file, base))
    folders = old.folders if old is not None else _missing(change.file.parent)
    return edit, Written(change.file, change.format, record.digest(after), original, pieces, made, folders), base


def taken_back(written: Written) -> Edit:
    """Return what undoing does to one file. Raises RefusedError."""
    now = _read(written.file)
    if now is None:
        return Edit(written.file, None, None)
    if record.digest(now) == written.digest:
        edit = Edit(written.file, now, _original(written))
    else:
        try:
            text, left = plan.undone(_text(now, written.file), written)
        except (FormatError, ShapeError) as error:
            raise _refused(written.file, error, kept=written.original) from None
        gone = not written.original and plan.empty(text)
        edit = Edit(written.file, now, None if gone else text.encode(), left)
    if edit.changes:
        _check_writable(written.file)
    return edit


def write(home: Path, edits: Sequence[Edit], kept: Record, originals: Iterable[tuple[Path, bytes]]) -> None:
    """Write *edits* and the record of them, all or none; *originals* are kept first. Raises RefusedError."""
    with files.locked(record.place(home, kept.tool)) as target:
        _check_unchanged(edits)
        for place, data in originals:
            _keep(place, data)
        before = files.read(target, limit=LIMIT)
        files.write(target, record.encode(kept))
        try:
            _write_all(edits)
        except BaseException:
            files.write(target, before) if before is not None else target.unlink(missing_ok=True)
            raise
        _prune(home / record.FOLDER / BACKUPS / kept.tool, {one.original for one in kept.written})


def write_back(home: Path, edits: Sequence[Edit], kept: Record) -> None:
    """Write what undoing does, and forget the record and what else was made."""
    with files.locked(record.place(home, kept.tool)) as target:
        _check_unchanged(edits)
        for edit in edits:
            if edit.before is not None and edit.changes:
                _keep(kept_at(home / record.FOLDER / BACKUPS / kept.tool, edit.file, edit.before), edit.before)
        _write_all(edits)
        for one in kept.own:
            Path(one).unlink(missing_ok=True)
        for folder in (folder for one in kept.written for folder in one.folders):
            with suppress(OSError):  # it holds something else by now
                Path(folder).rmdir()
        target.unlink(missing_ok=True)


def backups(home: Path, tool: str) -> Path:
    """Return the folder where a tool's files are kept as they were."""
    return home / record.FOLDER / BACKUPS / tool


def stands(written: Written) -> str:
    """Return why what was written no longer stands, "" if it does."""
    try:
        now = _read(written.file)
        if now is None:
            return f"{written.file} is gone"
        changed = list(plan.drift(_text(now, written.file), written))
    except (FormatError, RefusedError, ConfigError) as error:
        return f"{written.file}: {error.message}"
    return f"changed since in {written.file}: {', '.join(changed)}" if changed else ""


def without_us(old: Written | None, now: bytes | None) -> bytes | None:
    """Return what the file would be without what we wrote before. Raises FormatError."""
    if now is None or old is None:
        return now
    if record.digest(now) == old.digest:
        return _original(old)
    text = plan.undone(_text(now, old.file), old).text
    return None if not old.original and plan.empty(text) else text.encode()


def _original(written: Written) -> bytes | None:
    if not written.original:
        return None
    data = files.read(Path(written.original), limit=LIMIT)
    if data is None:
        raise RefusedError(f"{written.original} is gone: it held {written.file} as it was", hint="nothing was changed")
    return data


def _read(file: Path) -> bytes | None:
    return files.read(file, limit=LIMIT)


def _text(data: bytes | None, file: Path) -> str:
    return "" if data is None else files.decode(data, file)


def _lines(data: bytes | None) -> list[str]:
    return [] if data is None else data.decode("utf-8", "replace").splitlines()


def _refused(file: Path, error: FormatError | ShapeError, *, kept: str = "") -> RefusedError:
    line = getattr(error, "line", 0)
    hint = "nothing was changed: correct it, then run this again"
    if kept:
        hint += f"; as it was before it is {kept}"
    return RefusedError(f"{file}:{f'{line}:' if line else ''} {error.message}", hint=hint)


def _check_writable(file: Path) -> None:
    if file.exists() and not file.stat().st_mode & stat.S_IWUSR:
        raise RefusedError(f"{file} is read-only", hint=f"nothing was changed; allow writing first: chmod u+w {file}")


def _check_unchanged(edits: Sequence[Edit]) -> None:
    for edit in edits:
        if _read(edit.file) != edit.before:
            raise RefusedError(f"{edit.file} was changed meanwhile", hint="nothing was written: run this again")


def _write_all(edits: Sequence[Edit]) -> None:
    done: list[Edit] = []
    try:
        for edit in edits:
            if edit.changes:
                done.append(edit)
                _put(edit.file, edit.after)
    except BaseException:
        for edit in done:
            with suppress(Exception):
                _put(edit.file, edit.before)
        raise


def _put(file: Path, data: bytes | None) -> None:
    """Replace a file in one step, behind its link if it is one; its mode stays."""
    target = Path(os.path.realpath(file))
    if data is None:
        target.unlink(missing_ok=True)
        return
    files.make_folder(target.parent)
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o600
    files.write(target, data, mode=mode)


def _missing(folder: Path) -> tuple[str, ...]:
    """Return the folders that are not there yet, inner ones first."""
    found = []
    while not folder.exists():
        found.append(str(folder))
        folder = folder.parent
    return tuple(found)


def kept_at(folder: Path, file: Path, data: bytes) -> Path:
    """Return where a file is kept as it was: the same content has one place, that of its first time."""
    name = f"{record.digest(data)[:12]}-{file.name}"
    if folder.is_dir():
        for found in folder.iterdir():
            if found.name.endswith(name):
                return found
    return folder / f"{record.stamp()}-{name}"


def _keep(place: Path, data: bytes) -> None:
    files.make_folder(place.parent)
    if not place.exists():
        files.write(place, data)


def _prune(folder: Path, needed: set[str]) -> None:
    """Keep the newest, and those that undoing needs."""
    if not folder.is_dir():
        return
    spare = sorted(found for found in folder.iterdir() if str(found) not in needed and found.name[0] != ".")
    for old in spare[:-MOST_BACKUPS]:
        old.unlink(missing_ok=True)
