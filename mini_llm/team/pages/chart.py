"""Bars for a chart, in whole numbers: the template draws them as SVG. No script, no style, no picture of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WIDTH = 720
HEIGHT = 230
BASE = 190  # where the bars stand
TOP = 36  # room for the largest value's words


class Bar(NamedTuple):
    """One bar: where it is drawn, its value, and the words for it. `marked` ones are named below the axis."""

    label: str
    value: int
    x: int
    y: int
    width: int
    height: int
    middle: int
    marked: bool


def bars(values: Sequence[tuple[str, int]], *, marks: int = 5) -> list[Bar]:
    """Return a bar for each of *values*; about *marks* of them are to be named below."""
    if not values:
        return []
    most = max(1, *(value for _, value in values))
    step = WIDTH // len(values)
    every = -(-len(values) // marks)
    found = []
    for number, (label, value) in enumerate(values):
        height = max(value, 0) * (BASE - TOP) // most
        if value > 0:
            height = max(2, height)  # what is there is seen
        width = max(1, min(step * 3 // 4, 48))
        x = number * step + (step - width) // 2
        marked = (len(values) - 1 - number) % every == 0
        found.append(Bar(label, value, x, BASE - height, width, height, x + width // 2, marked))
    return found
