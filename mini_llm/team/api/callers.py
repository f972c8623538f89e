"""Whose API key a request carries: looked up in the team's file, and remembered for a few seconds by its SHA-256."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from mini_llm.errors import MiniLLMError
from mini_llm.gateway.tokens import SHAPE, Caller
from mini_llm.team import keys, people, teams
from mini_llm.team.api.answers import UnknownKeyError
from mini_llm.team.keys import Key
from mini_llm.team.roles import Member
from mini_llm.team.store import Db, Store
from mini_llm.team.tokens import Tokens

FRESH_SECONDS = 3.0  # what is revoked, or made, counts after so long at the latest; five are promised
MOST_KNOWN = 20_000


class Holder(NamedTuple):
    """A key that is good, whose it is, and the terms of its team."""

    key: Key
    member: Member
    terms: teams.Terms


class KeyHolders:
    """The callers of a team server, by the digest of the whole key."""

    def __init__(self, store: Store, tokens: Tokens, *, now: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._tokens = tokens
        self._now = now
        self._known: dict[bytes, tuple[float, Holder | None]] = {}
        self._by_id: dict[str, Holder] = {}  # never more than there are keys: a request may still be on its way

    def find(self, token: str) -> Caller | None:
        """Return who *token* stands for, None if it is no key that is good now. Raises StoreError."""
        if not SHAPE.fullmatch(token):
            return None
        digest, now = sha256(token.encode("ascii")).digest(), self._now()
        until, holder = self._known.get(digest, (0.0, None))
        if until <= now:
            holder = self._looked_up(digest, token, now)
        if holder is None or _is_over(holder.key, self._store.now()):
            return None
        return Caller(holder.key.id, "")

    def stranger(self) -> MiniLLMError:
        """Return what is told to who is not let in."""
        return UnknownKeyError()

    def holder(self, id: str) -> Holder:
        """Return the holder of the key with that id, who was let in a moment ago."""
        return self._by_id[id]

    def _looked_up(self, digest: bytes, token: str, now: float) -> Holder | None:
        """Look in the file: a few pages that lie in memory, on the loop, so that who is refused sends no body."""
        wall = self._store.now()
        is_key = self._tokens.digest("key", token) is not None  # by its form: most that is none asks no database
        holder = self._store.look(lambda db: _holder(db, token, wall)) if is_key else None
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[digest] = (now + FRESH_SECONDS, holder)
        if holder is not None:
            self._by_id[holder.key.id] = holder
        return holder


def _holder(db: Db, token: str, wall: float) -> Holder | None:
    key = keys.find(db, token, wall)
    member = people.member(db, key.team, key.member) if key else None
    team = teams.find(db, key.team) if key else None
    return Holder(key, member, team.terms) if key and member and team else None


def _is_over(key: Key, wall: float) -> bool:
    return key.rights.expires_at is not None and key.rights.expires_at <= wall
