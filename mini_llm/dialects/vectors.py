"""Embeddings as every provider sends them: lists of numbers that may be anything but that."""

from __future__ import annotations

from mini_llm.errors import ProtocolError


def checked(rows: object, count: int) -> tuple[tuple[float, ...], ...]:
    """Return *rows* as *count* vectors. Raises ProtocolError if they are not that."""
    if not isinstance(rows, list) or len(rows) != count:
        raise ProtocolError(f"the answer does not hold {count} embeddings")
    return tuple(vector(row, at) for at, row in enumerate(rows))


def vector(values: object, at: int) -> tuple[float, ...]:
    """Return one vector, the one at position *at*."""
    if not isinstance(values, list) or not values or not all(type(number) in (int, float) for number in values):
        raise ProtocolError(f"embedding {at} is malformed")
    return tuple(values)
