"""What callers call a model, and what it is called here."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from mini_llm.config import Config
from mini_llm.errors import UnknownModelError
from mini_llm.runtime import Runtime

# Claude Code lists only models whose ids begin with one of these.
LISTED_BY_CLAUDE = ("claude", "anthropic")
SHOWN_AS = "anthropic/"
LONG_WINDOW = "[1m]"  # Claude Code's mark for a window of a million tokens
PATH_PREFIX = "models/"  # Gemini's


def checked(model: str, runtime: Runtime) -> str:
    """Return the name to route by. Raises UnknownModelError for a key in its place: the ledger keeps names for ever."""
    if _holds_a_secret(model, runtime.credentials.redact):
        raise UnknownModelError("what was sent as the model's name looks like a key", hint="name a model")
    return asked(model, runtime.loaded.config)


def asked(model: str, config: Config) -> str:
    """Return the name to route by: *model* without what clients put around it."""
    if model in config.aliases:
        return model
    name = model.removeprefix(PATH_PREFIX)
    if name not in config.aliases:
        name = name.removesuffix(LONG_WINDOW)
    alias = name.removeprefix(SHOWN_AS)
    return alias if shown(alias) == name and name not in config.aliases and alias in config.aliases else name


@lru_cache(1024)
def _holds_a_secret(name: str, redact: Callable[[str], str]) -> bool:
    return redact(name) != name


def shown(alias: str) -> str:
    """Return the id under which Claude Code lists *alias*: its own if that will do."""
    return alias if alias.startswith(LISTED_BY_CLAUDE) else SHOWN_AS + alias
