"""Who is signed in where: sessions lie at the server, end by themselves, and can all be ended at once."""

from __future__ import annotations

from typing import NamedTuple

from mini_llm.team import ids
from mini_llm.team.store import Db

IDLE_SECONDS = 12 * 3600
LONGEST_SECONDS = 7 * 86400
SEEN_SECONDS = 60  # how exactly it is known when somebody was here last
LONGEST_AGENT = 200


class Session(NamedTuple):
    """One browser that somebody signed in with. `team` is the one it looks at, None where there is none."""

    id: str
    account: str
    team: str | None
    created_at: float
    seen_at: float
    expires_at: float
    address: str
    agent: str


def begin(db: Db, account: str, team: str | None, now: float, *, address: str = "", agent: str = "") -> str:
    """Store a session and return the token that its browser carries. Those that are over are forgotten with it."""
    token = db.tokens.new("session")
    db.execute("DELETE FROM session WHERE expires_at <= ? OR seen_at <= ?", (now, now - IDLE_SECONDS))
    db.execute(
        "INSERT INTO session (digest, id, account, team, created_at, seen_at, expires_at, address, agent)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            db.tokens.digest("session", token), ids.new("ses"), account, team, now, now, now + LONGEST_SECONDS,
            address, agent[:LONGEST_AGENT],
        ),
    )  # fmt: skip
    return token


def find(db: Db, token: str, now: float) -> Session | None:
    """Return the session that *token* stands for, None if it is unknown or over."""
    digest = db.tokens.digest("session", token)
    if digest is None:
        return None
    row = db.execute(
        "SELECT id, account, team, created_at, seen_at, expires_at, address, agent FROM session"
        " WHERE digest = ? AND expires_at > ? AND seen_at > ?",
        (digest, now, now - IDLE_SECONDS),
    ).fetchone()
    return Session(*row) if row else None


def is_stale(session: Session, now: float) -> bool:
    """Tell whether it is to be noted that somebody was here."""
    return now - session.seen_at >= SEEN_SECONDS


def see(db: Db, session: Session, now: float) -> None:
    """Note that the session is in use."""
    db.execute("UPDATE session SET seen_at = ? WHERE id = ?", (now, session.id))


def look_at(db: Db, session: Session, team: str) -> None:
    """Note which of its account's teams the session looks at."""
    db.execute("UPDATE session SET team = ? WHERE id = ?", (team, session.id))


def of_account(db: Db, account: str, now: float) -> list[Session]:
    """Return the sessions of an account that are not over, the last used first."""
    rows = db.execute(
        "SELECT id, account, team, created_at, seen_at, expires_at, address, agent FROM session"
        " WHERE account = ? AND expires_at > ? AND seen_at > ? ORDER BY seen_at DESC, id",
        (account, now, now - IDLE_SECONDS),
    )
    return [Session(*row) for row in rows]


def end(db: Db, account: str, session: str) -> bool:
    """End one of an account's sessions; tell whether there was one."""
    db.execute("DELETE FROM session WHERE account = ? AND id = ?", (account, session))
    return bool(db.changes())


def end_all(db: Db, account: str, *, but: str = "") -> int:
    """End all sessions of an account, except the one named; return how many there were."""
    db.execute("DELETE FROM session WHERE account = ? AND id <> ?", (account, but))
    return int(db.changes())
