"""What is set up: the providers, where their keys are, and whether they can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mini_llm.errors import MiniLLMError

if TYPE_CHECKING:
    from mini_llm.runtime import Runtime


def names(runtime: Runtime) -> list[str]:
    """Return the config's providers first, then those whose key is in the environment."""
    usable = [provider.name for provider in runtime.registry.configured()]
    return list(dict.fromkeys([*runtime.loaded.config.providers, *usable]))


def described(runtime: Runtime, name: str) -> dict[str, Any]:
    """Return what a table says of a provider; the keys are stable. `mend` is what to do if it cannot be used."""
    row = {"name": name, "key": "", "base_url": "", "dialect": "", "health": "ok", "usable": True, "mend": ""}
    try:
        provider = runtime.registry.get(name)
        row |= {"base_url": provider.base_url, "dialect": provider.dialect}
        references = [key for key in runtime.registry.key_references(provider) if key]
        places = dict.fromkeys(runtime.credentials.describe(reference) for reference in references)
        row["key"] = ", ".join(places) or "none needed"
        for reference in references:
            _find(runtime, reference, provider.base_url)
    except MiniLLMError as error:
        row |= {"health": error.message, "usable": False, "mend": error.hint}
    return row


def _find(runtime: Runtime, reference: str, base_url: str) -> None:
    """Look whether the key is really there; a command is not run for that."""
    from mini_llm.credentials import origin_of

    if reference.startswith("cmd:"):
        return
    runtime.credentials.find(reference, origin=origin_of(base_url))
