"""Keys: what each of mine may do, a new one that is shown once, and taking one away; admins see everybody's."""

from __future__ import annotations

from typing import NamedTuple

from mini_llm.team import audit, keys, people
from mini_llm.team.keys import Key
from mini_llm.team.pages import granting
from mini_llm.team.pages.answers import Answer, go
from mini_llm.team.pages.visit import Visit
from mini_llm.team.rights import Rights, excess
from mini_llm.team.roles import RANK, Member
from mini_llm.team.store import Db

LONGEST_NAME = 80
MOST = 200  # rows of a table


class Shown(NamedTuple):
    """A key as its row shows it. `state` is "" while it is good; `revocable` by who looks."""

    id: str
    name: str
    hint: str
    models: str
    budget: str
    used: float | None
    ends: float | None
    state: str
    owner: str
    revocable: bool


async def shown(visit: Visit) -> Answer:
    """Show my keys, and the form for a new one."""
    return await _page(visit)


async def made(visit: Visit) -> Answer:
    """Make a key and show it, this once."""
    form, me = visit.form, visit.me
    name = form.text("name", most=LONGEST_NAME, needed="say where the key is used")
    rights = granting.wanted(form, me.ceiling, visit.now)
    granting.tell(form, excess(rights, me.ceiling))
    if form.problems:
        return await _page(visit, 422)
    token = await visit.write(lambda db: _make(db, visit, name, rights))
    return visit.page("key_made.html", name=name, token=token)


async def revoked(visit: Visit) -> Answer:
    """Take a key away: one of mine, or as an admin one of the team's."""
    id, me, now = visit.form.raw("key"), visit.me, visit.now

    def work(db: Db) -> None:
        key = keys.revoke(db, me, id, now)
        audit.note(db, me.team, me.id, "key.revoke", key.id, visit.address, now, name=key.name)

    await visit.write(work)
    return go("/keys?done=revoked")


async def _page(visit: Visit, status: int = 200) -> Answer:
    me, now = visit.me, visit.now

    def work(db: Db) -> tuple[list[Key], list[Key], list[Member]]:
        mine = keys.list_of(db, me, member=me.id, revoked=True)
        return mine, *((keys.list_of(db, me), people.members(db, me.team)) if me.is_admin else ([], []))

    found, every, members = await visit.read(work)
    owners = {member.id: member for member in members}
    mine = sorted((_row(key, now, me, me) for key in found), key=lambda row: row.state != "")
    others = [_row(key, now, owners[key.member], me) for key in every if key.member in owners and key.member != me.id]
    return visit.page("keys.html", status, mine=mine[:MOST], others=others[:MOST], **granting.FIELDS)


def _make(db: Db, visit: Visit, name: str, rights: Rights) -> str:
    me, now = visit.me, visit.now
    key, token = keys.mint(db, me, name, rights, me, now)
    audit.note(db, me.team, me.id, "key.mint", key.id, visit.address, now, name=name)
    return token


def _row(key: Key, now: float, owner: Member, me: Member) -> Shown:
    rights = key.rights
    over = rights.expires_at is not None and rights.expires_at <= now
    state = "revoked" if key.revoked_at is not None else "expired" if over else ""
    models, budget = granting.models_told(rights), granting.budget_told(rights.budget)
    revocable = not state and RANK[owner.role] <= RANK[me.role]
    told = (models, budget, key.last_used_at, rights.expires_at, state, owner.email, revocable)
    return Shown(key.id, key.name, key.hint, *told)
