"""The table of rooms. Whatever is not here is 404; each room says who may ask."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from mini_llm.gateway import health, relay
from mini_llm.gateway.state import Room

Rooms = Mapping[str, Room]

_CHAT = Room(relay.openai_chat, "caller")
_ROOMS: Mapping[str, Rooms] = {
    "/": {"GET": Room(health.root, "open"), "HEAD": Room(health.root, "open")},
    "/livez": {"GET": Room(health.livez, "open")},
    "/readyz": {"GET": Room(health.readyz, "caller")},
    "/v1/chat/completions": {"POST": _CHAT},
    "/v1/responses": {"POST": Room(relay.openai_responses, "caller", "openai_responses")},
    "/v1/messages": {"POST": Room(relay.anthropic_messages, "caller", "anthropic_messages")},
}
_GEMINI = {
    "generateContent": Room(relay.gemini, "caller", "gemini"),
    "streamGenerateContent": Room(relay.gemini, "caller", "gemini"),
}
_GEMINI_PATH = re.compile(r"/v1(?:beta)?/models/[^?]{1,600}:(\w{1,40})")


def find(path: str) -> Rooms | None:
    """Return the rooms at *path* by method, None if there is nothing."""
    rooms = _ROOMS.get(path)
    if rooms is not None:
        return rooms
    if (match := _GEMINI_PATH.fullmatch(path)) and (room := _GEMINI.get(match[1])):
        return {"POST": room}
    return None


def nearest(path: str) -> str:
    """Return words that lead from a wrong *path* to the right one, "" if none is near."""
    bare = path.rstrip("/")
    for known in (bare, f"/v1{bare}", bare.replace("/v1/v1/", "/v1/")):
        if known in _ROOMS:
            return f"; {known} is what you want"
    close = difflib.get_close_matches(bare[:200], _ROOMS, 1, 0.75)
    return f"; did you mean {close[0]}?" if close else ""
