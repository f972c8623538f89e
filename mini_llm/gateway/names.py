"""What callers call a model, and what it is called here."""

from __future__ import annotations

from mini_llm.config import Config

# Claude Code lists only models whose ids begin with one of these.
LISTED_BY_CLAUDE = ("claude", "anthropic")
SHOWN_AS = "anthropic/"
LONG_WINDOW = "[1m]"  # Claude Code's mark for a window of a million tokens
PATH_PREFIX = "models/"  # Gemini's


def asked(model: str, config: Config) -> str:
    """Return the name to route by: *model* without what clients put around it."""
    if model in config.aliases:
        return model
    name = model.removeprefix(PATH_PREFIX)
    if name not in config.aliases:
        name = name.removesuffix(LONG_WINDOW)
    alias = name.removeprefix(SHOWN_AS)
    return alias if shown(alias) == name and name not in config.aliases and alias in config.aliases else name


def shown(alias: str) -> str:
    """Return the id under which Claude Code lists *alias*: its own if that will do."""
    return alias if alias.startswith(LISTED_BY_CLAUDE) else SHOWN_AS + alias
