"""The JSON Schema (draft 2020-12) of the config file, made from the table of settings, so that editors can complete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mini_llm.config.fields import OF_PLUGIN, TREE, Branch, Key

_TARGET = {"type": "string", "pattern": r"^\S+$"}
_TARGETS = {"type": "array", "items": _TARGET, "minItems": 1}


def schema() -> dict[str, Any]:
    """Return it whole."""
    told = _object(TREE)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mini-LLM",
        "description": "The settings of Mini-LLM: ~/.mini-llm/config.json",
        **told,
    }


def _branch(branch: Branch) -> dict[str, Any]:
    key = branch.key
    told = _object(branch) if key.kind == "object" else _KINDS[key.kind](branch)
    if key.about:
        told["description"] = key.about
    if key.default not in (None, ""):
        told["default"] = key.default
    return told


def _object(branch: Branch) -> dict[str, Any]:
    named = {name: _branch(below) for name, below in branch.below.items() if name != "*"}
    told: dict[str, Any] = {"type": "object"}
    if named:
        told["properties"] = named
    if "*" in branch.below:
        told["additionalProperties"] = _branch(branch.below["*"])
    return told


def _route(branch: Branch) -> dict[str, Any]:
    return {"anyOf": [dict(_TARGET), dict(_TARGETS), {**_object(branch), "required": ["targets"]}]}


def _list(branch: Branch) -> dict[str, Any]:
    return {"type": "array", "items": {**_branch(branch.below["*"]), "required": ["id"]}}


def _choice(key: Key) -> dict[str, Any]:
    own = {"enum": list(key.choices)}
    return {"anyOf": [own, {"type": "string", "pattern": f"^{OF_PLUGIN}$"}]} if key.plugins else own


def _number(key: Key) -> dict[str, Any]:
    kind = "integer" if key.kind == "integer" else "number"
    return {"type": kind, "minimum": key.least, "maximum": key.most}


_KINDS: Mapping[str, Callable[[Branch], dict[str, Any]]] = {
    "route": _route,
    "list": _list,
    "switch": lambda branch: {"anyOf": [{"type": "boolean"}, _object(branch)]},
    "targets": lambda _: {"anyOf": [dict(_TARGET), dict(_TARGETS)]},
    "texts": lambda _: {"type": "array", "items": dict(_TARGET)},
    "text": lambda _: {"type": "string"},
    "zone": lambda _: {"type": "string"},
    "header": lambda _: {"type": "string"},
    "secret": lambda _: {"type": "string"},
    "secrets": lambda branch: {"type": "array", "items": _branch(branch.below["*"])},
    "address": lambda _: {"type": "string", "pattern": r"^(https?|http\+unix)://|^\$?\{"},
    "choice": lambda branch: _choice(branch.key),
    "boolean": lambda _: {"type": "boolean"},
    "integer": lambda branch: _number(branch.key),
    "seconds": lambda branch: _number(branch.key),
    "money": lambda _: {
        "anyOf": [
            {"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,9})?$"},
            {"type": "number", "minimum": 0, "exclusiveMaximum": 10**12},
        ]
    },
}
