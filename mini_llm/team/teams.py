"""Teams: tenants of this server, each with a wallet of its own."""

from __future__ import annotations

from typing import Any, NamedTuple

from mini_llm.team import entered, ids, journal
from mini_llm.team.errors import ForbiddenError, InvalidError, MissingError
from mini_llm.team.roles import Actor
from mini_llm.team.store import Db

GRANT = 5 * 10**9  # nano-dollars that an account brings to the first team it joins
SHORTEST_TOKEN_SECONDS = 60

EVERY = "SELECT id, name, grant_nanos, discount_percent, access_token_seconds, created_at FROM team"
TEAM = "SELECT id, name, grant_nanos, discount_percent, access_token_seconds, created_at FROM team WHERE id = ?"
ADD_TEAM = """
INSERT INTO team (id, name, grant_nanos, discount_percent, access_token_seconds, created_at) VALUES (?, ?, ?, ?, ?, ?)
"""
SET_TERMS = "UPDATE team SET name = ?, grant_nanos = ?, discount_percent = ?, access_token_seconds = ? WHERE id = ?"


class Terms(NamedTuple):
    """What holds for a team: nano-dollars that a new account brings, the discount on each charge, and how long an
    access token lives (None: for ever, and there is no refresh token)."""

    grant: int = GRANT
    discount_percent: int = 0
    access_token_seconds: int | None = None


class Team(NamedTuple):
    """A team: a tenant with a wallet of its own."""

    id: str
    name: str
    terms: Terms
    created_at: float


def create(db: Db, name: str, now: float, *, terms: Terms = Terms()) -> Team:  # noqa: B008  # frozen
    """Make a team with an empty wallet and nobody in it."""
    team = Team(ids.new("team"), entered.name(name, "a team"), _checked(terms), now)
    db.execute(ADD_TEAM, (team.id, team.name, *team.terms, now))
    journal.open_purses(db, team.id)
    return team


def find(db: Db, id: str) -> Team | None:
    """Return the team of that id."""
    return _team(db.row(TEAM, (id,)))


def every(db: Db) -> list[Team]:
    """Return all teams of this server: for its operator only."""
    return [found for row in db.rows(EVERY) if (found := _team(row))]


def set_terms(db: Db, by: Actor, terms: Terms, *, name: str = "") -> Team:
    """Change what holds for the team of *by*, an owner. A request under way keeps the discount it began with."""
    if by.role != "owner":
        raise ForbiddenError("only an owner changes the team's terms")
    found = find(db, by.team)
    if found is None:
        raise MissingError("there is no such team")
    changed = found._replace(terms=_checked(terms), name=entered.name(name, "a team") if name else found.name)
    db.execute(SET_TERMS, (changed.name, *changed.terms, by.team))
    return changed


def _checked(terms: Terms) -> Terms:
    if not 0 <= terms.discount_percent <= 100 or not 0 <= terms.grant <= journal.LARGEST:
        raise InvalidError("a discount is between 0 and 100 percent, a grant not below zero")
    if terms.access_token_seconds is not None and terms.access_token_seconds < SHORTEST_TOKEN_SECONDS:
        raise InvalidError("an access token lives at least a minute")
    return terms


def _team(row: Any) -> Team | None:
    return None if row is None else Team(row[0], row[1], Terms(*row[2:5]), row[5])
