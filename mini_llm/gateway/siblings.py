"""What the workers of one gateway know of each other: a place each in memory that they share, no file, no message."""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

PLACE_BYTES = 1 << 20  # only what is written takes memory
TRIES = 3
_HEAD = struct.Struct("<II")  # length and checksum: what is read while it is written does not fit
_COUNT = struct.Struct("<I")


class Board:
    """The memory; made before the workers are forked. Each writes its own place, and reads all."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._counts = places * PLACE_BYTES
        self._memory = mmap.mmap(-1, self._counts + places * _COUNT.size)

    def write(self, place: int, note: bytes) -> None:
        """Put *note* up at *place*; one that is too long leaves the place empty."""
        start = place * PLACE_BYTES
        note = note if len(note) <= PLACE_BYTES - _HEAD.size else b""
        self._memory[start + _HEAD.size : start + _HEAD.size + len(note)] = note
        _HEAD.pack_into(self._memory, start, len(note), zlib.crc32(note))

    def read(self, place: int) -> bytes:
        """Return what stands at *place*, b"" if nothing, or nothing whole, does."""
        start = place * PLACE_BYTES
        for _ in range(TRIES):
            length, checksum = _HEAD.unpack_from(self._memory, start)
            note = self._memory[start + _HEAD.size : start + _HEAD.size + min(length, PLACE_BYTES - _HEAD.size)]
            if zlib.crc32(note) == checksum:
                return note
        return b""

    def count(self, place: int, connections: int) -> None:
        """Note how many connections the worker at *place* has."""
        _COUNT.pack_into(self._memory, self._counts + place * _COUNT.size, connections)

    def fewest(self) -> int:
        """Return how many connections the worker has that has the fewest."""
        counts = self._memory[self._counts :]
        fewest: int = min(count for (count,) in _COUNT.iter_unpack(counts))
        return fewest

    def others(self, place: int) -> Iterator[bytes]:
        """Yield what stands at the other places."""
        for other in range(self._places):
            if other != place and (note := self.read(other)):
                yield note


class Siblings:
    """The other workers, as the one at *place* sees them: how they stood within the last second."""

    def __init__(self, board: Board, place: int) -> None:
        self._board = board
        self.place = place

    def tell(self, metrics: str, requests: Mapping[str, Any]) -> None:
        """Let the others know how this worker stands: its metrics, and its requests as the control API shows them."""
        self._board.write(self.place, orjson.dumps({"metrics": metrics, "requests": requests}))

    def count(self, connections: int) -> None:
        """Let the others know how many connections this worker has."""
        self._board.count(self.place, connections)

    def crowded(self, connections: int) -> bool:
        """Say whether another worker has fewer than so many connections."""
        self.count(connections)
        return self._board.fewest() < connections

    def told(self) -> list[dict[str, Any]]:
        """Return what each of the others told last."""
        return [orjson.loads(note) for note in self._board.others(self.place)]


def merged(texts: Iterable[str]) -> str:
    """Return several workers' metrics as one text, in which each family stands once, as Prometheus wants it."""
    families: dict[str, list[str]] = {}
    family: list[str] = []
    for line in "\n".join(texts).split("\n"):
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            known = name in families
            family = families.setdefault(name, [line])
        elif line.startswith("# TYPE "):
            family += [] if known else [line]
        elif line:
            family.append(line)
    return "\n".join([*(line for lines in families.values() for line in lines), ""])
