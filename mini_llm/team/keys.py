"""API keys: what a program shows to be let in. Shown once, kept as an HMAC, never allowed more than its maker.

A key has one or more access tokens. One that is made with a life in seconds comes with a refresh token, which is used
once; who shows an old one again has stolen it, or was robbed: the key is revoked, and with it the whole family.
"""

from __future__ import annotations

import hmac
from typing import Any, NamedTuple

from mini_llm.team import audit, budgets, entered, ids, people
from mini_llm.team.errors import ForbiddenError, InvalidError, MissingError, RightsError
from mini_llm.team.rights import Allowance, Rights, excess, narrowed, read_models, written_models
from mini_llm.team.roles import RANK, Actor, Member
from mini_llm.team.store import Db

RENEWABLE_SECONDS = 90 * 86400.0  # then somebody signs in again, however often it was refreshed
MOST_MODELS = 200
LONGEST_MODEL = 200
HINT_LETTERS = 4

KEYS = """
SELECT api_key.id, api_key.team, api_key.member, api_key.name, hint, api_key.models, scopes, api_key.expires_at,
       budget.nanos, budget.period, api_key.created_at, api_key.created_by, revoked_at, last_used_at, renewable_until
FROM api_key LEFT JOIN budget ON budget.scope = api_key.id
"""
ONE = f"{KEYS} WHERE api_key.team = ? AND api_key.id = ?"
LIST = f"""
{KEYS} WHERE api_key.team = ?1 AND (?2 IS NULL OR api_key.member = ?2) AND (?3 OR revoked_at IS NULL)
ORDER BY api_key.created_at DESC, api_key.id LIMIT 1000
"""
BY_TOKEN = f"""
{KEYS} JOIN access_token ON access_token.api_key = api_key.id WHERE digest = ?1
  AND revoked_at IS NULL AND (api_key.expires_at IS NULL OR api_key.expires_at > ?2)
  AND (access_token.expires_at IS NULL OR access_token.expires_at > ?2)
"""
ADD = """
INSERT INTO api_key (id, team, member, name, hint, models, scopes, expires_at, created_at, created_by, renewable_until)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
EDIT = "UPDATE api_key SET name = ?, models = ?, scopes = ?, expires_at = ? WHERE team = ? AND id = ?"
REVOKE = "UPDATE api_key SET revoked_at = ? WHERE team = ? AND id = ? AND revoked_at IS NULL"
TOUCH = "UPDATE api_key SET last_used_at = ?1 WHERE team = ?2 AND id = ?3 AND ifnull(last_used_at, 0) < ?1"
HINT = "UPDATE api_key SET hint = ? WHERE id = ?"
ADD_ACCESS = "INSERT INTO access_token (digest, api_key, expires_at) VALUES (?, ?, ?)"
ADD_REFRESH = "INSERT INTO refresh_token (digest, api_key) VALUES (?, ?)"
ACCESS = "SELECT digest, team, api_key.id FROM access_token JOIN api_key ON api_key.id = api_key WHERE digest = ?"
REFRESH = """
SELECT digest, team, api_key.id, used_at, revoked_at, renewable_until, api_key.expires_at
FROM refresh_token JOIN api_key ON api_key.id = api_key WHERE digest = ?
"""
USE = "UPDATE refresh_token SET used_at = ? WHERE digest = ? AND used_at IS NULL"
FORGET = "DELETE FROM access_token WHERE api_key = ? AND expires_at <= ?"


class Key(NamedTuple):
    """A key. `hint` is how its token ends; `rights` are its own, from `find` those that hold now."""

    id: str
    team: str
    member: str
    name: str
    hint: str
    rights: Rights
    created_at: float
    created_by: str
    revoked_at: float | None
    last_used_at: float | None
    renewable_until: float | None


class Issued(NamedTuple):
    """Tokens, told this once. Without a life in seconds there is no refresh token, and none is needed."""

    key: Key
    access_token: str
    refresh_token: str | None = None
    expires_in: int | None = None


def mint(db: Db, owner: Member, name: str, rights: Rights, by: Actor, now: float) -> tuple[Key, str]:
    """Make a key for *owner* that lives until it is revoked; return it and its token.

    RightsError if it may more than *owner* or *by* may: offer `rights.narrowed(wanted, owner.ceiling)`.
    """
    issued = issue(db, owner, name, rights, by, now)
    return issued.key, issued.access_token


def issue(
    db: Db, owner: Member, name: str, rights: Rights, by: Actor, now: float, *, seconds: int | None = None
) -> Issued:
    """Make a key for *owner*; with *seconds*, its access token lives so long and comes with a refresh token."""
    _may(by, owner)
    _check(rights, owner, by)
    id = ids.new("key")
    until = None if seconds is None else now + RENEWABLE_SECONDS
    words = (written_models(rights.models), " ".join(sorted(rights.scopes)), rights.expires_at)
    made = (id, owner.team, owner.id, entered.name(name, "a key"), "", *words, now, by.id, until)
    db.execute(ADD, made)
    budgets.put(db, owner.team, id, rights.budget, now)
    return _tokens(db, owner.team, id, seconds, rights.expires_at, now)


def find(db: Db, token: str, now: float) -> Key | None:
    """Return the key that *token* lets in: None if it is unknown, revoked or over, or its member was removed.

    Its rights are those that hold now: never more than its member's, whatever the key was made with.
    """
    digest = db.tokens.digest("key", token)
    if digest is None:
        return None
    key = _key(db.row(BY_TOKEN, (digest, now)))
    if key is None:
        return None
    owner = people.member(db, key.team, key.member)
    return None if owner is None else key._replace(rights=narrowed(key.rights, owner.ceiling))


def get(db: Db, viewer: Actor, id: str) -> Key:
    """Return a key of the viewer, or for an admin any of the team. MissingError if there is none."""
    found = _key(db.row(ONE, (viewer.team, id)))
    if found is None or not (viewer.is_admin or found.member == viewer.id):
        raise MissingError("there is no such key")
    return found


def list_of(db: Db, viewer: Actor, *, member: str | None = None, revoked: bool = False) -> list[Key]:
    """Return the viewer's keys, newest first; for an admin those of the team, or of one *member*."""
    whose = member if viewer.is_admin else viewer.id
    return [found for row in db.rows(LIST, (viewer.team, whose, revoked)) if (found := _key(row))]


