"""Gemini CLI. Address and key come by its environment only; its settings say that a key is to be used at all.

https://google-gemini.github.io/gemini-cli/docs/get-started/authentication.html (2026-11). With another address and no
way chosen, 0.61.0 without a terminal ends with "Invalid auth method selected".
"""

from __future__ import annotations

from pathlib import Path

from mini_llm.setup import formats, tree
from mini_llm.setup.environment import google
from mini_llm.setup.tool import Change, Offer, Piece, Place, RefusedError, Start, Tool

WAY = ("security", "auth", "selectedType")
BY_KEY = "gemini-api-key"


def settings(place: Place) -> Path:
    """Return its settings file."""
    return place.told("GEMINI_CLI_HOME", place.home) / ".gemini" / "settings.json"


def changes(offer: Offer, place: Place) -> tuple[Change, ...]:
    """Return the way it signs in: with a key."""
    return (Change(settings(place), "jsonc", (Piece(WAY, BY_KEY),)),)


def start(offer: Offer, place: Place) -> Start:
    """Return its environment. Without a model's name it first asks one of Google's which to take."""
    way = tree.get(formats.said("jsonc", settings(place)), WAY)
    if way != BY_KEY:
        how = "signs in in no way that was chosen" if way is tree.ABSENT else f"signs in by {way}"
        raise RefusedError(
            f"Gemini CLI {how}, not with a key", hint="`mini-llm setup gemini` changes that, with --undo"
        )
    told = google(offer)
    if offer.named or not offer.native("gemini-"):
        told["GEMINI_MODEL"] = offer.model
    return Start(told)


TOOL = Tool(
    name="gemini",
    title="Gemini CLI",
    route="gemini",
    programs=("gemini",),
    signs=lambda place: (settings(place).parent,),
    changes=changes,
    start=start,
    steps=lambda offer, place: ("start it with `mini-llm run gemini`: address and key are never in its settings",),
)
