"""My account: where I am signed in, my password, my teams."""

from __future__ import annotations

import asyncio

from mini_llm.team import accounts, audit, passwords, people, sessions
from mini_llm.team.errors import InvalidError, MissingError
from mini_llm.team.limits import network_of
from mini_llm.team.pages.answers import Answer, go
from mini_llm.team.pages.visit import Visit
from mini_llm.team.sessions import Session
from mini_llm.team.store import Db


async def shown(visit: Visit) -> Answer:
    """Show where I am signed in."""
    return await _page(visit)


async def password_changed(visit: Visit) -> Answer:
    """Give me another password, and sign out every other browser."""
    me, form = visit.me, visit.form
    limit = ("sign_in_as", f"{me.email} {network_of(visit.address)}")
    visit.site.limits.take(*limit)
    current, password, hashed = form.secret("current"), form.secret("password"), ""
    async with visit.site.signing_in:
        right = await visit.read(lambda db: accounts.sign_in(db, me.email, current))
    if right is None:
        form.wrong("current", "this is not your password")
        return await _page(visit, 422)
    visit.site.limits.give_back(*limit)
    try:
        hashed = await asyncio.to_thread(passwords.hashed, password)
    except InvalidError as error:
        form.wrong("password", error.message)
        return await _page(visit, 422)

    def work(db: Db) -> None:
        accounts.set_password(db, me.account, hashed)
        sessions.end_all(db, me.account, but=_session(visit).id)
        _note(db, visit, "account.password")

    await visit.write(work)
    return go("/account?done=password")


async def session_ended(visit: Visit) -> Answer:
    """Sign out one other browser."""
    id = visit.form.raw("session")

    def work(db: Db) -> None:
        if not sessions.end(db, visit.me.account, id):
            raise MissingError("there is no such session any more")
        _note(db, visit, "session.end")

    await visit.write(work)
    return go("/account?done=session-ended")


async def sessions_ended(visit: Visit) -> Answer:
    """Sign out every other browser."""

    def work(db: Db) -> None:
        sessions.end_all(db, visit.me.account, but=_session(visit).id)
        _note(db, visit, "session.end_all")

    await visit.write(work)
    return go("/account?done=sessions-ended")


async def team_chosen(visit: Visit) -> Answer:
    """Look at another one of my teams."""
    team = visit.form.raw("team")

    def work(db: Db) -> None:
        if people.membership(db, visit.me.account, team) is None:
            raise MissingError("there is no such team of yours")
        sessions.look_at(db, _session(visit), team)

    await visit.write(work)
    return go("/dashboard?done=switched")


async def _page(visit: Visit, status: int = 200) -> Answer:
    me, now = visit.me, visit.now
    found, account = await visit.read(
        lambda db: (sessions.of_account(db, me.account, now), accounts.find(db, me.account))
    )
    return visit.page(
        "account.html", status, sessions=found, here_id=_session(visit).id, shortest=passwords.SHORTEST,
        has_password=account is not None and account.has_password, here="/account",
    )  # fmt: skip


def _session(visit: Visit) -> Session:
    assert visit.session is not None  # the page's role saw to it
    return visit.session


def _note(db: Db, visit: Visit, what: str) -> None:
    me = visit.me
    audit.note(db, me.team, me.id, what, me.email, visit.address, visit.now)
