"""A log that one user alone can read, with a limit: `gateway.log`, and `gateway.log.1` to `.5` for what was before."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from mini_llm.config import files

LIMIT = 10 * 1024 * 1024
KEEP = 5


class LogFile:
    """Append to *path*; several processes may do so at once."""

    def __init__(self, path: Path, *, limit: int = LIMIT, keep: int = KEEP) -> None:
        self.path = path
        self._limit = limit
        self._keep = keep
        self._handle = -1

    def write(self, data: bytes) -> int:
        """Write as much of *data* as there is room for, and return how much that was. Raises OSError for nothing."""
        self._open()
        written = 0
        while written < len(data):
            try:
                written += os.write(self._handle, data[written:])
            except OSError:
                if not written:
                    raise
                break
        if os.fstat(self._handle).st_size > self._limit:
            self._rotate()
        return written

    def close(self) -> None:
        """Let go of the file."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def _open(self) -> None:
        """Open the file; anew if it was rotated or removed meanwhile."""
        if self._handle >= 0:
            with suppress(FileNotFoundError):
                now, ours = self.path.stat(), os.fstat(self._handle)
                if (now.st_ino, now.st_dev) == (ours.st_ino, ours.st_dev):
                    return
            self.close()
        files.make_folder(self.path.parent)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        self._handle = os.open(self.path, flags | getattr(os, "O_BINARY", 0), 0o600)
        if hasattr(os, "fchmod"):
            os.fchmod(self._handle, 0o600)  # one that was there before may be open to others

    def _rotate(self) -> None:
        """Move each file one number up; the last one goes. Of several processes, one does it."""
        self.close()
        with files.locked(self.path):
            if self.path.stat().st_size <= self._limit:  # another process was faster
                return
            for number in range(self._keep, 0, -1):
                older = self.path.with_name(f"{self.path.name}.{number}")
                newer = self.path.with_name(f"{self.path.name}.{number - 1}") if number > 1 else self.path
                with suppress(FileNotFoundError):
                    newer.replace(older)
