"""The server's side of device login (RFC 8628): a program shows a code, a member says yes, the program gets a key."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from mini_llm.team import ids, keys, people, teams
from mini_llm.team.errors import InvalidClientError, InvalidScopeError, MissingError, TooManyTriesError
from mini_llm.team.rights import SCOPES, Allowance, Rights, narrowed, read_models, written_models
from mini_llm.team.roles import Member
from mini_llm.team.store import Db
from mini_llm.team.tokens import new_code

CLIENTS = frozenset({"mini-llm-cli"})
LIFETIME_SECONDS = 600
INTERVAL_SECONDS = 5
SLOWER_SECONDS = 5
SLACK_SECONDS = 0.5  # that a poll may come early: networks are not clocks
WRONG_CODES = 5
WRONG_SECONDS = 60.0
KEPT_SECONDS = 3600.0  # that a login which is over can still be told so
LONGEST = 100

ADD = """
INSERT INTO device_grant (id, device_digest, code_digest, client, device, place, scope, state, created_at, expires_at,
                          interval) VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?, ?)
"""
BY_CODE = """
SELECT id, client, device, place, scope, expires_at FROM device_grant
WHERE code_digest = ? AND state = 'pending' AND expires_at > ?
"""
PENDING = "SELECT scope, expires_at FROM device_grant WHERE id = ? AND state = 'pending'"
APPROVE = """
UPDATE device_grant SET state = 'approved', team = ?, member = ?, models = ?, scopes = ?, key_expires_at = ?,
  budget_nanos = ?, budget_period = ? WHERE id = ? AND state = 'pending'
"""
DENY = "UPDATE device_grant SET state = 'denied' WHERE id = ? AND state = 'pending'"
BY_DEVICE = """
SELECT id, client, device, scope, state, expires_at, interval, polled_at, team, member, models, scopes, key_expires_at,
       budget_nanos, budget_period, created_at
FROM device_grant WHERE device_digest = ?
"""
POLLED = "UPDATE device_grant SET polled_at = ?, interval = ? WHERE id = ?"
TAKEN = "UPDATE device_grant SET state = 'issued' WHERE id = ?"
FORGET = "DELETE FROM device_grant WHERE expires_at <= ?"
MISSED = "SELECT count(*), min(time) FROM miss WHERE kind = 'code' AND subject = ? AND time > ?"
MISS = "INSERT INTO miss (kind, subject, time) VALUES ('code', ?, ?)"
FORGET_MISSES = "DELETE FROM miss WHERE time <= ?"


class Grant(NamedTuple):
    """What a program is answered that wants to log in."""

    device_code: str
    user_code: str
    expires_in: int
    interval: int


class Pending(NamedTuple):
    """A login that waits for a yes: what the page shows."""

    id: str
    client: str
    device: str
    place: str
    scope: str
    expires_at: float


class Waiting(NamedTuple):
    """Nobody has decided yet."""


class SlowDown(NamedTuple):
    """It asks too often: from now on every `interval` seconds."""

    interval: int


class Denied(NamedTuple):
    """A member said no."""


class Expired(NamedTuple):
    """It took too long."""


class Invalid(NamedTuple):
    """No such code, one that was used, or another program's."""


class Issued(NamedTuple):
    """The key, told this once."""

    access_token: str
    refresh_token: str | None
    expires_in: int | None
    scope: str
    key: keys.Key


Answer: TypeAlias = Waiting | SlowDown | Denied | Expired | Invalid | Issued


def begin(
    db: Db,
    client: str,
    device: str,
    place: str,
    scope: str,
    now: float,
    *,
    lifetime: int = LIFETIME_SECONDS,
    interval: int = INTERVAL_SECONDS,
) -> Grant:
    """Start a login. InvalidClientError, InvalidScopeError: those are not ours."""
    if client not in CLIENTS:
        raise InvalidClientError("this program is not known here")
    wanted = frozenset(scope.split()) or SCOPES
    if not wanted <= SCOPES:
        raise InvalidScopeError(f"scopes are {' and '.join(sorted(SCOPES))}")
    db.execute(FORGET, (now - KEPT_SECONDS,))
    device_code, user_code = db.tokens.new("device"), new_code()
    digests = (db.tokens.digest("device", device_code), db.tokens.code_digest(user_code))
    told = (client, _shown(device), _shown(place), " ".join(sorted(wanted)))
    db.execute(ADD, (ids.new("grant"), *digests, *told, now, now + lifetime, interval))
    return Grant(device_code, user_code, lifetime, interval)


