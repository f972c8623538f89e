r"""JSON with half a character in it: `"\ud83d"` without the `\ude00` that makes a face of it.

Whoever cuts text by UTF-16 units writes such JSON (JavaScript does), and strict parsers refuse it. Here what was said
is kept: two halves in a row are joined, one that stays alone becomes U+FFFD.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # whole
    rb"|\\u[dD](?:(?P<first>[89abAB])|(?P<second>[c-fC-F]))[0-9a-fA-F]{2}"
    rb"|\\.",
    re.DOTALL,
)
_UNKNOWN = rb"\ufffd"


def loads(raw: bytes | str) -> Any:
    """Return what JSON *raw* holds. Raises orjson.JSONDecodeError for anything worse than halves and bad UTF-8."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        mended = _mended(raw.encode("utf-8", "replace") if isinstance(raw, str) else raw)
        if mended is None:
            raise
        return orjson.loads(mended)


def ends_in_half(raw: bytes) -> bool:
    """Whether a string in *raw* ends with the first half of a character."""
    return _last_half(raw) is not None


def joined(raw: bytes, following: bytes) -> tuple[bytes, bytes]:
    """Return both, the half at the end of a string in *raw* moved to where *following* begins one with the other."""
    half = _last_half(raw)
    other = next((found for found in _ESCAPES.finditer(following) if found["second"]), None)
    if half is None or other is None or following[other.start() - 1 : other.start()] != b'"':
        return raw, following
    at = other.start()
    return raw[: half.start()] + raw[half.end() :], following[:at] + half[0] + following[at:]


def _last_half(raw: bytes) -> re.Match[bytes] | None:
    halves = [
        found for found in _ESCAPES.finditer(raw) if found["first"] and raw[found.end() : found.end() + 1] == b'"'
    ]
    return halves[-1] if halves else None


def _mended(raw: bytes) -> bytes | None:
    """Return *raw* with U+FFFD for what is no character; None if nothing is wrong with its characters."""
    whole = raw.decode("utf-8", "replace").encode()
    mended = _ESCAPES.sub(lambda found: _UNKNOWN if found["first"] or found["second"] else found[0], whole)
    return None if mended == raw else mended
