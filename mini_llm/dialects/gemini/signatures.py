"""Signatures of thoughts, which stand on any part of an answer and must come back on it.

Among our words a signature is a Reasoning that says nothing else, before the part it signs; a call has its own place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from mini_llm.dialects.gemini.words import NAME
from mini_llm.types import Audio, Document, Image, Json, Part, Reasoning, Text

# From Gemini 3 on a call must come back with its signature. This one, in base64, is for calls that others made.
# https://ai.google.dev/gemini-api/docs/thought-signatures (2026-11)
UNSIGNED = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="


def signed(parts: Iterable[Part], write: Callable[[int, Part], Json | None]) -> Iterator[Json]:
    """Yield what *write* makes of *parts*, each signature on the part after it, or on an empty one of its own."""
    signature = ""
    for at, part in enumerate(parts):
        if signature and not isinstance(part, (Text, Image, Audio, Document)):
            yield alone(signature)
            signature = ""
        if isinstance(part, Reasoning) and part.dialect == NAME and part.signature and not part.text:
            signature = part.signature
        elif (written := write(at, part)) is not None:
            yield written | {"thoughtSignature": signature} if signature else written
            signature = ""
    if signature:
        yield alone(signature)


def alone(signature: str) -> Json:
    """Return the part that holds nothing but *signature*."""
    return {"text": "", "thoughtSignature": signature}


def sign(parts: list[Json]) -> None:
    """Put a signature on the first call of a turn that came without: the others need none."""
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None:
        first.setdefault("thoughtSignature", UNSIGNED)