def look(db: Db, user_code: str, account: str, address: str, now: float) -> Pending | None:
    """Return the login that waits under *user_code*, None if there is none. Call it in `store.write`: it counts.

    TooManyTriesError after five wrong codes within a minute of one account, or from one address.
    """
    for subject in (account, address):
        count, first = db.row(MISSED, (subject, now - WRONG_SECONDS))
        if count >= WRONG_CODES:
            raise TooManyTriesError(
                "too many wrong codes", hint="wait a minute", retry_after=max(1.0, first + WRONG_SECONDS - now)
            )
    digest = db.tokens.code_digest(user_code)
    found = None if digest is None else db.row(BY_CODE, (digest, now))
    if found is not None:
        return Pending._make(found)
    db.execute(FORGET_MISSES, (now - WRONG_SECONDS,))
    for subject in dict.fromkeys((account, address)):
        db.execute(MISS, (subject, now))
    return None


def approve(db: Db, grant: str, member: Member, rights: Rights, now: float) -> None:
    """Let the program have a key of *member* with *rights*, as far as member and scope allow them.

    MissingError if the login does not wait any more.
    """
    scope = _waiting(db, grant, now)
    allowed = narrowed(narrowed(rights, member.ceiling), Rights(scopes=frozenset(scope.split())))
    budget = allowed.budget or (None, None)
    told = (written_models(allowed.models), " ".join(sorted(allowed.scopes)), allowed.expires_at, *budget)
    db.execute(APPROVE, (member.team, member.id, *told, grant))


def deny(db: Db, grant: str, now: float) -> None:
    """Say no to a login that waits."""
    _waiting(db, grant, now)
    db.execute(DENY, (grant,))


def poll(db: Db, device_code: str, client: str, now: float) -> Answer:
    """Answer a program that asks whether it may. The key is made when it is first told that it has one."""
    digest = db.tokens.digest("device", device_code)
    found = None if digest is None else db.row(BY_DEVICE, (digest,))
    if found is None or found[1] != client or found[4] == "issued":
        return Invalid()
    id, _, _, _, state, expires_at, interval, polled_at, *_ = found
    if state == "denied":
        return Denied()
    if expires_at <= now:
        return Expired()
    early = polled_at is not None and 0 <= now - polled_at < interval - SLACK_SECONDS
    interval += SLOWER_SECONDS if early else 0
    db.execute(POLLED, (now, interval, id))
    if early:
        return SlowDown(int(interval))
    return Waiting() if state == "pending" else _issue(db, found, now)


def _issue(db: Db, found: Any, now: float) -> Answer:
    id, _, device, _, _, _, _, _, team, member, models, scopes, key_expires_at, nanos, period, _ = found
    owner, terms = people.member(db, team, member), teams.find(db, team)
    if owner is None or terms is None:
        return Denied()
    wanted = Rights(
        read_models(models),
        None if nanos is None else Allowance(nanos, period),
        key_expires_at,
        frozenset(scopes.split()),
    )
    rights = narrowed(wanted, owner.ceiling)  # they may have lost some since
    made = keys.issue(db, owner, device or "device", rights, owner, now, seconds=terms.terms.access_token_seconds)
    db.execute(TAKEN, (id,))
    return Issued(made.access_token, made.refresh_token, made.expires_in, " ".join(sorted(rights.scopes)), made.key)


def _waiting(db: Db, grant: str, now: float) -> str:
    """Return the scope of a login that waits for a yes."""
    found = db.row(PENDING, (grant,))
    if found is None or found[1] <= now:
        raise MissingError("this login does not wait any more", hint="run `mini-llm login` again")
    return str(found[0])


def _shown(text: str) -> str:
    """Return a program's word about itself as a page may show it."""
    return "".join(letter for letter in text[:LONGEST] if letter.isprintable()).strip()
