"""Read what a caller sent: a wrong type raises UsageError that names the field by its path. `null` is absent."""

from __future__ import annotations

from typing import Any

import orjson

from mini_llm.errors import UsageError
from mini_llm.types import Json


class Fields:
    """One JSON object of a request, and the path to it. `rest()` are the fields nobody has read."""

    __slots__ = ("_path", "_read", "raw")

    def __init__(self, raw: object, path: str = "") -> None:
        if not isinstance(raw, dict):
            raise UsageError(f"{path or 'the body'}: must be an object")
        self.raw: Json = raw
        self._path = path
        self._read: set[str] = set()

    def path(self, name: str) -> str:
        """Return the full path of the field *name*."""
        return f"{self._path}.{name}" if self._path else name

    def wrong(self, name: str, expected: str) -> UsageError:
        """Return the error for a field that is not what was *expected*."""
        return UsageError(f"{self.path(name)}: must be {expected}")

    def get(self, name: str) -> Any:
        """Return the field as it is; None if absent."""
        value = self.raw.get(name)
        if value is not None:
            self._read.add(name)
        return value

    def text(self, name: str) -> str:
        """Return a string; "" if absent."""
        value = self.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(name, "a string")
        return value

    def needed(self, name: str) -> str:
        """Return a string that must be there and say something."""
        if not (value := self.text(name)):
            raise self.wrong(name, "a string that is not empty")
        return value

    def number(self, name: str) -> float | None:
        """Return a number."""
        value = self.get(name)
        if value is not None and type(value) not in (int, float):
            raise self.wrong(name, "a number")
        return value  # type: ignore[no-any-return]  # checked above

    def whole(self, name: str) -> int | None:
        """Return a whole number."""
        value = self.get(name)
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if value is not None and type(value) is not int:
            raise self.wrong(name, "a whole number")
        return value

    def flag(self, name: str) -> bool | None:
        """Return true or false."""
        value = self.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def json(self, name: str) -> Json | None:
        """Return an object as it is."""
        value = self.get(name)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(name, "an object")
        return value

    def json_text(self, name: str) -> str:
        """Return an object as JSON text; "{}" if absent."""
        try:
            return orjson.dumps(self.json(name) or {}).decode()
        except orjson.JSONEncodeError as error:
            raise UsageError(f"{self.path(name)}: {error}") from error

    def inner(self, name: str) -> Fields | None:
        """Return an object to read on in."""
        value = self.get(name)
        return None if value is None else Fields(value, self.path(name))

    def items(self, name: str) -> list[Any]:
        """Return a list as it is; empty if absent."""
        value = self.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, "a list")
        return value

    def each(self, name: str) -> list[Fields]:
        """Return the objects of a list, each to read on in."""
        return [Fields(item, f"{self.path(name)}[{at}]") for at, item in enumerate(self.items(name))]

    def texts(self, name: str) -> tuple[str, ...]:
        """Return strings; a lone one counts as a list of one."""
        value = self.get(name)
        if isinstance(value, str):
            return (value,)
        items = self.items(name)
        if not all(isinstance(item, str) for item in items):
            raise self.wrong(name, "a string or a list of strings")
        return tuple(items)

    def rest(self) -> Json:
        """Return the fields that were not read and say something."""
        return {name: value for name, value in self.raw.items() if name not in self._read and value is not None}
