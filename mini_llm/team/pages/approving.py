"""`/auth`: enter the code that a device shows, see who asks, say yes or no."""

from __future__ import annotations

from collections.abc import Mapping

from mini_llm.team import audit, devices
from mini_llm.team.devices import Pending
from mini_llm.team.limits import network_of
from mini_llm.team.pages import granting
from mini_llm.team.pages.answers import Answer
from mini_llm.team.pages.forms import Form
from mini_llm.team.pages.visit import Visit
from mini_llm.team.rights import Rights, excess
from mini_llm.team.store import Db
from mini_llm.team.tokens import plain_code

CLIENTS: Mapping[str, str] = {"mini-llm-cli": "Mini-LLM, the command line"}
SCOPES: Mapping[str, str] = {"inference": "use AI models, paid by your team", "usage": "see your account and usage"}
NO_SUCH_CODE = "No device waits under this code. It may have expired: look at the terminal again."


async def shown(visit: Visit) -> Answer:
    """Ask for the code. One that a link carries is filled in only when the visitor says that it is theirs."""
    return visit.page(
        "auth.html",
        offered=_dashed(visit.query.get("user_code", "")),
        filled=_dashed(visit.query.get("fill", "")),
    )


async def entered(visit: Visit) -> Answer:
    """Look for the device that waits, and ask whether to connect it."""
    code = _dashed(visit.form.raw("code"))
    pending = await _waiting(visit, code)
    if pending is None:
        visit.form.wrong("code", NO_SUCH_CODE)
        return visit.page("auth.html", 422, offered="", filled="")
    return _question(visit, code, pending)


async def decided(visit: Visit) -> Answer:
    """Do what the visitor said: a key for the device, or none."""
    code = _dashed(visit.form.raw("code"))
    pending = await _waiting(visit, code)
    if pending is None:
        visit.form = Form([("code", visit.form.raw("code"))])
        visit.form.wrong("code", NO_SUCH_CODE)
        return visit.page("auth.html", 422, offered="", filled="")
    if visit.form.raw("decision") == "no":
        await visit.write(lambda db: _deny(db, visit, pending))
        return visit.page("decided.html", heading="Refused", connected=False)
    rights = granting.wanted(visit.form, visit.me.ceiling, visit.now)
    granting.tell(visit.form, excess(rights, visit.me.ceiling))
    if visit.form.raw("decision") != "yes":
        visit.form.wrong("", "Choose yes or no.")
    if visit.form.problems:
        return _question(visit, code, pending, 422)
    await visit.write(lambda db: _approve(db, visit, pending, rights))
    return visit.page("decided.html", heading="Connected", connected=True)


async def _waiting(visit: Visit, code: str) -> Pending | None:
    """Return the login that waits under *code*; wrong ones are counted."""
    account, place, now = visit.me.account, network_of(visit.address), visit.now
    return await visit.write(lambda db: devices.look(db, code, account, place, now))


def _question(visit: Visit, code: str, pending: Pending, status: int = 200) -> Answer:
    scopes = [SCOPES.get(scope, scope) for scope in pending.scope.split()]
    told = {"program": CLIENTS.get(pending.client, pending.client), "scopes": scopes, **granting.FIELDS}
    return visit.page("consent.html", status, code=code, pending=pending, **told)


def _approve(db: Db, visit: Visit, pending: Pending, rights: Rights) -> None:
    devices.approve(db, pending.id, visit.me, rights, visit.now)
    _note(db, visit, "device.approve", pending)


def _deny(db: Db, visit: Visit, pending: Pending) -> None:
    devices.deny(db, pending.id, visit.now)
    _note(db, visit, "device.deny", pending)


def _note(db: Db, visit: Visit, what: str, pending: Pending) -> None:
    told = {"device": pending.device, "place": pending.place}
    audit.note(db, visit.me.team, visit.me.id, what, pending.id, visit.address, visit.now, **told)


def _dashed(typed: str) -> str:
    """Return a user code as devices show it, "" if it can't be one."""
    letters = plain_code(typed)
    return f"{letters[:4]}-{letters[4:]}" if letters else ""
