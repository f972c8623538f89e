"""JSON schemas as Gemini has them: its older `Schema` with types in capitals, and the part of JSON schema it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mini_llm.dialects.gemini.words import CANNOT, camel
from mini_llm.errors import UsageError
from mini_llm.types import Json

DEEPEST = 64
_NAMED = ("properties", "$defs", "definitions", "patternProperties")  # schemas by name
_ONE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_SEVERAL = ("anyOf", "oneOf", "allOf", "prefixItems")
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")


def from_classic(schema: Json, path: str) -> Json:
    """Return the JSON schema that says what Google's `Schema` at *path* of a request says."""
    return _from_classic(schema, path, DEEPEST)


def _from_classic(schema: Json, path: str, left: int) -> Json:
    if left == 0:
        raise UsageError(f"{path}: is nested more than {DEEPEST} levels deep")
    told = camel(schema)
    told = {{"ref": "$ref", "defs": "$defs"}.get(name, name): value for name, value in told.items()}
    written = _mapped(told, lambda inner: _from_classic(inner, path, left - 1))
    order = written.pop("propertyOrdering", None)
    if isinstance(order, list) and isinstance(written.get("properties"), dict):
        known = [name for name in order if isinstance(name, str) and name in written["properties"]]
        written["properties"] = {name: written["properties"][name] for name in known} | written["properties"]
    for name in _COUNTS:
        if isinstance(count := written.get(name), str) and count.isdecimal():
            written[name] = int(count)
    if isinstance(kind := written.get("type"), str):
        written["type"] = kind.lower()
    if written.get("type") == "type_unspecified":
        del written["type"]
    if written.get("format") == "enum":
        del written["format"]
    if "example" in written:
        written["examples"] = [written.pop("example")]
    return _with_null(written) if written.pop("nullable", False) is True else written


def _with_null(schema: Json) -> Json:
    if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    elif isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema


def to_json_schema(schema: Json, path: str) -> Json:
    """Return *schema* in the keywords that Gemini heeds, where it has others for the same meaning.

    It ignores what it does not know, save a `$ref` with anything beside it, which it refuses.
    https://ai.google.dev/gemini-api/docs/structured-output (2026-11)
    """
    return _to_json_schema(schema, path, DEEPEST)


def _to_json_schema(schema: Json, path: str, left: int) -> Json:
    if left == 0:
        raise CANNOT.error(path, f"it is nested more than {DEEPEST} levels deep")
    written = _mapped(schema, lambda inner: _to_json_schema(inner, path, left - 1))
    if "const" in written and "enum" not in written:
        written["enum"] = [written.pop("const")]
    if isinstance(several := written.get("allOf"), list) and len(several) == 1 and "anyOf" not in written:
        written["anyOf"] = written.pop("allOf")
    if "definitions" in written and "$defs" not in written:
        written["$defs"] = written.pop("definitions")
    if isinstance(reference := written.get("$ref"), str):
        written["$ref"] = reference.replace("#/definitions/", "#/$defs/")
        if "anyOf" not in written and any(not name.startswith("$") for name in written):
            written["anyOf"] = [{"$ref": written.pop("$ref")}]
    return written


def _mapped(schema: Json, change: Callable[[Json], Json]) -> Json:
    """Return a copy of *schema* with each schema inside it changed."""
    return {name: _changed(name, value, change) for name, value in schema.items()}


def _changed(name: str, value: Any, change: Callable[[Json], Json]) -> Any:
    if name in _NAMED and isinstance(value, dict):
        return {key: change(inner) if isinstance(inner, dict) else inner for key, inner in value.items()}
    if name in _ONE and isinstance(value, dict):
        return change(value)
    if name in _SEVERAL and isinstance(value, list):
        return [change(inner) if isinstance(inner, dict) else inner for inner in value]
    return value
