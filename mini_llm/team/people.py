"""Members: accounts in a team, each with a role there.

Every act of management takes `by`: the Member who does it, or the Operator of the server, who works on its own machine.
"""

from __future__ import annotations

from typing import Any

from mini_llm.team import accounts, entered, ids, journal, teams
from mini_llm.team.errors import ConflictError, ForbiddenError, InvalidError, MissingError
from mini_llm.team.rights import Allowance, read_models, written_models
from mini_llm.team.roles import RANK, Actor, Member, Operator, Role
from mini_llm.team.store import Db

__all__ = ["Actor", "Member", "Operator", "Role"]

MEMBERS = """
SELECT member.id, account.id, member.team, email, account.name, role, models, budget.nanos, budget.period,
       member.created_at, team.name
FROM member JOIN account ON account.id = member.account JOIN team ON team.id = member.team
LEFT JOIN budget ON budget.scope = member.id
WHERE removed_at IS NULL
"""
MEMBER = f"{MEMBERS} AND member.team = ? AND member.id = ?"
MEMBER_OF = f"{MEMBERS} AND member.account = ? AND member.team = ?"
MEMBERSHIPS = f"{MEMBERS} AND member.account = ? ORDER BY member.created_at, member.id"
MEMBERS_LIKE = f"""
{MEMBERS} AND member.team = ?1 AND (?2 = '' OR email LIKE ?2 ESCAPE '\\' OR account.name LIKE ?2 ESCAPE '\\')
ORDER BY member.created_at, member.id LIMIT ?3
"""
ADD_MEMBER = "INSERT INTO member (id, team, account, role, models, created_at) VALUES (?, ?, ?, ?, ?, ?)"
EVER = "SELECT 1 FROM member WHERE account = ? LIMIT 1"
SET_ROLE = "UPDATE member SET role = ? WHERE team = ? AND id = ? AND removed_at IS NULL"
SET_MODELS = "UPDATE member SET models = ? WHERE team = ? AND id = ? AND removed_at IS NULL"
REMOVE = "UPDATE member SET removed_at = ? WHERE team = ? AND id = ? AND removed_at IS NULL"
REVOKE_ALL = "UPDATE api_key SET revoked_at = ?1 WHERE team = ?2 AND member = ?3 AND revoked_at IS NULL"
WITHDRAW_ALL = "UPDATE invite SET ended_at = ?1 WHERE team = ?2 AND created_by = ?3 AND ended_at IS NULL"
OWNERS = "SELECT count(*) FROM member WHERE team = ? AND role = 'owner' AND removed_at IS NULL"


def join(db: Db, team: str, account: str, role: Role, now: float) -> Member:
    """Make *account* a member of *team*; one that is there already stays as it is. `invites.accept` is the usual way.

    An account's first team gets the grant of that team's terms, once.
    """
    there = membership(db, account, team)
    if there is not None:
        return there
    found = teams.find(db, team)
    if found is None or accounts.find(db, account) is None:
        raise MissingError("there is no such team, or no such account")
    first = db.row(EVER, (account,)) is None
    db.execute(ADD_MEMBER, (ids.new("mem"), team, account, role, None, now))
    if first and found.terms.grant:
        journal.grant(db, team, found.terms.grant, account, now)
    joined = membership(db, account, team)
    assert joined is not None
    return joined


def member(db: Db, team: str, id: str) -> Member | None:
    """Return the member of *team* with that id, None if there is none or they were removed."""
    return _member(db.row(MEMBER, (team, id)))


def membership(db: Db, account: str, team: str) -> Member | None:
    """Return who *account* is in *team*."""
    return _member(db.row(MEMBER_OF, (account, team)))


def memberships(db: Db, account: str) -> list[Member]:
    """Return who *account* is, in every team; the oldest first."""
    return [found for row in db.rows(MEMBERSHIPS, (account,)) if (found := _member(row))]


def members(db: Db, team: str, *, search: str = "", most: int = 1000) -> list[Member]:
    """Return the members of *team*, oldest first; *search* is a part of a name or an address."""
    wanted = entered.pattern(search)
    return [found for row in db.rows(MEMBERS_LIKE, (team, wanted, most)) if (found := _member(row))]


def set_role(db: Db, by: Actor, id: str, role: Role) -> Member:
    """Give a member another role. Nobody gives or takes more than they have; the last owner stays one."""
    found = managed(db, by, id)
    if role not in RANK:
        raise InvalidError(f'there is no role "{role[:40]}"', hint="owner, admin or member")
    if RANK[role] > RANK[by.role]:
        raise ForbiddenError(f"only an owner makes somebody {role}")
    if found.role == "owner" and role != "owner":
        _keep_an_owner(db, by.team)
    db.execute(SET_ROLE, (role, by.team, id))
    return found._replace(role=role)


def set_models(db: Db, by: Actor, id: str, models: tuple[str, ...] | None) -> Member:
    """Say which models a member may use. It holds for the keys they have, at once."""
    found = managed(db, by, id)
    db.execute(SET_MODELS, (written_models(models), by.team, id))
    return found._replace(models=models)


def remove(db: Db, by: Actor, id: str, now: float) -> Member:
    """Take a member out of the team, with their keys and invitations. The last owner stays. One may remove oneself."""
    found = member(db, by.team, id) if id == by.id else managed(db, by, id)
    if found is None:
        raise MissingError("there is no such member")
    if found.role == "owner":
        _keep_an_owner(db, by.team)
    for statement in (REMOVE, REVOKE_ALL, WITHDRAW_ALL):
        db.execute(statement, (now, by.team, id))
    return found


def managed(db: Db, by: Actor, id: str) -> Member:
    """Return the member that *by* wants to change. ForbiddenError if that is not theirs to do."""
    if not by.is_admin:
        raise ForbiddenError("only an admin manages members")
    found = member(db, by.team, id)
    if found is None:
        raise MissingError("there is no such member")
    if RANK[found.role] > RANK[by.role]:
        raise ForbiddenError("only an owner manages an owner")
    return found


def _keep_an_owner(db: Db, team: str) -> None:
    if db.execute(OWNERS, (team,)).get < 2:
        raise ConflictError("a team keeps an owner", hint="make somebody else an owner first")


def _member(row: Any) -> Member | None:
    if row is None:
        return None
    budget = None if row[7] is None else Allowance(row[7], row[8])
    return Member._make((*row[:6], read_models(row[6]), budget, *row[9:]))
