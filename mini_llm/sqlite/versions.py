"""How an older file becomes one of today. A file's version is its `user_version`; a new one has none: 0."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw

from mini_llm.sqlite.opening import connected, writing
from mini_llm.sqlite.telling import Kind


def prepare(kind: Kind, connection: apsw.Connection, file: Path, scripts: Sequence[str]) -> None:
    """Make the tables in a new file, bring an older one forward, refuse one that a newer version wrote.

    `scripts[n]` makes one of today, of version `len(scripts)`, of a file of version n.
    """
    newest = len(scripts)
    if version(kind, connection, newest) == newest:
        return
    with writing(connection):
        found = version(kind, connection, newest)  # another process may have been quicker
        if found == newest:
            return
        if found:  # the write lock is held, so nothing changes meanwhile
            copy_to(file, file.with_name(f"{file.stem}.v{found}{file.suffix}"))
        connection.execute(scripts[found])
        connection.pragma("user_version", newest)


def version(kind: Kind, connection: apsw.Connection, newest: int) -> int:
    """Return the version of the file. Raises *kind*'s error if it is newer than *newest*."""
    found = int(connection.pragma("user_version"))
    if found > newest:
        raise kind.error(
            f"{kind.name} was written by a newer version (schema {found}, this one knows {newest})",
            hint="upgrade mini-llm",
        )
    return found


def copy_to(file: Path, target: Path) -> None:
    """Write a sound copy of *file* to *target*, for its owner alone, while others write."""
    unfinished = target.with_name(f"{target.name}.part")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    reader = connected(apsw.Connection, file)
    try:
        reader.execute("VACUUM INTO ?", (str(unfinished),))
    finally:
        reader.close()
    unfinished.replace(target)
