"""Bars for a terminal, as wide as what is left beside a table. Pure, and whole numbers only: money is drawn by it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from shutil import get_terminal_size

LEAST, MOST, GAP = 6, 40, 2
EIGHTHS = " ▏▎▍▌▋▊▉█"
SHADE = "░"


def bars(parts: Sequence[int], room: int) -> list[str]:
    """Return one bar a part, the largest filling *room*; none at all where there is no room."""
    largest = max(parts, default=0)
    if room < LEAST or largest <= 0:
        return [""] * len(parts)
    return [_bar(part, largest, min(room, MOST)) for part in parts]


def gauge(part: int, whole: int, room: int) -> str:
    """Return a bar of *room* cells that is filled as far as *part* is of *whole*."""
    if room < LEAST:
        return ""
    filled = _bar(min(part, whole), whole, room) if whole > 0 else _full() * room
    return filled.ljust(room, SHADE if _can(SHADE) else ".")


def room_beside(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return how many cells a terminal has left beside these columns; less than none if they do not fit."""
    shown = (cells for cells in zip(columns, *rows, strict=True) if any(cells[1:]))
    return get_terminal_size().columns - sum(max(map(len, cells)) + GAP for cells in shown)


def _bar(part: int, whole: int, room: int) -> str:
    if not _can(EIGHTHS):
        return "#" * -(-part * room // whole)
    full, rest = divmod(-(-part * room * 8 // whole), 8)
    return "█" * full + EIGHTHS[rest].strip()


def _full() -> str:
    return "█" if _can("█") else "#"


def _can(text: str) -> bool:
    """Tell whether stdout can show *text*."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True
