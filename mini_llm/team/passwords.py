"""Passwords: argon2id with the library's own defaults. Slow on purpose: never inside `store.write`."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from mini_llm.team.errors import InvalidError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 10
LONGEST = 256


def hashed(password: str) -> str:
    """Return what is stored of *password*. InvalidError if it is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidError(f"a password has {SHORTEST} to {LONGEST} characters")
    return _hasher().hash(password.encode("utf-8", "replace"))


def matches(stored: str | None, password: str) -> bool:
    """Tell whether *password* is the stored one. Takes as long where nothing is stored: who is known stays unknown."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        right = _hasher().verify(stored or _stand_in(), password[: LONGEST + 1].encode("utf-8", "replace"))
    except (VerificationError, InvalidHashError):
        return False
    return right and stored is not None


@cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher  # 15 ms, and only needed where somebody signs in

    return PasswordHasher()


@cache
def _stand_in() -> str:
    return _hasher().hash(b"nobody's password")
