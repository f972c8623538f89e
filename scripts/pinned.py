"""Fetch pinned files from the package index with pip, which knows the user's index, proxy and certificates.

Standard library only, like everything that runs before the package is installed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple


class Failure(Exception):
    """What went wrong, and `hint`: what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Piece(NamedTuple):
    """One file of the package index; `size` in bytes is what its progress is measured against."""

    project: str
    version: str
    sha256: str
    size: int

    @property
    def stem(self) -> str:
        """Return what its file name begins with."""
        return f"{self.project.replace('-', '_')}-{self.version}"


class Progress:
    """A line on stderr that says what is going on, how far it is (on a terminal), and how long it took."""

    def __init__(self, what: str) -> None:
        self.what = f"  {what:<42}"
        self.started = time.monotonic()

    def __enter__(self) -> Progress:
        print(self.what, end="", file=sys.stderr, flush=True)
        return self

    def at(self, share: float) -> None:
        """Show how far it is, from 0 to 1."""
        if sys.stderr.isatty():
            print(f"\r{self.what}{share:>5.0%}", end="", file=sys.stderr, flush=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.at(1)
        told = "stopped" if kind else f"{time.monotonic() - self.started:.1f} s"
        print(f"  {told}", file=sys.stderr, flush=True)


def fetch(what: str, pieces: Sequence[Piece], folder: Path, environ: Mapping[str, str] | None = None) -> list[Path]:
    """Return the files of *pieces* in *folder*, asking the index for those that are missing or broken."""
    missing = [piece for piece in pieces if not _found(piece, folder)]
    if missing:
        folder.mkdir(exist_ok=True)
        size = sum(piece.size for piece in missing)
        with tempfile.TemporaryDirectory(dir=folder) as arriving, Progress(f"{what}, {size / 1e6:.0f} MB") as progress:
            pins = Path(arriving) / "requirements.txt"
            lines = [f"{p.project}=={p.version} --hash=sha256:{p.sha256}\n" for p in missing]
            pins.write_text("".join(lines), encoding="utf-8")
            # pip writes into TMPDIR while it downloads: that is where its progress shows.
            pip(
                *("download", "--require-hashes", "--no-build-isolation", "-r", pins, "-d", folder),
                environ={"TMPDIR": arriving, **(environ or {})},
                watch=lambda: progress.at(min(_arrived(missing, Path(arriving)) / size, 0.99)),
            )
    return [path for piece in pieces for path in _found(piece, folder)]


def pip(
    *arguments: str | Path, environ: Mapping[str, str] | None = None, watch: Callable[[], None] = lambda: None
) -> None:
    """Run pip; *watch* is called ten times a second meanwhile."""
    quiet = ("--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-deps")
    with tempfile.TemporaryFile("w+") as told:
        command = [sys.executable, "-m", "pip", *arguments, *quiet]
        with subprocess.Popen(command, env={**os.environ, **(environ or {})}, stdout=told, stderr=told) as running:
            try:
                while running.poll() is None:
                    watch()
                    time.sleep(0.1)
            except BaseException:
                running.terminate()
                raise
        told.seek(0)
        if running.returncode:
            raise Failure(f"pip {arguments[0]} failed:\n{told.read().strip()}")


def _found(piece: Piece, folder: Path) -> list[Path]:
    return [path for path in folder.glob(f"{piece.stem}[-.]*") if _sha256(path) == piece.sha256]


def _arrived(pieces: Sequence[Piece], folder: Path) -> int:
    """Return how many bytes of *pieces* are there; files and folders may go away while we look."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.startswith(tuple(piece.stem for piece in pieces)):
                with contextlib.suppress(FileNotFoundError):
                    total += (Path(parent) / name).stat().st_size
    return total


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
