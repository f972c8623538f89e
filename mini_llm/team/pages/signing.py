"""Sign in with a password or with the company's sign-in, sign out."""

from __future__ import annotations

import re
from urllib.parse import quote

from mini_llm.team import accounts, entered, sessions
from mini_llm.team.accounts import Account
from mini_llm.team.errors import ForbiddenError, MissingError
from mini_llm.team.limits import network_of
from mini_llm.team.oidc import PATIENCE_SECONDS, Identity, OpenID
from mini_llm.team.pages import arriving
from mini_llm.team.pages.answers import Answer, go
from mini_llm.team.pages.visit import Visit
from mini_llm.team.store import Db

STATE = "company"
AFTER_SIGN_IN = frozenset(
    {"/dashboard", "/auth", "/keys", "/usage", "/budgets", "/credits", "/members", "/audit", "/account", "/invite"}
)
WITH_CODE = re.compile(r"/auth\?user_code=[A-Z]{8}")
NOT_FOUND = "Email or password is wrong."


async def shown(visit: Visit) -> Answer:
    """Show the form."""
    place = next_place(visit.query.get("next", ""))
    return go(place) if visit.viewer else form(visit, place)


async def entered_password(visit: Visit) -> Answer:
    """Sign in with what was typed. Who is unknown and what is wrong sounds and takes the same."""
    place = next_place(visit.form.raw("next"))
    email, password = visit.form.text("email", most=254), visit.form.secret("password")
    here, account = network_of(visit.address), entered.folded(email)
    limits = visit.site.limits
    tries = (("sign_in_here", here), ("sign_in_as", f"{account} {here}"), ("sign_in_anywhere", account))
    for name, who in tries:
        limits.take(name, who)
    async with visit.site.signing_in:
        found = await visit.read(lambda db: accounts.sign_in(db, email, password))
    if found is None:
        visit.form.wrong("", NOT_FOUND)
        return form(visit, place, 401)
    for name, who in tries:
        limits.give_back(name, who)
    return await arriving.begun(visit, found, place)


async def signed_out(visit: Visit) -> Answer:
    """End the session, at the server too."""
    if (session := visit.session) is not None:
        await visit.write(lambda db: sessions.end(db, session.account, session.id))
    return go("/signin?done=signed-out").with_fields(visit.cookies.forgotten("session"))


async def sent_to_company(visit: Visit) -> Answer:
    """Send the browser to the company's sign-in."""
    place = next_place(visit.query.get("next", ""))
    if visit.request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return go(f"/signin?next={quote(place)}")  # who was sent here by another site says so themselves
    visit.site.limits.take("company_here", network_of(visit.address))
    company = _company(visit)
    carried, place = await company.begin(_callback(visit), place)
    return go(place).with_fields(visit.cookies.written(STATE, carried, seconds=int(PATIENCE_SECONDS)))


async def back_from_company(visit: Visit) -> Answer:
    """Sign in whom the company's sign-in vouches for: somebody we know, or who holds an invitation."""
    visit.site.limits.take("company_here", network_of(visit.address))
    company = _company(visit)
    identity, place = await company.finish(visit.cookie(STATE), visit.query, _callback(visit))
    token = visit.cookie(arriving.INVITE) if next_place(place) == "/invite" else ""  # its page was looked at
    account, joined = await visit.write(lambda db: _known(db, identity, token, visit))
    if account is None:
        raise ForbiddenError(
            "nobody here has this company account",
            hint="open the invitation link first, then choose the company's sign-in",
        )
    answer = await arriving.begun(visit, account, "/dashboard?done=welcome" if joined else next_place(place))
    over = [STATE, arriving.INVITE] if joined else [STATE]
    return answer.with_fields(*(visit.cookies.forgotten(name) for name in over))


def form(visit: Visit, place: str, status: int = 200) -> Answer:
    """Return the form to sign in."""
    return visit.page("signin.html", status, next=place, company=company_name(visit), viewer=None)


def company_name(visit: Visit) -> str:
    """Return what the button to the company's sign-in calls it, "" where there is none."""
    company = visit.site.company
    return company.host if company else ""


def next_place(asked: str) -> str:
    """Return where to go after signing in: one of our own pages, whatever was asked."""
    path, _, query = asked.partition("?")
    return asked if path in AFTER_SIGN_IN and (not query or WITH_CODE.fullmatch(asked)) else "/dashboard"


def _known(db: Db, identity: Identity, token: str, visit: Visit) -> tuple[Account | None, bool]:
    """Return the account of *identity*, made now for an invitation, and whether it was."""
    account = accounts.by_identity(db, identity.issuer, identity.subject)
    if account is not None or not token:
        return account, False
    if not identity.email:
        raise ForbiddenError("the company's sign-in knows no verified address of yours")
    vouched = (identity.issuer, identity.subject)
    made = accounts.create(db, identity.email, identity.name, visit.now, identity=vouched)
    arriving.join(db, token, made, visit)
    return made, True


def _company(visit: Visit) -> OpenID:
    if visit.site.company is None:
        raise MissingError("no company's sign-in is set up here")
    return visit.site.company


def _callback(visit: Visit) -> str:
    return f"{visit.origin}/signin/company/callback"
