"""What a page answers with. Every answer carries the same strict head, whatever it is."""

from __future__ import annotations

from typing import NamedTuple

HTML = ("content-type", "text/html; charset=utf-8")
# No script, nothing from elsewhere, in nobody's frame. `form-action` is why a company's sign-in begins with a link:
# browsers hold redirects that follow a form to it.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
STRICT = (
    ("content-security-policy", POLICY),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),  # `no-referrer` would make a form's Origin "null"
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
PRIVATE = ("cache-control", "no-store")
LASTING = ("cache-control", "public, max-age=31536000, immutable")
TLS_ONLY = ("strict-transport-security", "max-age=31536000")

Fields = tuple[tuple[str, str], ...]


class Answer(NamedTuple):
    """A whole answer: status, body, and the header fields beside those that all have."""

    status: int
    body: bytes = b""
    fields: Fields = (HTML, PRIVATE)

    def head(self, *, secure: bool) -> Fields:
        """Return all its header fields; *secure* where the page is reached by https."""
        return (*self.fields, *STRICT, *((TLS_ONLY,) if secure else ()))

    def with_fields(self, *fields: tuple[str, str]) -> Answer:
        """Return the answer with more header fields: cookies."""
        return self._replace(fields=(*self.fields, *fields))


def go(place: str) -> Answer:
    """Return an answer that leads to another page of ours, or to the company's sign-in."""
    return Answer(303, b"", (("location", place), PRIVATE))
