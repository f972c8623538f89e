"""The pages of a team server, and browsers to look at them: real sockets, a real file, and a clock that can be moved.

with house(tmp_path) as server:
    ada = server.browser(server.owner)
    ada.submit("/keys", name="laptop")
    server.clock.jump(3600)
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any, TypeVar

import httpx

from mini_llm.gateway.calls import Calls
from mini_llm.gateway.guard import Guard, hosts
from mini_llm.gateway.server import Service, run
from mini_llm.gateway.state import Gateway, Room
from mini_llm.team import accounts, pages, passwords, people, sessions, teams
from mini_llm.team.limits import RULES, Limits, Rule
from mini_llm.team.roles import Member, Role
from mini_llm.team.settings import Settings
from mini_llm.team.state import Team
from mini_llm.team.store import Db, Store
from mini_llm.team.tokens import Tokens
from tests.gateway.running import PATIENCE
from tests.world import World

T = TypeVar("T")

PASSWORD = "correct horse battery"
START = 1_763_800_000.0  # 22 Nov 2025, 08:26:40 UTC
MANY = {name: Rule(10_000, 60.0) for name in RULES}  # for tests that are not about limits
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


class Clock:
    """A clock that stands, until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    def jump(self, seconds: float) -> None:
        self.now += seconds


class Table:
    """The rooms of the pages alone."""

    def __init__(self, rooms: Mapping[str, Mapping[str, Room]]) -> None:
        self._rooms = rooms

    def find(self, path: str) -> Mapping[str, Room] | None:
        return self._rooms.get(path)

    def nearest(self, path: str) -> str:
        return ""


class Browser:
    """A browser without script: it keeps cookies, and sends forms as the page that it looks at has them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False, verify=False)  # it is http

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.client.get(path, **more)

    def post(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> httpx.Response:
        """Send a form as a browser does that is on our own page."""
        told = {"origin": self.url, "sec-fetch-site": "same-origin", **headers}
        return self.client.post(path, data=fields or {}, headers=told)

    def submit(self, path: str, on: str = "", **fields: str) -> httpx.Response:
        """Look at the page *on* (at *path* itself, if it is not named) and send a form of it to *path*."""
        return self.post(path, {"csrf": self.csrf(on or path), **fields})

    def csrf(self, page: str) -> str:
        """Return the CSRF token of the forms on *page*."""
        found = _CSRF.search(self.get(page).text)
        assert found, f"no form on {page}"
        return unescape(found[1])


@dataclass
class House:
    """The server. Two teams: `owner`, `admin` and `member` are in one, `other` owns the other."""

    url: str
    team: Team
    clock: Clock
    loop: asyncio.AbstractEventLoop
    owner: Member
    admin: Member
    member: Member
    other: Member
    browsers: list[Browser] = field(default_factory=list)

    def write(self, work: Callable[[Db], T]) -> T:
        """Run *work* in the server's own file."""
        return asyncio.run_coroutine_threadsafe(self.team.store.write(work), self.loop).result(PATIENCE)

    def browser(self, who: Member | None = None, agent: str = "Test/1") -> Browser:
        """Return a browser, in which *who* is signed in."""
        browser = Browser(self.url)
        self.browsers.append(browser)
        if who is not None:
            token = self.write(lambda db: sessions.begin(db, who.account, who.team, self.clock.now, agent=agent))
            browser.client.cookies.set(self.cookie("session"), token, domain="127.0.0.1", path="/")
        return browser

    def cookie(self, name: str) -> str:
        """Return how a cookie is called."""
        return f"mini_llm_{self.url.rpartition(':')[2]}_{name}"

    def join(self, team: str, email: str, role: Role = "member", name: str = "") -> Member:
        """Make one more member, who has PASSWORD."""
        return self.write(
            lambda db: _member(db, team, email, role, name or email.partition("@")[0].title(), self.clock.now)
        )


@contextmanager
def house(
    home: Path,
    settings: Settings = Settings(),  # noqa: B008  (immutable)
    *,
    limits: Mapping[str, Rule] = MANY,
) -> Iterator[House]:
    """Serve the pages in a thread on a free port."""
    world, clock, tokens = World(home, {}), Clock(), Tokens(bytes(range(32)))
    sock = socket.create_server(("127.0.0.1", 0))
    port, begun, ready = sock.getsockname()[1], [], threading.Event()

    async def life() -> None:
        store = Store(home / "team.db", tokens, now=clock, durability="process")
        team = Team(world.runtime, store, tokens, settings)
        try:
            others = [
                "https://chat.example.com",
                f"http://localhost:{port}",
            ]  # they may ask, not send forms
            guard = Guard(hosts(port), {}, origins=[f"http://127.0.0.1:{port}", settings.url, *others])
            gateway = Gateway(world.runtime, guard, Calls())
            gateway.table = Table(pages.rooms(team, limits=Limits(limits, now=clock)))
            service = Service(gateway, [sock])
            url, loop = f"http://127.0.0.1:{port}", asyncio.get_running_loop()
            who = await store.write(lambda db: _people(db, clock.now))
            begun.append((House(url, team, clock, loop, *who), service))
            await service.run(ready.set)
        finally:
            store.close()

    thread = threading.Thread(target=lambda: run(life()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE), "the server does not start"
    try:
        yield begun[0][0]
    finally:
        for browser in begun[0][0].browsers:
            browser.client.close()
        for _ in range(2):  # the second one does not wait
            with suppress(RuntimeError):
                begun[0][0].loop.call_soon_threadsafe(begun[0][1].stop)
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the server does not stop"


def _people(db: Db, now: float) -> tuple[Member, Member, Member, Member]:
    first, second = teams.create(db, "Lovelace", now).id, teams.create(db, "Hopper", now).id
    return (
        _member(db, first, "ada@example.com", "owner", "Ada", now),
        _member(db, first, "ben@example.com", "admin", "Ben", now),
        _member(db, first, "cleo@example.com", "member", "Cleo", now),
        _member(db, second, "grace@example.org", "owner", "Grace", now),
    )


def _member(db: Db, team: str, email: str, role: Role, name: str, now: float) -> Member:
    account = accounts.create(db, email, name, now, password_hash=password_hash())
    return people.join(db, team, account.id, role, now)


@cache
def password_hash() -> str:
    """Return what is stored of PASSWORD; made once, for it is slow."""
    return passwords.hashed(PASSWORD)


def wait(look: Callable[[], bool], what: str) -> None:
    """Wait until *look* finds something."""
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.02)
