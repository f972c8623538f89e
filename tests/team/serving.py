"""A team server to ask: in a thread of the test, with a team, its owner and a key; real sockets and a real file.

with serving(tmp_path, {"lab": provider}) as server:
    httpx.get(f"{server.url}/v1/account", headers=server.headers)
    server.write(lambda db: journal.balance(db, server.owner.team))
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

from mini_llm.gateway.server import Place, Service, run
from mini_llm.team import accounts, journal, keys, people, teams
from mini_llm.team.rights import Rights
from mini_llm.team.roles import Member, Operator, Role
from mini_llm.team.server import Table, opened
from mini_llm.team.settings import Settings
from mini_llm.team.state import SECRET_FILE, STORE_FILE
from mini_llm.team.store import Db, Store
from mini_llm.team.tokens import Tokens, make_secret, read_secret
from tests.gateway.running import PATIENCE, wait_for
from tests.upstream import Provider
from tests.world import World

T = TypeVar("T")
DOLLAR = 10**9
# US dollars for a million tokens: an answer of 10 tokens in and 5 out costs 0.00002.
PRICES = {"input": "1.00", "output": "2.00"}
COST = 20_000  # of that answer, in nano-dollars


class Clock:
    """The server's wall clock, which a test moves."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Serving:
    """A team server that runs. `owner` owns its team, `token` is a key of theirs that may do everything.

    `client` asks it without anybody's key.
    """

    world: World
    url: str
    service: Service
    loop: asyncio.AbstractEventLoop
    store: Store
    owner: Member
    token: str
    client: httpx.Client

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    def write(self, work: Callable[[Db], T]) -> T:
        """Run *work* in the server's own file."""
        return asyncio.run_coroutine_threadsafe(self.store.write(work), self.loop).result(PATIENCE)

    def chat(self, token: str = "", **body: Any) -> httpx.Response:
        """Ask for a chat completion."""
        asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **body}
        headers = {"authorization": f"Bearer {token or self.token}"}
        return self.client.post("/v1/chat/completions", json=asked, headers=headers)

    def member(self, email: str, role: Role = "member", team: str = "") -> Member:
        """Make one more member."""

        def make(db: Db) -> Member:
            account = accounts.by_email(db, email) or accounts.create(db, email, "", now(), identity=("test", email))
            return people.join(db, team or self.owner.team, account.id, role, now())

        return self.write(make)

    def key(self, owner: Member | None = None, **rights: Any) -> str:
        """Make one more key and return its token."""
        whose = owner or self.owner
        by = Operator(whose.team)
        return self.write(lambda db: keys.mint(db, whose, "test", Rights(**rights), by, now())[1])

    def other_team(self, email: str = "eve@elsewhere.example") -> Member:
        """Make a second team on the same server, and return its owner."""
        team = self.write(lambda db: teams.create(db, "Elsewhere", now()))
        return self.member(email, "owner", team.id)

    def balance(self) -> journal.Balance:
        """Return the credits of the team."""
        return self.write(lambda db: journal.balance(db, self.owner.team))

    def settled(self) -> journal.Balance:
        """Return the credits once nothing is set aside any more."""
        found: journal.Balance = wait_for(lambda: one if not (one := self.balance()).held else None, "the settlement")
        return found

    def charges(self, least: int = 1) -> list[dict[str, Any]]:
        """Return the charges, once there are so many."""

        def look(db: Db) -> list[dict[str, Any]]:
            names = [name for (name,) in db.execute("SELECT name FROM pragma_table_info('charge')")]
            return [dict(zip(names, row, strict=True)) for row in db.execute("SELECT * FROM charge ORDER BY id")]

        rows: list[dict[str, Any]] = wait_for(
            lambda: found if len(found := self.write(look)) >= least else None, f"{least} charges"
        )
        return rows


def now() -> float:
    """Return the time."""
    return time.time()


def config(providers: Mapping[str, Provider]) -> dict[str, Any]:
    """Return a config with *providers* that have a key and a price, so that they count as somebody's."""
    listed = {
        name: {"baseUrl": one.url, "models": ["m"], "apiKey": f"sk-{name}-0123456789"}
        for name, one in providers.items()
    }
    return {
        "providers": listed,
        "prices": {f"{name}/m": PRICES for name in providers},
        "routing": {"strategy": "cost"},
        "wallet": {"type": "none"},
    }


async def founded(home: Path, terms: teams.Terms, email: str = "owner@example.com") -> tuple[Member, str]:
    """Make a server's secret and file, a team, its owner and a key."""
    make_secret(home / SECRET_FILE)
    store = Store(home / "data" / STORE_FILE, Tokens(read_secret(home / SECRET_FILE)))

    def make(db: Db) -> tuple[Member, str]:
        team = teams.create(db, "Example", now(), terms=terms)
        account = accounts.create(db, email, "Olga", now(), identity=("test", email))
        owner = people.join(db, team.id, account.id, "owner", now())
        return owner, keys.mint(db, owner, "laptop", Rights(), owner, now())[1]

    try:
        return await store.write(make)
    finally:
        store.close()


@contextmanager
def serving(
    home: Path,
    providers: Mapping[str, Provider],
    settings: Mapping[str, Any] | None = None,
    *,
    terms: teams.Terms = teams.Terms(),  # noqa: B008  (immutable)
    team: Settings = Settings(),  # noqa: B008  (immutable)
    clock: Clock | None = None,
) -> Iterator[Serving]:
    """Run a team server in a thread on a free port."""
    world = World(home, {}, {**config(providers), **(settings or {})})
    owner, token = asyncio.run(founded(home, terms))
    sock = socket.create_server(("127.0.0.1", 0))
    begun: list[Serving] = []
    ready = threading.Event()

    async def life() -> None:
        place = Place(sock.getsockname()[1])
        async with opened(world.runtime, team, place, now=clock or now) as gateway:
            service = Service(gateway, [sock])
            url = f"http://127.0.0.1:{place.port}"
            assert isinstance(gateway.table, Table)
            store = gateway.table.team.store
            client = httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False)
            begun.append(Serving(world, url, service, asyncio.get_running_loop(), store, owner, token, client))
            await service.run(ready.set)

    thread = threading.Thread(target=lambda: run(life()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE), "the server does not start"
    try:
        yield begun[0]
    finally:
        begun[0].client.close()
        for _ in range(2):  # the second one does not wait for streams
            with suppress(RuntimeError):
                begun[0].loop.call_soon_threadsafe(begun[0].service.stop)
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the server does not stop"
