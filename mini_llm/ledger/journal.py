"""Attempts under way, in memory that outlives the process: what it dies with is written by whoever comes next.

One file a process, beside the ledger, mapped into memory: to note an attempt takes a microsecond or two and no disk.
It outlives the process, not the machine. A place in it holds one record, or nothing: its length, its checksum, the
entry. A process that is killed in the middle of noting leaves a record that does not fit its checksum, and beside it
the one before.
"""

from __future__ import annotations

import mmap
import os
import threading
from binascii import crc32
from collections.abc import Iterable
from contextlib import suppress
from errno import EINVAL, EOPNOTSUPP
from pathlib import Path
from struct import Struct

from mini_llm.ledger.entries import Entry
from mini_llm.ledger.owners import Owner
from mini_llm.ledger.written import checked, cleaned, written

PLACE = 2048  # bytes; the first one is the file's head
PLACES = 64  # at first
MOST_PLACES = 1 << 15
HEAD = b"mini-llm attempts under way, 1\n"
RECORD = Struct("<II")
ROOM = PLACE - RECORD.size
EMPTY = RECORD.pack(0, 0)

Key = tuple[str, int]


class Journal:
    """This process's attempts that are not in the ledger yet. Raises OSError where there can be none."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._owner = Owner(file)
        self._growing = threading.Lock()
        self._free: list[int] = []
        self._held: dict[Key, int] = {}
        self._places = 0
        try:
            self._grow()
        except BaseException:
            self._owner.release()
            raise
        self._memory[: len(HEAD)] = HEAD

    @property
    def is_empty(self) -> bool:
        """Tell whether every attempt that was noted is written."""
        return not self._held

    def note(self, entry: Entry) -> None:
        """Keep *entry*, in the place of what was noted of its attempt before. Raises OSError where no room is left."""
        text = written(entry, raw=True)
        if len(text) > ROOM:
            text = _fitted(entry)
        try:
            at = self._free.pop()
        except IndexError:
            self._grow()
            at = self._free.pop()
        memory = self._memory
        start = at + RECORD.size
        memory[start : start + len(text)] = text
        RECORD.pack_into(memory, at, len(text), crc32(text))  # last: until now the place was empty
        key = entry.request_id, entry.attempt
        before = self._held.get(key)
        self._held[key] = at
        if before is not None:
            memory[before : before + RECORD.size] = EMPTY
            self._free.append(before)

    def strike(self, entries: Iterable[Entry]) -> None:
        """Forget *entries*: they are written."""
        for entry in entries:
            at = self._held.pop((entry.request_id, entry.attempt), None)
            if at is not None:
                self._empty(at)

    def release(self) -> None:
        """Remove the file; nothing in it is needed any more."""
        self._memory.close()
        self._owner.release()

    def drop(self) -> None:
        """Let go of what belongs to the process we were forked from."""
        self._memory.close()
        self._owner.drop()

    def _empty(self, at: int) -> None:
        self._memory[at : at + RECORD.size] = EMPTY
        self._free.append(at)

    def _grow(self) -> None:
        """Make twice as many places. Who still writes in the map of before writes in the same file."""
        with self._growing:
            if self._free:
                return  # another thread was here before us
            handle, places = self._owner.handle, self._places * 2 or PLACES
            if handle is None or places > MOST_PLACES:
                raise OSError(f"more than {MOST_PLACES // 2} attempts are under way")
            before, size = (self._places + 1) * PLACE if self._places else 0, (places + 1) * PLACE
            _allocate(handle, before, size)
            self._memory = mmap.mmap(handle, size)
            self._free.extend(range(size - PLACE, max(before, PLACE) - PLACE, -PLACE))
            self._places = places


def left_in(handle: int | None) -> list[Entry]:
    """Return the attempts that a process left in its open file, those whose end was known first."""
    if handle is None:
        return []
    with os.fdopen(os.dup(handle), "rb") as file, suppress(OSError):
        file.seek(0)
        data = file.read((MOST_PLACES + 1) * PLACE)
        return _entries(data) if data.startswith(HEAD) else []
    return []


def _entries(data: bytes) -> list[Entry]:
    found: dict[Key, Entry] = {}
    for at in range(PLACE, len(data) - PLACE + 1, PLACE):
        length, sum_ = RECORD.unpack_from(data, at)
        if not 0 < length <= ROOM:
            continue
        text = data[at + RECORD.size : at + RECORD.size + length]
        entry = checked(text) if crc32(text) == sum_ else None
        if entry is None:
            continue
        key = entry.request_id, entry.attempt
        if key not in found or found[key].status == "unknown":
            found[key] = entry
    return sorted(found.values(), key=lambda entry: entry.time)


def _fitted(entry: Entry) -> bytes:
    """Return *entry* as text that fits a place: without what the provider sent, or with shorter words, if it must."""
    text = written(entry)
    most = 512
    while len(text) > ROOM and most > 1:
        short = cleaned(entry)
        text = written(Entry._make(value[:most] if isinstance(value, str) else value for value in short))
        most //= 2
    if len(text) > ROOM:
        raise OSError("an entry that fits no place")
    return text


def _allocate(handle: int, start: int, end: int) -> None:
    """Give the file its space now: a map of what the disk has no room for would kill the process that writes there."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(handle, start, end - start)
            return
        except OSError as error:
            if error.errno not in (EINVAL, EOPNOTSUPP):  # a file system that can't
                raise
    os.lseek(handle, start, os.SEEK_SET)
    for _ in range((end - start) // PLACE):
        if os.write(handle, bytes(PLACE)) < PLACE:
            raise OSError("the disk is full")
