"""What people typed, as it is stored and searched for."""

from __future__ import annotations

import re
import unicodedata

from mini_llm.team.errors import InvalidError

LONGEST_NAME = 200
LONGEST_EMAIL = 254
LONGEST_SEARCH = 100

_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")


def email(typed: str) -> str:
    """Return an address as it is stored. InvalidError if it can't be one."""
    found = folded(typed)
    if len(found) > LONGEST_EMAIL or not _EMAIL.fullmatch(found) or not found.isprintable():
        raise InvalidError("that is no e-mail address")
    return found


def folded(typed: str) -> str:
    """Return an address without differences that mean nothing, to look for it."""
    return storable(unicodedata.normalize("NFKC", typed[: 2 * LONGEST_EMAIL].strip()).casefold())


def name(typed: str, whose: str) -> str:
    """Return a name as it is stored: printable, without spaces at its ends. InvalidError if nothing is left."""
    kept = "".join(letter for letter in typed if letter.isprintable()).strip()[:LONGEST_NAME]
    if not kept:
        raise InvalidError(f"{whose} needs a name")
    return storable(kept)


def pattern(search: str) -> str:
    """Return the LIKE pattern for texts that contain *search* as it is written; "" for no search."""
    cut = storable(search.strip()[:LONGEST_SEARCH])
    return f"%{_escaped(cut)}%" if cut else ""


def storable(text: str) -> str:
    """Return *text* without what is no UTF-8: half a surrogate pair."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
