"""Invitations: a link that makes whoever holds it a member, once, and while who made it may still invite so."""

from __future__ import annotations

from typing import Any, NamedTuple

from mini_llm.team import entered, ids, people
from mini_llm.team.accounts import Account
from mini_llm.team.errors import ForbiddenError, InvalidError, MissingError
from mini_llm.team.roles import RANK, Actor, Member, Role
from mini_llm.team.store import Db

LASTS_SECONDS = 7 * 86400.0

INVITES = """
SELECT invite.id, invite.team, team.name, role, email, created_by, invite.created_at, expires_at
FROM invite JOIN team ON team.id = invite.team WHERE ended_at IS NULL AND expires_at > ?
  AND (created_by = 'operator' OR EXISTS (
    SELECT 1 FROM member WHERE member.team = invite.team AND member.id = created_by AND removed_at IS NULL
      AND (member.role = 'owner' OR (member.role = 'admin' AND invite.role != 'owner'))))
"""
BY_DIGEST = f"{INVITES} AND digest = ?"
OF_TEAM = f"{INVITES} AND invite.team = ? ORDER BY invite.created_at DESC, invite.id"
ADD = """
INSERT INTO invite (id, digest, team, role, email, created_by, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
TAKE = "UPDATE invite SET ended_at = ?, accepted_by = ? WHERE id = ? AND ended_at IS NULL"
WITHDRAW = "UPDATE invite SET ended_at = ? WHERE team = ? AND id = ? AND ended_at IS NULL"


class Invite(NamedTuple):
    """An invitation that still holds. With an `email` only that account may accept it."""

    id: str
    team: str
    team_name: str
    role: Role
    email: str | None
    created_by: str
    created_at: float
    expires_at: float


def invite(
    db: Db, by: Actor, role: Role, email: str | None, now: float, *, lasts: float = LASTS_SECONDS
) -> tuple[Invite, str]:
    """Make an invitation to the team of *by*, an admin; return it and its token, which is told this once."""
    if not by.is_admin:
        raise ForbiddenError("only an admin invites")
    if role not in RANK:
        raise InvalidError(f'there is no role "{role[:40]}"', hint="owner, admin or member")
    if RANK[role] > RANK[by.role]:
        raise ForbiddenError(f"only an owner invites an {role}")
    token = db.tokens.new("invite")
    digest = db.tokens.digest("invite", token)
    address = entered.email(email) if email else None
    db.execute(ADD, (ids.new("inv"), digest, by.team, role, address, by.id, now, now + lasts))
    found = look(db, token, now)
    if found is None:
        raise MissingError("there is no such team")
    return found, token


def look(db: Db, token: str, now: float) -> Invite | None:
    """Return the invitation that *token* stands for, None if it is unknown, used or over."""
    digest = db.tokens.digest("invite", token)
    return None if digest is None else _invite(db.row(BY_DIGEST, (now, digest)))


def accept(db: Db, token: str, account: Account, now: float) -> Member:
    """Make *account* a member as the invitation says; it is used up. MissingError if it does not hold any more."""
    found = look(db, token, now)
    if found is None:
        raise MissingError("this invitation does not hold any more", hint="ask for a new one")
    if found.email is not None and found.email != account.email:
        raise ForbiddenError(f"this invitation is for {found.email}", hint="sign in with that address")
    db.execute(TAKE, (now, account.id, found.id))
    return people.join(db, found.team, account.id, found.role, now)


def list_of(db: Db, by: Actor, now: float) -> list[Invite]:
    """Return the invitations that still hold, for admins."""
    if not by.is_admin:
        raise ForbiddenError("only an admin sees invitations")
    return [found for row in db.rows(OF_TEAM, (now, by.team)) if (found := _invite(row))]


def withdraw(db: Db, by: Actor, id: str, now: float) -> bool:
    """Take back an invitation; tell whether there was one that held."""
    if not by.is_admin:
        raise ForbiddenError("only an admin withdraws invitations")
    db.execute(WITHDRAW, (now, by.team, id))
    return db.changes() == 1


def _invite(row: Any) -> Invite | None:
    return None if row is None else Invite._make(row)
