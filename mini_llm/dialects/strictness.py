"""Which JSON schemas hold strictly at OpenAI: closed objects that require all they name, in few words.

https://platform.openai.com/docs/guides/structured-outputs (2026-11)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mini_llm.types import Json

_WORDS = frozenset({
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$ref", "$defs",
    "definitions", "description", "title", "$schema", "pattern", "format", "multipleOf", "maximum", "minimum",
    "exclusiveMaximum", "exclusiveMinimum", "minItems", "maxItems",
})  # fmt: skip
_NAMED = ("properties", "$defs", "definitions")
_DEEPEST = 10


def fits(schema: object) -> bool:
    """Whether OpenAI takes *schema* as a strict one."""
    return isinstance(schema, dict) and schema.get("type") == "object" and _fits(schema, 2 * _DEEPEST)


def _fits(schema: Any, left: int) -> bool:
    if not isinstance(schema, dict) or left == 0 or not _WORDS.issuperset(schema):
        return False
    properties = schema.get("properties", {})
    if schema.get("type") == "object" or properties:
        if schema.get("additionalProperties") is not False or not isinstance(properties, dict):
            return False
        required = schema.get("required") or []
        if not isinstance(required, list) or sorted(map(str, required)) != sorted(properties):
            return False
    return all(_fits(one, left - 1) for one in _inside(schema))


def _inside(schema: Json) -> Iterator[Any]:
    """Yield the schemas inside *schema*; None, which fits nothing, where something else stands."""
    for name in _NAMED:
        named = schema.get(name, {})
        yield from named.values() if isinstance(named, dict) else (None,)
    several = schema.get("anyOf", [])
    yield from several if isinstance(several, list) else (None,)
    if "items" in schema:
        yield schema["items"]