def edit(db: Db, by: Actor, id: str, now: float, *, name: str | None = None, rights: Rights | None = None) -> Key:
    """Change a key's name or rights: never beyond what its owner and *by* may."""
    key, owner = _owned(db, by, id)
    if key.revoked_at is not None:
        raise InvalidError("this key is revoked")
    if rights is not None:
        _check(rights, owner, by)
        budgets.put(db, by.team, id, rights.budget, now)
    changed = rights or key.rights
    words = (written_models(changed.models), " ".join(sorted(changed.scopes)), changed.expires_at)
    db.execute(EDIT, (entered.name(name, "a key") if name is not None else key.name, *words, by.team, id))
    return get(db, by, id)


def revoke(db: Db, by: Actor, id: str, now: float) -> Key:
    """End a key for good: one's own, or as an admin anybody's."""
    key, _ = _owned(db, by, id)
    db.execute(REVOKE, (now, by.team, key.id))
    return get(db, by, id)


def revoke_token(db: Db, token: str, now: float) -> Key | None:
    """End the key that an access or refresh token belongs to (RFC 7009). None if it is no token of ours."""
    for digest, statement in ((db.tokens.digest("key", token), ACCESS), (db.tokens.digest("refresh", token), REFRESH)):
        found = None if digest is None else db.row(statement, (digest,))
        if found is not None:
            db.execute(REVOKE, (now, found[1], found[2]))
            return _key(db.row(ONE, (found[1], found[2])))
    return None


