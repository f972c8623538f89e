"""Hide secrets in any text: those that were seen, in the forms they travel in, and what looks like one.

There is no off switch.
"""

from __future__ import annotations

import re
from base64 import b64encode
from json import dumps
from urllib.parse import quote, quote_plus

HIDDEN = "[redacted]"
CUT = "…"  # where a message was shortened
_SHORTEST = 8

# Keys by the prefixes their makers gave them, and what stands where keys stand. There, only what holds a digit or
# changes case in the middle counts: "bearer authentication" is no secret.
_SHAPES = re.compile(
    r"""
    (?<![A-Za-z0-9])(?:
        (?: sk | pk | rk | csk | gsk | sess )[-_][A-Za-z0-9_-]{12,}
      | (?: xai- | nvapi- | pplx- | hf_ | r8_ | tgp_ | fw_ )[A-Za-z0-9_-]{12,}
      | ml-[A-Za-z0-9_-]{32,}
      | AIza[A-Za-z0-9_-]{20,}
      | gh[pousr]_[A-Za-z0-9]{16,} | github_pat_[A-Za-z0-9_]{16,}
      | AKIA[A-Z0-9]{12,} | ya29\.[A-Za-z0-9_-]{16,}
      | eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*
    )
  | (?P<before>
        \b(?i: bearer | basic )[ ]+
      | (?i: api[-_]?key | access[-_]token | client[-_]secret )["']?\s*[:=]\s*["']?
    ) (?=[^\s0-9]*[0-9]|\S*[a-z][A-Z]) [^\s"',;&]{8,}
  | (?P<query> [?&](?i: key | token | secret | signature )= ) [^\s"'&\#]{4,}
  | (?P<userinfo> :// ) [^\s/?\#@"']{1,200} @
    """,
    re.VERBOSE,
)


class Redactor:
    """Knows the live secrets of this process."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._compiled: tuple[int, re.Pattern[str] | None] = (0, None)  # of how many forms

    def learn(self, value: str) -> None:
        """Hide this value from now on. One shorter than 8 characters would hide ordinary words."""
        if len(value) >= _SHORTEST and value not in self._forms:
            self._forms.update(_forms(value))

    def redact(self, text: str) -> str:
        """Return the text without secrets."""
        if pattern := self._pattern():
            text = pattern.sub(HIDDEN, text)
        if text.endswith(CUT):
            text = self._without_a_beginning(text)
        return _SHAPES.sub(_hide, text)

    def _pattern(self) -> re.Pattern[str] | None:
        """Return what finds every secret learned so far; another thread may be learning one just now."""
        seen, pattern = self._compiled
        if seen != len(self._forms):
            longest_first = sorted(self._forms, key=len, reverse=True)
            pattern = re.compile("|".join(map(re.escape, longest_first)))
            self._compiled = (len(longest_first), pattern)
        return pattern

    def _without_a_beginning(self, text: str) -> str:
        """Hide the beginning of a secret that stands where *text* was shortened."""
        kept = text.removesuffix(CUT)
        for form in tuple(self._forms):
            for size in range(len(form) - 1, _SHORTEST - 1, -1):
                if kept.endswith(form[:size]):
                    return f"{kept[:-size]}{HIDDEN}{CUT}"
        return text


def _hide(found: re.Match[str]) -> str:
    kept = found["before"] or found["query"] or found["userinfo"] or ""
    return f"{kept}{HIDDEN}{'@' if found['userinfo'] else ''}"


def _forms(value: str) -> set[str]:
    """Return a value as it may show up: itself, in a URL, in JSON, in base64 at each of the three offsets."""
    try:
        raw = value.encode()
    except UnicodeEncodeError:
        return {value}
    forms = {value, quote(value, safe=""), quote_plus(value), dumps(value)[1:-1]}
    for before in range(3):
        coded = b64encode(b"\0" * before + raw).decode().rstrip("=")
        whole = (before + len(raw)) % 3 == 0
        part = coded[(0, 2, 3)[before] : None if whole else -1]  # the ends also hold bits of what stands beside it
        if len(part) >= _SHORTEST:
            forms |= {part, part.replace("+", "-").replace("/", "_")}
    return forms
