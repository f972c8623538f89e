"""What all pages of one team server share, and the frame that each request to a page goes through."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, NamedTuple
from urllib.parse import quote

from mini_llm.errors import MiniLLMError
from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Fields, Responder
from mini_llm.gateway.state import Gateway, Room
from mini_llm.team.errors import ForbiddenError
from mini_llm.team.limits import Limits
from mini_llm.team.oidc import Client, OpenID
from mini_llm.team.pages import rendering
from mini_llm.team.pages.answers import HTML, PRIVATE, STRICT, Answer, go
from mini_llm.team.pages.forms import Form
from mini_llm.team.pages.visit import Visit
from mini_llm.team.pages.words import HEADINGS, sentence
from mini_llm.team.state import Team
from mini_llm.team.tokens import plain_code

Role = Literal["anyone", "member", "admin"]
_log = logging.getLogger(__name__)


class Page(NamedTuple):
    """Who answers a path, and who may see it."""

    answer: Callable[[Visit], Awaitable[Answer]]
    role: Role = "member"


class Site:
    """The parts. `company` is the company's own sign-in, None where none is set."""

    def __init__(self, team: Team, *, limits: Limits | None = None) -> None:
        self.team = team
        self.limits = limits or Limits()
        self.company = _company(team)
        self.signing_in = asyncio.Semaphore(1)  # a password takes a reader of the store for a tenth of a second

    def rooms(self, pages: Mapping[str, Mapping[str, Page]]) -> dict[str, dict[str, Room]]:
        """Return the server's rooms for *pages*."""
        return {path: {method: self._room(page) for method, page in methods.items()} for path, methods in pages.items()}

    def _room(self, page: Page) -> Room:
        async def room(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
            exchange.dialect = ""
            visit = Visit(self, request)
            answer, exchange.outcome = await self._answered(page, visit)
            responder.send(answer.status, visit.head(answer), answer.body)

        return Room(room, "open" if page.role == "anyone" else "session", body="form", tell=told)

    async def _answered(self, page: Page, visit: Visit) -> tuple[Answer, str]:
        """Return the page's answer, or the one that tells what went wrong, and a word for the log."""
        try:
            await visit.arrive()
            if visit.request.method == "POST":
                visit.read_form()
            if page.role != "anyone" and visit.viewer is None:
                return go(_to_sign_in(visit)), "not_signed_in"
            if page.role == "admin" and not visit.me.is_admin:
                raise ForbiddenError("only an admin of the team sees this")
            return await page.answer(visit), "ok"
        except MiniLLMError as error:
            if error.status >= 500:
                _log.warning("%s: %s", visit.request.path, error)
            return visit.problem(error), error.code


def told(error: MiniLLMError, exchange: Exchange) -> tuple[int, Fields, bytes]:
    """Tell *error* as a page: what was refused before anybody knew who asks, or a fault of ours."""
    message = "the server failed" if error.code == "internal_error" else error.message
    facts = {
        "viewer": None, "house": "Mini-LLM", "places": (), "here": "", "origin": "", "done": "", "form": Form(),
        "csrf": "", "heading": HEADINGS.get(error.status, HEADINGS[500]), "message": sentence(message),
        "hint": f"The number of this request is {exchange.id}.", "back": "/",
    }  # fmt: skip
    return error.status, (HTML, PRIVATE, *STRICT), rendering.rendered("problem.html", facts)


def _to_sign_in(visit: Visit) -> str:
    """Return where to sign in; who only looked comes back afterwards."""
    if visit.request.method == "POST":
        return "/signin"
    code = plain_code(visit.query.get("user_code", "")) if visit.request.path == "/auth" else ""
    return f"/signin?next={visit.request.path}{quote(f'?user_code={code}') if code else ''}"


def _company(team: Team) -> OpenID | None:
    told = team.settings.oidc
    if not told.issuer:
        return None
    credentials = team.runtime.credentials
    secret = credentials.find(told.client_secret, origin=told.issuer).reveal(told.issuer) if told.client_secret else ""
    client = Client(told.issuer, told.client_id, secret, tuple(domain.lower() for domain in told.domains))
    return OpenID(client, environ=team.runtime.environ, now=team.now)
