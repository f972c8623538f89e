"""Cookies: read what a browser sent, write what it is to keep. Never one that a script or another site can read."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_VALUE = re.compile(r"[A-Za-z0-9_.~-]{1,512}")


class Cookies:
    """The cookies of one origin. Over https they are bound to the host; over http the port is in their name.

    Every port of 127.0.0.1 gets the same cookies: the name keeps two servers on one machine apart.
    """

    def __init__(self, origin: str) -> None:
        split = urlsplit(origin)
        self.secure = split.scheme == "https"
        self._start = "__Host-mini_llm_" if self.secure else f"mini_llm_{split.port or 80}_"

    def read(self, header: str, name: str) -> str:
        """Return the cookie *name*, "" if it was not sent, is malformed, or came more than once."""
        found = [
            value.strip()
            for key, equals, value in (part.partition("=") for part in header.split(";"))
            if equals and key.strip() == self._start + name
        ]
        return found[0] if len(found) == 1 and _VALUE.fullmatch(found[0]) else ""

    def written(self, name: str, value: str, *, seconds: int | None = None) -> tuple[str, str]:
        """Return the header field that has a browser keep *value*, until it is closed or for *seconds*."""
        if not _VALUE.fullmatch(value):
            raise ValueError("this can't stand in a cookie")
        return self._field(name, value, "" if seconds is None else f"; Max-Age={seconds}")

    def forgotten(self, name: str) -> tuple[str, str]:
        """Return the header field that has a browser forget the cookie."""
        return self._field(name, "", "; Max-Age=0")

    def _field(self, name: str, value: str, end: str) -> tuple[str, str]:
        secure = "; Secure" if self.secure else ""
        return "set-cookie", f"{self._start}{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{end}"
