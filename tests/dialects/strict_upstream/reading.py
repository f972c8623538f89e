"""What every strict upstream checks the same way."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def unknown(body: Json, known: Iterable[str], where: str = "") -> Iterator[str]:
    """Yield a line for each field that is not *known*."""
    for name in sorted(set(body) - set(known)):
        yield f"{where}{'.' if where else ''}{name}: extra inputs are not permitted"


def number(body: Json, name: str, least: float, most: float) -> Iterator[str]:
    """Yield a line unless the field is absent or a number from *least* to *most*."""
    value = body.get(name)
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most
    ):
        yield f"{name}: must be from {least} to {most}, is {value!r}"


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, Json]]:
    """Yield every object schema inside *schema*, with its path."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" or "properties" in schema:
            yield path, schema
        for name, inner in schema.items():
            yield from objects(inner, f"{path}.{name}")
    elif isinstance(schema, list):
        for at, inner in enumerate(schema):
            yield from objects(inner, f"{path}[{at}]")


def closed(schema: Any, where: str) -> Iterator[str]:
    """Yield a line for each object of a strict schema that is open."""
    for path, inner in objects(schema, where):
        if inner.get("additionalProperties") is not False:
            yield f"{path}: additionalProperties must be false"
