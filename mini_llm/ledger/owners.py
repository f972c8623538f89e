"""Whether a process that has something open still lives: each holds a lock that falls with it.

A process id would tell less: it is used again, and another container cannot see it.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mini_llm.config.files import try_lock

TRIES = 5
_TOKEN = re.compile(r"[0-9a-f]{16}")
_PLAIN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Owner:
    """This process's sign of life beside the ledger *file*. A child made by fork must drop it, not release it."""

    def __init__(self, file: Path) -> None:
        for _ in range(TRIES):
            self.token = secrets.token_hex(8)
            self._path = _path(file, self.token)
            self.handle: int | None = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _PLAIN, 0o600)
            # Another process that clears away may have had it in hand before us.
            if try_lock(self.handle) and _is_at(self._path, self.handle):
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
        handle, self.handle = self.handle, None
        if handle is not None:
            os.close(handle)


class Dead:
    """What a process that has ended left: its token, and its file (None: there was none), which we hold locked."""

    def __init__(self, file: Path, token: str, handle: int | None) -> None:
        self.token = token
        self.handle = handle
        self._file = file

    def remove(self) -> None:
        """Take away the sign: all it stood for is settled."""
        if self.handle is None:
            return
        path = _path(self._file, self.token)
        # Removed under the lock: whoever has just made it sees that it is gone, and makes another.
        with suppress(OSError):
            path.unlink()
        self.close()
        if sys.platform == "win32":  # which removes no file that is open
            with suppress(OSError):
                path.unlink()

    def close(self) -> None:
        """Let go of the sign as it is."""
        handle, self.handle = self.handle, None
        if handle is not None:
            os.close(handle)


@contextmanager
def dead(file: Path, also: set[str]) -> Iterator[list[Dead]]:
    """Give those who have ended: of all with a sign beside *file*, and of the tokens *also*. Others see them alive."""
    found: list[Dead] = []
    tokens = also | {path.name.rpartition("-")[2] for path in file.parent.glob(f"{file.name}-owner-*")}
    try:
        for token in sorted(tokens):
            one = _dead(file, token)
            if one is not None:
                found.append(one)
        yield found
    finally:
        for one in found:
            one.close()


def _dead(file: Path, token: str) -> Dead | None:
    """Return what the process that took *token* left, None if it lives."""
    if not _TOKEN.fullmatch(token):
        return Dead(file, token, None)
    try:
        handle = os.open(_path(file, token), os.O_RDWR | _PLAIN)
    except FileNotFoundError:
        return Dead(file, token, None)
    except OSError:
        return None
    if try_lock(handle):
        return Dead(file, token, handle)
    os.close(handle)
    return None


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def _path(file: Path, token: str) -> Path:
    return file.with_name(f"{file.name}-owner-{token}")
