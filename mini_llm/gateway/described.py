"""Providers and decisions as plain JSON values, as the command line and the control API tell them. Light to load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mini_llm.errors import MiniLLMError

if TYPE_CHECKING:
    from mini_llm.routing import Decision
    from mini_llm.runtime import Runtime

NO_KEY = "none needed"


def names(runtime: Runtime) -> list[str]:
    """Return the config's providers first, then those whose key is in the environment."""
    usable = [provider.name for provider in runtime.registry.configured()]
    return list(dict.fromkeys([*runtime.loaded.config.providers, *usable]))


def provider(runtime: Runtime, name: str) -> dict[str, Any]:
    """Return what a table says of a provider; the keys are stable. `mend` is what to do if it cannot be used."""
    row = {"name": name, "key": "", "base_url": "", "dialect": "", "health": "ok", "usable": True, "mend": ""}
    try:
        found = runtime.registry.get(name)
        row |= {"base_url": found.base_url, "dialect": found.dialect}
        references = [key for key in runtime.registry.key_references(found) if key]
        places = dict.fromkeys(runtime.credentials.describe(reference) for reference in references)
        row["key"] = ", ".join(places) or NO_KEY
        for reference in references:
            _find(runtime, reference, found.base_url)
    except MiniLLMError as error:
        row |= {"health": error.message, "usable": False, "mend": error.hint}
    return row


def decision(made: Decision) -> dict[str, Any]:
    """Return a decision as plain JSON values; the keys are stable."""
    return {
        "asked": made.asked,
        "route": made.route,
        "strategy": made.strategy,
        "line": made.line(),
        "max_attempts": made.max_attempts,
        "targets": [
            {
                "target": str(choice.target),
                "provider": choice.target.provider,
                "model": choice.target.model,
                "reason": choice.reason,
                "expected_cost_nanos": choice.expected_nanos,
            }
            for choice in made.choices
        ],
        "skipped": [{"target": str(target), "reason": reason} for target, reason in made.skipped],
    }


def _find(runtime: Runtime, reference: str, base_url: str) -> None:
    """Look whether the key is really there; a command is not run for that."""
    from mini_llm.credentials import origin_of

    if reference.startswith("cmd:"):
        return
    runtime.credentials.find(reference, origin=origin_of(base_url))
