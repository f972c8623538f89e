"""Take over keys that lie about: shown masked, asked one by one, kept where secrets are kept."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from mini_llm.cli import output
from mini_llm.cli.flags import Flags, interactive
from mini_llm.errors import UsageError

if TYPE_CHECKING:
    from mini_llm.runtime import Runtime
    from mini_llm.setup.keys import Found


class Wish(NamedTuple):
    """How it was asked for."""

    yes: bool
    dry_run: bool
    insecure: bool
    require_keyring: bool
    as_json: bool


class Row(NamedTuple):
    """One key and what becomes of it. `fate` is found, taken, left or known."""

    found: Found
    fate: str
    reference: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values; the keys are stable."""
        told = self.found
        return {
            "provider": told.provider,
            "key": told.masked,
            "from": told.where,
            "fate": self.fate,
            "reference": self.reference,
        }


def take(known: Flags, wish: Wish) -> None:
    """Find, ask, store, tell."""
    from mini_llm.cli import names
    from mini_llm.setup import keys
    from mini_llm.setup.tool import Place

    runtime = known.runtime()
    found = keys.search(runtime.registry, Place(known.environ, sys.platform), known.folder())
    for one in found:
        runtime.credentials.hide(one.value)
    if found and not (wish.yes or wish.dry_run or interactive()):
        raise UsageError(
            f"{output.count(len(found), 'key')} found, and nobody is here to ask about them",
            hint="`mini-llm config import --dry-run` shows them, --yes takes them all",
        )
    rows: list[Row] = []
    for one in found:
        rows.append(_decide(known, runtime, wish, one, {row.found.provider for row in rows if row.fate == "taken"}))
    if any(row.fate == "taken" for row in rows):
        names.remember_anew(known)
    _tell(known, wish, rows)


def _decide(known: Flags, runtime: Runtime, wish: Wish, one: Found, taken: set[str]) -> Row:
    settings = runtime.loaded.config.providers.get(one.provider)
    if one.provider in taken or (settings and (settings.api_key or settings.api_keys)):
        return Row(one, "known")
    if wish.dry_run:
        return Row(one, "found")
    question = f"Take the key {one.masked} of {one.provider} from {output.clean(one.where)}?"
    if wish.yes and one.loose:  # with a stranger's key, a stranger sees what is asked
        known.say(f"left the key of {one.provider} from {one.where}: say yes to it yourself, without --yes")
        return Row(one, "left")
    if not wish.yes and not typer.confirm(question, default=not one.loose, err=True):
        return Row(one, "left")
    return Row(one, "taken", _store(known, runtime, wish, one))


def _store(known: Flags, runtime: Runtime, wish: Wish, one: Found) -> str:
    """Keep the key bound to its provider's address, and return the reference that the config has now."""
    from mini_llm.config import origin_of, set_value
    from mini_llm.config.keys import join

    origin = origin_of(runtime.registry.get(one.provider).base_url)
    storage = {"insecure": wish.insecure, "require_keyring": wish.require_keyring}
    stored = runtime.credentials.store(one.provider, one.value, origin=origin, **storage)
    set_value(runtime.loaded.paths, join(("providers", one.provider, "apiKey")), stored.reference)
    known.say(f"took {one.provider} from {one.where}: {stored.announced or f'it is in {stored.where}'}")
    return stored.reference


def _tell(known: Flags, wish: Wish, rows: list[Row]) -> None:
    if wish.as_json:
        output.json([row.to_dict() for row in rows])
    elif not rows:
        known.say("no key was found in the environment, this folder's .env or other tools")
    elif wish.dry_run:
        words = {"found": "would be taken", "known": "has a key already"}
        shown = [(row.found.provider, row.found.masked, row.found.where, words[row.fate]) for row in rows]
        output.table(("PROVIDER", "KEY", "FROM", ""), shown, color=known.colour())
    else:
        for row in rows:
            if row.fate == "known":
                known.say(f"{row.found.provider} has a key already; the one from {row.found.where} was left")
        if any(row.fate == "taken" for row in rows):
            known.say("try them: `mini-llm providers test`")
