"""The team server's pages: no script, nothing loaded from elsewhere. PAGES says what there is, and who sees it."""

from __future__ import annotations

from collections.abc import Mapping

from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder
from mini_llm.gateway.state import Gateway, Room
from mini_llm.team.limits import Limits
from mini_llm.team.pages import (
    approving,
    inviting,
    managing,
    own_account,
    own_keys,
    rendering,
    signing,
    spending,
)
from mini_llm.team.pages.answers import LASTING, Answer, go
from mini_llm.team.pages.site import Page, Site, told
from mini_llm.team.pages.visit import Visit
from mini_llm.team.state import Team

__all__ = ["PAGES", "Page", "rooms"]


def rooms(team: Team, *, limits: Limits | None = None) -> Mapping[str, Mapping[str, Room]]:
    """Return the rooms of the pages, by path and method; HEAD goes wherever GET goes."""
    found = Site(team, limits=limits).rooms(PAGES)
    files = {f"/static/{name}": {"GET": _file(name)} for name in rendering.STATIC}
    return {
        path: rooms | ({"HEAD": rooms["GET"]} if "GET" in rooms else {}) for path, rooms in {**found, **files}.items()
    }


async def _home(visit: Visit) -> Answer:
    """Lead to the first page."""
    return go("/dashboard")


def _file(name: str) -> Room:
    """Return the room of a file that pages link to: the same for everybody, so that it may be kept."""
    answer = Answer(200, rendering.static(name), (("content-type", rendering.STATIC[name]), LASTING))

    async def room(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
        exchange.dialect = ""
        responder.send(answer.status, answer.head(secure=False), answer.body)

    return Room(room, "open", body="form", tell=told)


PAGES: Mapping[str, Mapping[str, Page]] = {
    "/": {"GET": Page(_home, "anyone")},
    "/signin": {"GET": Page(signing.shown, "anyone"), "POST": Page(signing.entered_password, "anyone")},
    "/signin/company": {"GET": Page(signing.sent_to_company, "anyone")},
    "/signin/company/callback": {"GET": Page(signing.back_from_company, "anyone")},
    "/signout": {"POST": Page(signing.signed_out, "anyone")},
    "/invite": {"GET": Page(inviting.shown, "anyone"), "POST": Page(inviting.answered, "anyone")},
    "/auth": {"GET": Page(approving.shown), "POST": Page(approving.entered)},
    "/auth/decide": {"POST": Page(approving.decided)},
    "/dashboard": {"GET": Page(spending.overview)},
    "/keys": {"GET": Page(own_keys.shown), "POST": Page(own_keys.made)},
    "/keys/revoke": {"POST": Page(own_keys.revoked)},
    "/usage": {"GET": Page(spending.used)},
    "/budgets": {"GET": Page(managing.limits), "POST": Page(managing.limited, "admin")},
    "/budgets/remove": {"POST": Page(managing.unlimited, "admin")},
    "/credits": {"GET": Page(spending.credits)},
    "/members": {"GET": Page(managing.members, "admin")},
    "/members/invite": {"POST": Page(managing.invited, "admin")},
    "/members/withdraw": {"POST": Page(managing.withdrawn, "admin")},
    "/members/role": {"POST": Page(managing.role_set, "admin")},
    "/members/models": {"GET": Page(managing.models_shown, "admin"), "POST": Page(managing.models_set, "admin")},
    "/members/remove": {
        "GET": Page(managing.asked_to_remove, "admin"),
        "POST": Page(managing.removed, "admin"),
    },
    "/audit": {"GET": Page(managing.audited, "admin")},
    "/account": {"GET": Page(own_account.shown)},
    "/account/password": {"POST": Page(own_account.password_changed)},
    "/account/sessions/end": {"POST": Page(own_account.session_ended)},
    "/account/sessions/end-all": {"POST": Page(own_account.sessions_ended)},
    "/account/team": {"POST": Page(own_account.team_chosen)},
}
