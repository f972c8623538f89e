"""Settings: their layers, their sources, and edits that keep what the user wrote. The only door to config files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mini_llm.config.address import origin_of
from mini_llm.config.layers import Loaded, is_reference, load
from mini_llm.config.paths import Paths
from mini_llm.config.settings import Config, Gateway, ProviderSettings, Route, Routing, Timeouts, Wallet
from mini_llm.errors import ConfigError

if TYPE_CHECKING:
    from mini_llm.config.edit import (
        change_values,
        check_values,
        parse_value,
        read_text,
        remove_value,
        replace_text,
        set_value,
    )
    from mini_llm.config.json_schema import schema
    from mini_llm.config.project import trust
    from mini_llm.config.show import flatten, get_value, masked

__all__ = [
    "Config",
    "Gateway",
    "Loaded",
    "Paths",
    "ProviderSettings",
    "Route",
    "Routing",
    "Timeouts",
    "Wallet",
    "change_values",
    "check",
    "check_values",
    "flatten",
    "get_value",
    "is_reference",
    "load",
    "masked",
    "origin_of",
    "parse_value",
    "read_text",
    "remove_value",
    "replace_text",
    "schema",
    "set_value",
    "trust",
]

# What a chat does not need is imported on first use.
_EDITS = ("change_values", "check_values", "parse_value", "read_text", "remove_value", "replace_text", "set_value")
_LATER = {
    **dict.fromkeys(_EDITS, "edit"),
    **dict.fromkeys(("flatten", "get_value", "masked"), "show"),
    "schema": "json_schema",
    "trust": "project",
}


def check(paths: Paths, environ: Mapping[str, str], cwd: Path | None) -> tuple[str, ...]:
    """Return every problem of every layer, none if all is well."""
    try:
        load(paths, environ=environ, cwd=cwd)
    except ConfigError as error:
        return error.problems or (error.message,)
    return ()


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # the names above, when first asked for

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
