"""Accept an invitation: with a new account, or with the one that is signed in."""

from __future__ import annotations

import asyncio

from mini_llm.team import accounts, entered, invites, passwords
from mini_llm.team.accounts import Account
from mini_llm.team.errors import ForbiddenError, InvalidError, MissingError
from mini_llm.team.limits import network_of
from mini_llm.team.pages import arriving
from mini_llm.team.pages.answers import Answer, go
from mini_llm.team.pages.visit import Visit
from mini_llm.team.store import Db

SECONDS = 3600  # that a browser keeps the invitation it was shown


async def shown(visit: Visit) -> Answer:
    """Show who invites. A token in the address goes into a cookie first: addresses are seen, kept and passed on."""
    visit.site.limits.take("invite_here", network_of(visit.address))
    if token := visit.query.get("token", ""):
        if await visit.read(lambda db: invites.look(db, token, visit.now)) is None:
            raise _gone()
        return go("/invite").with_fields(visit.cookies.written(arriving.INVITE, token, seconds=SECONDS))
    return await form(visit)


async def answered(visit: Visit) -> Answer:
    """Join the team, or make an account that joins it."""
    visit.site.limits.take("invite_here", network_of(visit.address))
    return await (_join if visit.viewer else _create)(visit)


async def form(visit: Visit, status: int = 200) -> Answer:
    """Return the page that asks whether to join."""
    invite = await visit.read(lambda db: invites.look(db, visit.cookie(arriving.INVITE), visit.now))
    if invite is None:
        raise _gone()
    company = visit.site.company
    facts = {"shortest": passwords.SHORTEST, "company": company.host if company else ""}
    return visit.page("invite.html", status, invitation=invite, **facts)


async def _join(visit: Visit) -> Answer:
    """Let the account that is signed in join, and look at that team."""
    token, session = visit.cookie(arriving.INVITE), visit.session

    def work(db: Db) -> None:
        account = accounts.find(db, visit.me.account)
        if account is None:
            raise MissingError("there is no such account any more")
        arriving.join(db, token, account, visit, session)

    await visit.write(work)
    return go("/dashboard?done=joined").with_fields(visit.cookies.forgotten(arriving.INVITE))


async def _create(visit: Visit) -> Answer:
    """Make an account with a password, which joins."""
    typed, token = visit.form, visit.cookie(arriving.INVITE)
    invite = await visit.read(lambda db: invites.look(db, token, visit.now))
    if invite is None:  # before anything is worked out, or told of who has an account
        raise _gone()
    name = typed.text("name", needed="your team wants to know who you are")
    email = typed.email("email", needed="you sign in with it")
    if email and invite.email not in (None, entered.folded(email)):
        raise ForbiddenError(f"this invitation is for {invite.email}")
    password = typed.secret("password")
    hashed = ""
    try:
        hashed = await asyncio.to_thread(passwords.hashed, password)
    except InvalidError as error:
        typed.wrong("password", error.message)
    if typed.problems:
        return await form(visit, 422)

    def work(db: Db) -> Account:
        made = accounts.create(db, email, name, visit.now, password_hash=hashed)
        arriving.join(db, token, made, visit)
        return made

    account = await visit.write(work)
    answer = await arriving.begun(visit, account, "/dashboard?done=welcome")
    return answer.with_fields(visit.cookies.forgotten(arriving.INVITE))


def _gone() -> MissingError:
    return MissingError("this invitation does not hold any more", hint="ask for a new one")
