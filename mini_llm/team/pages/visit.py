"""One request to a page: who is there, what came with it, and how it is answered."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from mini_llm.errors import MiniLLMError
from mini_llm.gateway.request import Request
from mini_llm.team import people, sessions
from mini_llm.team.errors import ForbiddenError
from mini_llm.team.pages import forms, rendering
from mini_llm.team.pages.answers import HTML, PRIVATE, Answer, Fields
from mini_llm.team.pages.cookies import Cookies
from mini_llm.team.pages.forms import Form
from mini_llm.team.pages.words import DONE, HEADINGS, PLACES, sentence
from mini_llm.team.roles import Member
from mini_llm.team.sessions import Session
from mini_llm.team.store import Db

if TYPE_CHECKING:  # a site knows its visits
    from mini_llm.team.pages.site import Site

T = TypeVar("T")

SESSION = "session"
VISIT = "visit"  # what the forms of somebody who is not signed in are bound to
RANDOM_LETTERS = 43  # of 256 bits


class Viewer(NamedTuple):
    """Who is signed in: the session, and the member of the team it looks at."""

    session: Session
    member: Member


class Visit:
    """A request, read. `viewer` is None for nobody we know; `form` is empty where none came."""

    def __init__(self, site: Site, request: Request) -> None:
        self.site = site
        self.request = request
        self.origin = site.team.issuer(request)
        self.cookies = Cookies(self.origin)
        self.form = Form()
        self.viewer: Viewer | None = None
        self._fields: list[tuple[str, str]] = []
        self._token = self.cookie(SESSION)
        self._visit = self.cookie(VISIT)

    @property
    def now(self) -> float:
        """The wall time in Unix seconds."""
        return self.site.team.now()

    @property
    def me(self) -> Member:
        """Who is signed in, on a page that only those see."""
        assert self.viewer is not None  # the page's role saw to it
        return self.viewer.member

    @property
    def session(self) -> Session | None:
        """The session, if somebody is signed in."""
        return self.viewer.session if self.viewer else None

    @property
    def address(self) -> str:
        """Where the request comes from."""
        return self.request.peer

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The fields of the query; of one that came twice the first."""
        return dict(reversed(forms.fields(self.request.query)))

    @property
    def csrf(self) -> str:
        """The value that forms of this visit carry. Who is not signed in gets a cookie to bind it to."""
        if self.viewer is None and len(self._visit) != RANDOM_LETTERS:
            self._visit = secrets.token_urlsafe(32)
            self._fields.append(self.cookies.written(VISIT, self._visit))
        return self.site.team.tokens.csrf(self._token if self.viewer else self._visit)

    async def read(self, work: Callable[[Db], T]) -> T:
        """Ask the store."""
        return await self.site.team.store.read(work)

    async def write(self, work: Callable[[Db], T]) -> T:
        """Change what is in the store, all of it or nothing."""
        return await self.site.team.store.write(work)

    async def arrive(self) -> None:
        """Find out who is there."""
        if not self._token:
            return
        self.viewer = await self.read(self._found)
        if self.viewer is None:
            self._fields.append(self.cookies.forgotten(SESSION))
        elif sessions.is_stale(session := self.viewer.session, self.now):
            self.site.team.store.later(lambda db: sessions.see(db, session, self.now))

    def read_form(self) -> None:
        """Read the form that came. Raises ForbiddenError unless one of our pages sent it, in this session."""
        headers = self.request.headers
        own = headers.get("origin", self.origin) == self.origin and "origin" not in self.request.doubled
        if not own or headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise ForbiddenError("another site sent this form")
        self.form = forms.read(self.request.body, headers.get("content-type", ""))
        bound = self._token if self.viewer else self._visit
        if not bound or not self.site.team.tokens.is_csrf(bound, self.form.raw("csrf")):
            raise ForbiddenError("this form is too old, or was not made for you", hint="open the page anew and repeat")

    def page(self, template: str, status: int = 200, **facts: Any) -> Answer:
        """Return the page made of *template* and *facts*."""
        member = self.viewer.member if self.viewer else None
        told = {
            "viewer": member,
            "house": member.team_name if member else "Mini-LLM",
            "places": PLACES[member.is_admin] if member else (),
            "here": self.request.path,
            "origin": self.origin,
            "done": DONE.get(self.query.get("done", ""), ""),
            "form": self.form,
            "csrf": self.csrf,
            **facts,
        }
        return Answer(status, rendering.rendered(template, told), (HTML, PRIVATE))

    def problem(self, error: MiniLLMError) -> Answer:
        """Return the page that tells of *error*."""
        told = {
            "heading": HEADINGS.get(error.status, HEADINGS[500]),
            "message": sentence(error.message),
            "hint": sentence(error.hint),
            "back": "/dashboard" if self.viewer else "/signin",
            "done": "",
        }
        answer = self.page("problem.html", error.status, **told)
        wait = getattr(error, "retry_after", None)
        return answer if wait is None else answer.with_fields(("retry-after", str(max(1, round(wait)))))

    def signed_in(self, token: str, answer: Answer) -> Answer:
        """Return *answer*, and have the browser carry *token* from now on."""
        self._fields.append(self.cookies.forgotten(VISIT))
        return answer.with_fields(self.cookies.written(SESSION, token, seconds=sessions.LONGEST_SECONDS))

    def cookie(self, name: str) -> str:
        """Return a cookie's value, "" if there is none."""
        return self.cookies.read(self.request.headers.get("cookie", ""), name)

    def head(self, answer: Answer) -> Fields:
        """Return the header fields of *answer*, with those of the visit."""
        return (*answer.head(secure=self.cookies.secure), *self._fields)

    def _found(self, db: Db) -> Viewer | None:
        session = sessions.find(db, self._token, self.now)
        if session is None:
            return None
        member = people.membership(db, session.account, session.team) if session.team else None
        if member is None:  # removed from that team, and perhaps in another one
            member = next(iter(people.memberships(db, session.account)), None)
        return Viewer(session, member) if member else None
