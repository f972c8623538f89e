"""Read what is piped in, without ever hanging on a stdin that was only inherited."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread

from mini_llm.errors import UsageError

PATIENCE = 2.0  # seconds a silent stdin is waited for when the prompt stands in the arguments
CHUNK = 1 << 16
SILENT = "warning: stdin is open but silent, going on without it; add `</dev/null` or `--no-stdin`"


def read(*, limit: int, patient: bool, warn: Callable[[str], None]) -> bytes:
    """Return what stdin holds, at most *limit* bytes (UsageError beyond), b"" from a terminal or a closed one.

    Unless *patient*, a stdin that says nothing for two seconds is left alone, with one warning.
    """
    descriptor = _descriptor()
    if descriptor is None:
        return b""
    chunks: SimpleQueue[bytes] = SimpleQueue()
    # A thread, not select: works for Windows pipes too. os.read: a thread stuck in sys.stdin would crash the exit.
    Thread(target=_pump, args=(descriptor, chunks.put), daemon=True).start()
    try:
        found = [_wait(chunks) if patient else chunks.get(timeout=PATIENCE)]
    except Empty:
        warn(SILENT)
        return b""
    size = len(found[0])
    while found[-1]:
        found.append(_wait(chunks))
        size += len(found[-1])
        if size > limit:
            raise UsageError(f"stdin is too large: at most {limit >> 20} MB can be sent")
    return b"".join(found)


def _descriptor() -> int | None:
    try:
        descriptor = sys.stdin.fileno() if sys.stdin else None
    except (OSError, ValueError):
        return None
    return None if descriptor is None or os.isatty(descriptor) else descriptor


def _wait(chunks: SimpleQueue[bytes]) -> bytes:
    while True:
        with suppress(Empty):
            return chunks.get(timeout=0.5)  # Windows hears Ctrl-C only between waits


def _pump(descriptor: int, put: Callable[[bytes], None]) -> None:
    """Hand on every chunk, then b"" at the end."""
    try:
        while chunk := os.read(descriptor, CHUNK):
            put(chunk)
    except OSError:  # closed, or a folder
        pass
    put(b"")
