"""My keys: what each may do, a new one that is shown once, and taking one away."""

from __future__ import annotations

from typing import NamedTuple

from mini_llm.team import audit, keys
from mini_llm.team.errors import MissingError
from mini_llm.team.keys import Key
from mini_llm.team.pages import granting
from mini_llm.team.pages.answers import Answer, go
from mini_llm.team.pages.visit import Visit
from mini_llm.team.rights import Rights, excess
from mini_llm.team.store import Db

LONGEST_NAME = 80


class Shown(NamedTuple):
    """A key as its row shows it. `state` is "" while it is good."""

    id: str
    name: str
    hint: str
    models: str
    budget: str
    used: float | None
    ends: float | None
    state: str


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
    """Take one of my keys away."""
    id, me, now = visit.form.raw("key"), visit.me, visit.now

    def work(db: Db) -> None:
        if keys.get(db, me, id).member != me.id:
            raise MissingError("there is no such key of yours")
        key = keys.revoke(db, me, id, now)
        audit.note(db, me.team, me.id, "key.revoke", key.id, visit.address, now, name=key.name)

    await visit.write(work)
    return go("/keys?done=revoked")


async def _page(visit: Visit, status: int = 200) -> Answer:
    me = visit.me
    found = await visit.read(lambda db: keys.list_of(db, me, member=me.id, revoked=True))
    rows = [_row(key, visit.now) for key in found]
    rows.sort(key=lambda row: row.state != "")
    return visit.page("keys.html", status, keys=rows[:200], **granting.FIELDS)


def _make(db: Db, visit: Visit, name: str, rights: Rights) -> str:
    me, now = visit.me, visit.now
    key, token = keys.mint(db, me, name, rights, me, now)
    audit.note(db, me.team, me.id, "key.mint", key.id, visit.address, now, name=name)
    return token


def _row(key: Key, now: float) -> Shown:
    rights = key.rights
    over = rights.expires_at is not None and rights.expires_at <= now
    state = "revoked" if key.revoked_at is not None else "expired" if over else ""
    models, budget = granting.models_told(rights), granting.budget_told(rights.budget)
    return Shown(key.id, key.name, key.hint, models, budget, key.last_used_at, rights.expires_at, state)
