"""Pictures and files between data URLs, plain base64 and links."""

from __future__ import annotations

import base64
import binascii

# How the base64 of a picture begins, for callers that do not say what it is.
_BEGINNINGS = {"iVBORw": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"}


def split_data_url(url: str) -> tuple[str, str] | None:
    """Return (media type, base64) of a base64 data URL; None for any other URL."""
    if url[:5].lower() != "data:":
        return None
    head, comma, data = url[5:].partition(",")
    media_type, _, encoding = head.rpartition(";")
    if not comma or encoding.strip().lower() != "base64":
        return None
    return media_type.split(";")[0].strip().lower(), data


def data_url(media_type: str, data: str) -> str:
    """Return base64 *data* as a URL."""
    return f"data:{media_type};base64,{data}"


def picture_type(data: str) -> str:
    """Return the media type that the base64 *data* of a picture looks like; PNG if it looks like none."""
    return next((found for start, found in _BEGINNINGS.items() if data.startswith(start)), "image/png")


def text_of(data: str) -> str | None:
    """Return the UTF-8 text inside base64 *data*; None if there is none."""
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def base64_of(text: str) -> str:
    """Return *text* as base64."""
    return base64.b64encode(text.encode()).decode()
