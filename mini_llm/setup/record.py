"""What was written into a tool's files, kept in our own folder: enough to take it back, also without the tool."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from mini_llm.config import files
from mini_llm.errors import ConfigError
from mini_llm.setup import tree

FOLDER = "setup"


class Kept(NamedTuple):
    """One value that we wrote, and the one before; ABSENT if there was none."""

    path: tuple[str, ...]
    value: Any
    before: Any = tree.ABSENT


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one file: `digest` of what we wrote, `original` where the text before is kept, "" if none was.

    `made` are the objects that we made for our values, and `folders` the folders, inner ones first.
    """

    file: Path
    format: str
    digest: str
    original: str
    pieces: tuple[Kept, ...]
    made: tuple[tuple[str, ...], ...] = ()
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One tool that was set up: the gateway's address, and the helper command that stands in its settings."""

    tool: str
    when: str
    url: str
    helper: tuple[str, ...]
    written: tuple[Written, ...]
    own: tuple[str, ...] = ()

    def of(self, file: Path) -> Written | None:
        """Return what was written into *file*."""
        return next((one for one in self.written if one.file == file), None)


def digest(data: bytes) -> str:
    """Return what a file's content is known by."""
    return sha256(data).hexdigest()


def stamp() -> str:
    """Return the time as names of files tell it, so that they sort."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


def place(home: Path, tool: str) -> Path:
    """Return where the record of a tool is."""
    return home / FOLDER / f"{tool}.json"


def read(home: Path, tool: str) -> Record | None:
    """Return the record of a tool, None if it was not set up."""
    path = place(home, tool)
    data = files.read(path, limit=files.LIMIT * 8)
    if data is None:
        return None
    try:
        told = json.loads(data)
        written = tuple(_written(one) for one in told["written"])
        return Record(
            told["tool"], told["when"], told["url"], tuple(told["helper"]), written, tuple(told.get("own", ()))
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} can't be read", hint=f"the files before it are in {path.parent}") from error


def encode(record: Record) -> bytes:
    """Return a record as it is kept."""
    told = {
        "tool": record.tool,
        "when": record.when,
        "url": record.url,
        "helper": record.helper,
        "own": record.own,
        "written": [_told(one) for one in record.written],
    }
    return (json.dumps(told, indent=2, ensure_ascii=False, default=str) + "\n").encode()


def _told(one: Written) -> dict[str, Any]:
    pieces: Sequence[dict[str, Any]] = [
        {"path": piece.path, "value": piece.value, **({} if piece.before is tree.ABSENT else {"before": piece.before})}
        for piece in one.pieces
    ]
    return {
        "file": str(one.file),
        "format": one.format,
        "sha256": one.digest,
        "original": one.original,
        "pieces": pieces,
        "made": one.made,
        "folders": one.folders,
    }


def _written(told: dict[str, Any]) -> Written:
    return Written(
        Path(told["file"]),
        told["format"],
        told["sha256"],
        told["original"],
        tuple(Kept(tuple(one["path"]), one["value"], one.get("before", tree.ABSENT)) for one in told["pieces"]),
        tuple(map(tuple, told["made"])),
        tuple(told["folders"]),
    )
