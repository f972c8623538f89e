"""Who holds money set aside, and whether that process still lives: each holds a lock that falls with it.

A process id would tell less: it is used again, and another container cannot see it.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from contextlib import suppress
from pathlib import Path

from mini_llm.config.files import try_lock

TRIES = 5
_TOKEN = re.compile(r"[0-9a-f]{16}")


class Owner:
    """This process's sign of life beside the ledger *file*. A child made by fork must drop it, not release it."""

    def __init__(self, file: Path) -> None:
        for _ in range(TRIES):
            self.token = secrets.token_hex(8)
            self._path = _path(file, self.token)
            self._handle: int | None = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            # Another process that clears away may have had it in hand before us.
            if try_lock(self._handle) and _is_at(self._path, self._handle):
                return
            self.release()
        raise OSError(f"can't lock {self._path}")  # a file system without locks

    def release(self) -> None:
        """Take the sign away; what is still set aside counts as a dead process's from now on."""
        self.drop()
        with suppress(OSError):
            self._path.unlink()

    def drop(self) -> None:
        """Close this process's handle. The lock stays while the parent, who shares it, lives."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def clear(file: Path) -> None:
    """Remove the signs of processes that ended before they set anything aside."""
    for path in file.parent.glob(f"{file.name}-owner-*"):
        is_dead(file, path.name.rpartition("-")[2])


def is_dead(file: Path, token: str) -> bool:
    """Tell whether the process that took *token* has ended. What it left is removed."""
    if not _TOKEN.fullmatch(token):
        return True
    path = _path(file, token)
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        dead = try_lock(handle)
        if dead:  # removed under the lock: whoever has just made it sees that it is gone, and makes another
            with suppress(OSError):
                path.unlink()
    finally:
        os.close(handle)
    if dead and sys.platform == "win32":  # which removes no file that is open
        with suppress(OSError):
            path.unlink()
    return dead


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def _path(file: Path, token: str) -> Path:
    return file.with_name(f"{file.name}-owner-{token}")
