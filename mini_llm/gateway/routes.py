"""The table of rooms. Whatever is not here is 404; each room says who may ask."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from mini_llm.gateway import control, counting, embeddings, health, models, passthrough, relay, scrape
from mini_llm.gateway.state import Room

Rooms = Mapping[str, Room]

_CHAT = Room(relay.openai_chat, "caller")
_MODELS = Room(models.many, "caller")
_PASSED = Room(passthrough.passed, "caller")
_PASSED_WITH_FILES = Room(passthrough.passed, "caller", body="json or files")
_ROOMS: Mapping[str, Rooms] = {
    "/": {"GET": Room(health.root, "open"), "HEAD": Room(health.root, "open")},
    "/livez": {"GET": Room(health.livez, "open")},
    "/readyz": {"GET": Room(health.readyz, "caller")},
    "/metrics": {"GET": Room(scrape.metrics, "caller")},
    "/v1/chat/completions": {"POST": _CHAT},
    "/v1/responses": {"POST": Room(relay.openai_responses, "caller", "openai_responses")},
    "/v1/messages": {"POST": Room(relay.anthropic_messages, "caller", "anthropic_messages")},
    "/v1/messages/count_tokens": {"POST": Room(counting.anthropic_messages, "caller", "anthropic_messages")},
    "/v1/responses/input_tokens": {"POST": Room(counting.openai_responses, "caller", "openai_responses")},
    "/v1/embeddings": {"POST": Room(embeddings.openai, "caller")},
    "/v1/completions": {"POST": _PASSED},
    "/v1/moderations": {"POST": _PASSED},
    "/v1/rerank": {"POST": _PASSED},
    "/v1/images/generations": {"POST": _PASSED},
    "/v1/images/edits": {"POST": _PASSED_WITH_FILES},
    "/v1/images/variations": {"POST": _PASSED_WITH_FILES},
    "/v1/audio/speech": {"POST": _PASSED},
    "/v1/audio/transcriptions": {"POST": _PASSED_WITH_FILES},
    "/v1/audio/translations": {"POST": _PASSED_WITH_FILES},
    "/v1/models": {"GET": _MODELS},
    "/v1beta/models": {"GET": _MODELS},
}
# What stands behind these may be any model's name, with slashes and colons in it; a POST says behind a last colon what
# it wants of that model.
_OF_A_MODEL = ("/v1/models/", "/v1beta/models/")
_MODEL = Room(models.one, "caller")
_ACTIONS: Mapping[str, Room] = {
    "generateContent": Room(relay.gemini, "caller", "gemini"),
    "streamGenerateContent": Room(relay.gemini, "caller", "gemini"),
    "countTokens": Room(counting.gemini, "caller", "gemini"),
    "embedContent": Room(embeddings.gemini, "caller", "gemini"),
    "batchEmbedContents": Room(embeddings.gemini, "caller", "gemini"),
}
_LONGEST = 1000


def find(path: str) -> Rooms | None:
    """Return the rooms at *path* by method, None if there is nothing."""
    rooms = _ROOMS.get(path)
    if rooms is not None:
        return rooms
    if path.startswith(control.PREFIX):
        return control.find(path)
    if path.startswith(_OF_A_MODEL) and not path.endswith("/") and len(path) <= _LONGEST:
        model, _, action = path.rpartition(":")
        room = None if model.endswith("/") else _ACTIONS.get(action)
        return {"GET": _MODEL, "POST": room} if room else {"GET": _MODEL}
    return None


def table() -> Iterator[tuple[str, str, Room]]:
    """Yield every method and path there is with its room; `{model}` stands for a model's name."""
    for path, rooms in _ROOMS.items():
        yield from ((method, path, room) for method, room in rooms.items())
    for prefix in _OF_A_MODEL:
        yield "GET", f"{prefix}{{model}}", _MODEL
        yield from (("POST", f"{prefix}{{model}}:{action}", room) for action, room in _ACTIONS.items())
    yield from control.table()


def nearest(path: str) -> str:
    """Return words that lead from a wrong *path* to the right one, "" if none is near."""
    bare = path.rstrip("/")
    for known in (bare, f"/v1{bare}", bare.replace("/v1/v1/", "/v1/")):
        if known in _ROOMS:
            return f"; {known} is what you want"
    close = difflib.get_close_matches(bare[:200], _ROOMS, 1, 0.75)
    return f"; did you mean {close[0]}?" if close else ""
