"""JSON schemas as Claude takes them: closed objects, and no bounds. A bound becomes a word in the description.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs (2026-11)
"""

from __future__ import annotations

from typing import Any

import orjson

from mini_llm.dialects.anthropic_messages.words import CANNOT
from mini_llm.types import Json

_BOUNDS = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems",
    "uniqueItems", "minProperties", "maxProperties", "contains", "minContains", "maxContains",
)  # fmt: skip
_NAMED = ("properties", "$defs", "definitions")
_SEVERAL = ("anyOf", "allOf")
_DEEPEST = 64


def closed(schema: Json, path: str) -> Json:
    """Return *schema*, which stands at *path* of the request, as Claude takes it.

    Raises TranslationError for an object that is open on purpose: there is no such thing here.
    """
    return _closed(schema, path, _DEEPEST)


def _closed(schema: Json, path: str, left: int) -> Json:
    if left == 0:
        raise CANNOT.error(path, f"it is nested more than {_DEEPEST} levels deep")
    written = {name: value for name, value in schema.items() if name not in _BOUNDS}
    if "oneOf" in written and "anyOf" not in written:
        written["anyOf"] = written.pop("oneOf")
    bounds = {name: schema[name] for name in _BOUNDS if name in schema}
    if (least := schema.get("minItems", 0)) not in (0, 1):
        bounds["minItems"] = least
        written["minItems"] = 1
    for name in _NAMED:
        if isinstance(inner := written.get(name), dict):
            written[name] = {key: _any(one, f"{path}.{name}.{key}", left) for key, one in inner.items()}
    for name in _SEVERAL:
        if isinstance(inner := written.get(name), list):
            written[name] = [_any(one, f"{path}.{name}[{at}]", left) for at, one in enumerate(inner)]
    if "items" in written:
        written["items"] = _any(written["items"], f"{path}.items", left)
    if "object" in _types(written) or "properties" in written:
        if written.get("additionalProperties") not in (None, False):
            raise CANNOT.error(path, "an object with any properties has no schema here; name its properties")
        written["additionalProperties"] = False
    if bounds:
        said = "{" + ", ".join(f"{name}: {orjson.dumps(value).decode()}" for name, value in bounds.items()) + "}"
        written["description"] = "\n\n".join(filter(None, (written.get("description"), said)))
    return written


def _any(schema: Any, path: str, left: int) -> Any:
    return _closed(schema, path, left - 1) if isinstance(schema, dict) else schema


def _types(schema: Json) -> tuple[Any, ...]:
    kind = schema.get("type")
    return tuple(kind) if isinstance(kind, list) else (kind,)
