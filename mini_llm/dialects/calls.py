"""Tool calls between wires that write their arguments as JSON text and wires that write them as an object."""

from __future__ import annotations

import hashlib

import orjson

from mini_llm.dialects import surrogates
from mini_llm.types import Json

# An object must hold the arguments. Those that are none (cut off, badly made by a model) stand under this name in it.
MALFORMED = "malformed_arguments"


def made_up_id(answer: str, at: int) -> str:
    """Return an id for the call *at* of an *answer* that gave it none: the same each time, and another each answer."""
    raw = answer.encode("utf-8", "surrogatepass")
    return f"call_{hashlib.blake2b(raw, digest_size=6).hexdigest()}_{at}"


def object_of(arguments: str) -> Json:
    """Return JSON text *arguments* as an object."""
    try:
        value = surrogates.loads(arguments) if arguments.strip() else {}
    except orjson.JSONDecodeError:
        return {MALFORMED: arguments}
    return value if isinstance(value, dict) else {MALFORMED: arguments}


def is_whole(arguments: str) -> bool:
    """Whether *arguments* are a JSON object, or nothing."""
    return MALFORMED not in object_of(arguments)


def malformed(given: Json) -> str | None:
    """Return the text that `object_of` could not read, if that is all that *given* holds."""
    text = given.get(MALFORMED) if len(given) == 1 else None
    return text if isinstance(text, str) else None
