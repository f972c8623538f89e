"""Words of generateContent that several modules here share."""

from __future__ import annotations

import re
from typing import Any

import orjson

from mini_llm.dialects.fields import Fields
from mini_llm.dialects.refusing import Refusing
from mini_llm.errors import UsageError
from mini_llm.types import Json, Opaque

NAME = "gemini"
CANNOT = Refusing(NAME, "Gemini")
# What stands beside a candidate's words and has no place among ours: kept as one Opaque part, under this name.
CANDIDATE = "candidate"
KEPT = frozenset({
    "groundingMetadata", "citationMetadata", "urlContextMetadata", "safetyRatings", "finishMessage", "avgLogprobs",
})  # fmt: skip

# What may stand beside the content of a part.
_BESIDE = ("thought", "thoughtSignature", "mediaResolution", "videoMetadata", "partMetadata")
_UNDERSCORE = re.compile(r"(?<=[^_])_([a-z0-9])")
_NUMBER = re.compile(r"gemini-(\d+)(?:\.(\d+))?(?!\d)")
NEWEST = (99, 0)


def camel(raw: Json) -> Json:
    """Return an object of the protocol with its names in camel case: both spellings are on the wire."""
    for name in raw:
        if "_" in name:
            return {_UNDERSCORE.sub(lambda found: found[1].upper(), name): value for name, value in raw.items()}
    return raw


def opaque(part: Json) -> Opaque:
    """Return *part*, for which we have no word, as it is; `type` says what it is."""
    kind = next((name for name in part if name not in _BESIDE), "part")
    return Opaque(NAME, {"type": kind, "part": part})


def version(model: str) -> tuple[int, int]:
    """Return which Gemini *model* is, say (2, 5); names that do not tell (`gemini-flash-latest`) are the newest."""
    found = _NUMBER.search(model)
    if found:
        return int(found[1]), int(found[2] or 0)
    return (0, 0) if "gemma" in model else NEWEST


class Words(Fields):
    """An object of a request. Names may be in camel or in snake case; a lone item may stand where a list is meant."""

    def __init__(self, raw: object, path: str = "") -> None:
        super().__init__(camel(raw) if isinstance(raw, dict) else raw, path)

    def inner(self, name: str) -> Words | None:
        """Return an object to read on in."""
        value = self.get(name)
        return None if value is None else Words(value, self.path(name))

    def section(self, name: str) -> Words:
        """Return an object to read on in; an empty one if absent."""
        return self.inner(name) or Words({}, self.path(name))

    def items(self, name: str) -> list[Any]:
        """Return a list as it is; Google's own examples write `"parts": {"text": …}`."""
        value = self.get(name)
        return [value] if isinstance(value, dict) else super().items(name)

    def each(self, name: str) -> list[Words]:  # type: ignore[override]  # nobody adds to the list
        """Return the objects of a list, each to read on in."""
        return [Words(item, f"{self.path(name)}[{at}]") for at, item in enumerate(self.items(name))]

    def whole_text(self) -> str:
        """Return the object as JSON text."""
        try:
            return orjson.dumps(self.raw).decode()
        except orjson.JSONEncodeError as error:
            raise UsageError(f"{self.path('')}: {error}") from error

    def rest(self) -> Json:
        """Return the fields that were not read and say something."""
        return {name: value for name, value in super().rest().items() if value not in ("", [], {})}
