"""Who did what, when and from where: one row for each act of management, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import orjson

from mini_llm.team import entered
from mini_llm.team.errors import ForbiddenError
from mini_llm.team.journal import NEWEST
from mini_llm.team.roles import Actor
from mini_llm.team.store import Db

LONGEST = 500
MOST = 500

NOTE = "INSERT INTO audit (time, team, who, what, about, detail, address) VALUES (?, ?, ?, ?, ?, ?, ?)"
LIST = """
SELECT id, time, who, what, about, detail, address FROM audit
WHERE team = ?1 AND id < ?2
  AND (?3 = '' OR what LIKE ?3 ESCAPE '\\' OR about LIKE ?3 ESCAPE '\\' OR detail LIKE ?3 ESCAPE '\\')
ORDER BY id DESC LIMIT ?4
"""


class Row(NamedTuple):
    """One act. `who` is the id of a member (or `operator`, `server`), `about` the id or name of what was changed."""

    id: int
    time: float
    who: str
    what: str
    about: str
    detail: Mapping[str, str]
    address: str


def note(db: Db, team: str, who: str, what: str, about: str, address: str, now: float, **detail: str) -> None:
    """Write that *who* did *what* ("key.mint", "member.role") to *about*, from *address*. No secrets in *detail*."""
    words = {name: _cut(value) for name, value in detail.items()}
    told = (_cut(who), _cut(what), _cut(about), orjson.dumps(words).decode(), _cut(address))
    db.execute(NOTE, (now, team, *told))


def rows(db: Db, viewer: Actor, *, search: str = "", before: int | None = None, most: int = 100) -> list[Row]:
    """Return the acts in the viewer's team, newest first, for admins. *before* is the id of the last one seen."""
    if not viewer.is_admin:
        raise ForbiddenError("only an admin reads the audit")
    found = db.execute(
        LIST, (viewer.team, NEWEST if before is None else before, entered.pattern(search), max(0, min(most, MOST)))
    )
    return [Row._make((*row[:5], orjson.loads(row[5]), row[6])) for row in found]


def _cut(text: str) -> str:
    return entered.storable(text[:LONGEST])
