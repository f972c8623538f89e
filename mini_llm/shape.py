"""Turn a short description of an answer's shape, such as `name, age int, tags [str]`, into a JSON schema; check by it.

Fields are separated by commas or new lines. A field is a name, then its type (`str` when left out, `int`, `float`,
`bool`, or one of these in brackets for a list), then `: what it means` if the name does not say it.
`age: int` means the same as `age int`.
"""

from __future__ import annotations

import re
from json import loads
from typing import Any

from mini_llm.errors import UsageError
from mini_llm.types import Json

TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
FIELD = re.compile(
    r"(?P<name>[A-Za-z_][\w-]*)(?:\s+(?P<type>\w+|\[\s*\w*\s*\]))?\s*(?::\s*(?P<meaning>.*))?", re.DOTALL
)


def schema(shape: str) -> Json:
    """Return the JSON schema of *shape*: one object, every field required, nothing else allowed."""
    fields = [field.strip() for field in re.split(r"[,\n]", shape) if field.strip()]
    if not fields:
        raise UsageError("an empty schema", hint='write the fields: `--schema "name, age int, tags [str]"`')
    properties = dict(_field(field) for field in fields)
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _field(field: str) -> tuple[str, Json]:
    found = FIELD.fullmatch(field)
    if not found:
        raise UsageError(
            f"cannot read the field `{field}` of the schema", hint="a field is `name`, `name type` or `name [type]`"
        )
    meaning = (found["meaning"] or "").strip()
    if not found["type"] and meaning.strip("[] \t") in TYPES:
        kind, meaning = meaning, ""
    else:
        kind = found["type"] or "str"
    item = _type(kind.strip("[] \t") or "str", field)
    described: Json = {"type": "array", "items": item} if kind.startswith("[") else item
    if meaning:
        described = {**described, "description": meaning}
    return found["name"], described


def _type(word: str, field: str) -> Json:
    if word not in TYPES:
        raise UsageError(f"unknown type `{word}` in `{field}`", hint=f"known types: {', '.join(TYPES)}")
    return {"type": TYPES[word]}


def check(schema: Json) -> None:
    """Raise UsageError that says where *schema* is no JSON schema."""
    from jsonschema import SchemaError  # 100 ms: only for answers that have to fit

    try:
        _kind(schema).check_schema(schema)
    except SchemaError as error:
        raise UsageError(f"the schema is none: {error.message} (at {error.json_path})") from error


def misfit(text: str, schema: Json) -> str:
    """Return why *text* is not JSON that fits *schema*, "" if it is. References lead nowhere outside of it."""
    from jsonschema.exceptions import best_match
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        value = loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return "it is not JSON"
    try:
        error = best_match(_kind(schema)(schema, registry=Registry()).iter_errors(value))
    except Unresolvable as missing:
        return f"the schema refers to {missing.ref}, which is not in it"
    except RecursionError:
        return "the schema never ends"
    if error is None:
        return ""
    message = error.message if len(error.message) <= 200 else f"{error.message[:199]}…"
    return f"{message} (at {error.json_path})"


def _kind(schema: Json) -> Any:
    """Return what validates by the draft that *schema* names, the latest if it names none."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for

    return validator_for(schema, default=Draft202012Validator)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")
