"""The environment as a layer: `MINI_LLM_ROUTING_STRATEGY` is `routing.strategy`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from mini_llm.config import checks
from mini_llm.config.fields import KEYS, Key
from mini_llm.config.jsonc import Path

PREFIX = "MINI_LLM_"

# Not settings: read elsewhere, before there is a config.
RESERVED = frozenset(
    PREFIX + name
    for name in (
        "HOME",
        "CONFIG",
        "PROFILE",
        "TOKEN",
        "GATEWAY_TOKEN",
        "NO_BROWSER",
        "DEBUG",
        "API_KEY",
        "BASE_URL",
        "COMPLETE",
    )
)

_SCALARS = ("text", "choice", "boolean", "switch", "integer", "seconds", "money", "address", "secret")
_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class Found(NamedTuple):
    """What the environment sets; `names` tells the variable of each path."""

    values: dict[str, Any]
    names: dict[Path, str]
    unknown: list[str]
    problems: list[str]


def read(environ: Mapping[str, str]) -> Found:
    """Read every MINI_LLM_ variable. An empty one counts as not set."""
    found = Found({}, {}, [], [])
    ours = [name for name in environ if name.startswith(PREFIX) and name not in RESERVED]
    if not ours:
        return found
    keys = {_variable(key.path): key for key in KEYS if key.kind in _SCALARS and "*" not in key.path}
    for name in sorted(ours):
        text = environ[name].strip()
        if name not in keys:
            hint = checks.suggestion(name, keys)
            found.unknown.append(f"environment {name}: no setting has this name{hint}")
        elif text:
            path = tuple(keys[name].path.split("."))
            found.names[path] = f"environment {name}"
            _put(found.values, path, typed(keys[name], text))
    return found


def typed(key: Key, text: str) -> object:
    """Turn text from a variable or a command line into the setting's type, if it fits; else leave it to the check."""
    if key.kind in ("boolean", "switch"):
        return _SWITCH.get(text.lower(), text)
    if key.kind == "integer":
        return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text
    if key.kind == "seconds":
        return float(text) if re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", text) else text
    return text


def _variable(path: str) -> str:
    return PREFIX + re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", path).replace(".", "_").upper()


def _put(values: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for name in path[:-1]:
        values = values.setdefault(name, {})
    values[path[-1]] = value