def rotate(db: Db, refresh_token: str, now: float) -> Issued | None:
    """Give new tokens for a refresh token, which is used up. None if it is not good; an old one ends its family.

    It raises nothing: what it revokes must stay revoked.
    """
    digest = db.tokens.digest("refresh", refresh_token)
    found = None if digest is None else db.row(REFRESH, (digest,))
    if found is None or digest is None or not hmac.compare_digest(found[0], digest):
        return None
    _, team, id, used, revoked, renewable, expires = found
    if revoked is not None or renewable is None or renewable <= now or (expires is not None and expires <= now):
        return None
    if used is not None:
        db.execute(REVOKE, (now, team, id))
        audit.note(db, team, "server", "key.reuse", id, "", now)
        return None
    key = _key(db.row(ONE, (team, id)))
    if key is None or people.member(db, team, key.member) is None:
        return None
    db.execute(USE, (now, digest))
    db.execute(FORGET, (id, now))
    return _tokens(db, team, id, _seconds(db, team), expires, now)


def touch(db: Db, team: str, id: str, now: float) -> None:
    """Note that a key was used."""
    db.execute(TOUCH, (now, team, id))


def _tokens(db: Db, team: str, id: str, seconds: int | None, expires_at: float | None, now: float) -> Issued:
    """Store new tokens of a key, and return them."""
    token = db.tokens.new("key")
    ends = None if seconds is None else now + seconds
    db.execute(ADD_ACCESS, (db.tokens.digest("key", token), id, ends))
    db.execute(HINT, (token[-HINT_LETTERS:], id))
    key = _key(db.row(ONE, (team, id)))
    assert key is not None
    if seconds is None:
        return Issued(key, token)
    refresh = db.tokens.new("refresh")
    db.execute(ADD_REFRESH, (db.tokens.digest("refresh", refresh), id))
    left = seconds if expires_at is None else min(seconds, int(expires_at - now))
    return Issued(key, token, refresh, left)


def _seconds(db: Db, team: str) -> int:
    found = db.execute("SELECT access_token_seconds FROM team WHERE id = ?", (team,)).get
    return int(found or 3600)  # the team gave up short lives meanwhile: this family keeps one


def _owned(db: Db, by: Actor, id: str) -> tuple[Key, Member]:
    """Return a key that *by* may change, and its owner."""
    key = get(db, by, id)
    owner = people.member(db, by.team, key.member)
    if owner is None:
        raise MissingError("this key's owner is no member any more")
    _may(by, owner)
    return key, owner


def _may(by: Actor, owner: Member) -> None:
    """Raise unless *by* may make and change keys of *owner*."""
    if by.team != owner.team:
        raise MissingError("there is no such member")
    if by.id != owner.id and (not by.is_admin or RANK[owner.role] > RANK[by.role]):
        raise ForbiddenError("only an admin manages other people's keys")


def _check(rights: Rights, owner: Member, by: Actor) -> None:
    """Raise RightsError unless both may all that *rights* allow."""
    names = rights.models or ()
    if len(names) > MOST_MODELS or any(not name or len(name) > LONGEST_MODEL for name in names):
        raise InvalidError(f"a key names at most {MOST_MODELS} models, each of 1 to {LONGEST_MODEL} characters")
    beyond = tuple(dict.fromkeys((*excess(rights, owner.ceiling), *excess(rights, by.ceiling))))
    if beyond:
        raise RightsError(
            f"a key can't be allowed more than its maker: {', '.join(beyond)}",
            hint="choose less, or ask an admin for more",
            excess=beyond,
        )


def _key(row: Any) -> Key | None:
    if row is None:
        return None
    budget = None if row[8] is None else Allowance(row[8], row[9])
    rights = Rights(read_models(row[5]), budget, row[7], frozenset(row[6].split()))
    return Key._make((*row[:5], rights, *row[10:]))
