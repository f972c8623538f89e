"""Read what a provider sent: whatever has the wrong type counts as absent."""

from __future__ import annotations

from typing import Any

import orjson

from mini_llm.errors import ProtocolError
from mini_llm.types import Json

NOTHING: Json = {}
MOST = 10**15


def text(value: object) -> str:
    """Return *value* if it is a string, else ""."""
    return value if isinstance(value, str) else ""


def count(value: object) -> int:
    """Return *value* if it is a whole number of something, else 0; so many that sums leave 64 bits are none."""
    if type(value) is int:
        return value if 0 < value < MOST else 0
    return int(value) if isinstance(value, float) and 0 < value < MOST and value.is_integer() else 0


def object_of(value: object) -> Json:
    """Return *value* if it is a JSON object, else an empty one (not to be written to)."""
    return value if isinstance(value, dict) else NOTHING


def objects(value: object) -> list[Json]:
    """Return the JSON objects of the list *value*; none if it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def first(body: Json, *names: str) -> Any:
    """Return the first of these fields that says something."""
    for name in names:
        if (value := body.get(name)) not in (None, "", [], {}):
            return value
    return None


def json_bytes(value: object) -> bytes:
    """Return *value* as JSON. Raises ProtocolError for what is nested too deeply (254 levels) to be written."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise ProtocolError(f"the provider sent JSON that cannot be written again: {error}") from error


def json_text(value: object) -> str:
    """Return *value* as JSON text, like `json_bytes`."""
    return json_bytes(value).decode()
