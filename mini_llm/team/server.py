"""The team server: the gateway's own server with other rooms, other callers, and somebody else who pays."""

from __future__ import annotations

import asyncio
import difflib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from urllib.parse import urlsplit

from mini_llm.errors import MiniLLMError
from mini_llm.gateway import health, opening
from mini_llm.gateway.binding import Options
from mini_llm.gateway.calls import Calls, Exchange
from mini_llm.gateway.guard import LOOPBACK_NAMES, Guard, hosts
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder
from mini_llm.gateway.server import WILDCARDS, Place
from mini_llm.gateway.state import Gateway, Handler, Room
from mini_llm.runtime import Runtime
from mini_llm.team import credits, pages
from mini_llm.team.api import account, answers, discovery, models, oauth
from mini_llm.team.api.callers import KeyHolders
from mini_llm.team.inference import Desk
from mini_llm.team.settings import Settings
from mini_llm.team.state import SECRET_FILE, STORE_FILE, Team
from mini_llm.team.store import Store
from mini_llm.team.tokens import Tokens, read_secret

TIDY_SECONDS = 5.0
OF_A_MODEL = f"{models.PATH}/"  # what stands behind it may be any model's name, with slashes in it
LONGEST = 1000

_log = logging.getLogger(__name__)

Rooms = Mapping[str, Room]


def start(runtime: Runtime, settings: Settings, options: Options, announce: opening.Announce, *, log: str = "") -> None:
    """Run a team server until it is told to stop; raises as `opening.start`, and ConfigError where none was made."""
    server = _Opening(settings)
    kind = opening.Kind(server.guard_of, server.open, lambda runtime: _secret(runtime), keyed=True)
    opening.start(runtime, options, announce, log=log, kind=kind)


@asynccontextmanager
async def opened(
    runtime: Runtime, settings: Settings, place: Place, *, now: Callable[[], float] = time.time
) -> AsyncIterator[Gateway]:
    """Open what one process of a team server shares; *now* is its wall clock."""
    async with _Opening(settings, now).open(runtime, place) as gateway:
        yield gateway


class Table:
    """The rooms of a team server. Whatever is not here is 404; each room says who may ask."""

    def __init__(self, team: Team, desk: Desk) -> None:
        ready = Room(_readyz(team), "caller", tell=answers.tell_in("openai_chat"))
        self.rooms: Mapping[str, Rooms] = {
            "/livez": {"GET": Room(health.livez, "open")},
            "/readyz": {"GET": ready},
            **discovery.rooms(team),
            **oauth.rooms(team),
            **account.rooms(team, desk.holders),
            **models.rooms(team, desk.holders),
            **desk.rooms(),
            **pages.rooms(team),
        }
        self._desk = desk
        self.team = team

    def find(self, path: str) -> Rooms | None:
        """Return the rooms at *path* by method, None if there is nothing."""
        if path.startswith(OF_A_MODEL) and len(path) <= LONGEST:
            return self.rooms[OF_A_MODEL]
        return self.rooms.get(path) or self._desk.of_a_model(path)

    def nearest(self, path: str) -> str:
        """Return words that lead from a wrong *path* to the right one, "" if none is near."""
        close = difflib.get_close_matches(path.rstrip("/")[:200], self.rooms, 1, 0.75)
        return f"; did you mean {close[0]}?" if close else ""


class _Opening:
    """What is opened in each process that serves."""

    def __init__(self, settings: Settings, now: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._now = now
        self._holders: KeyHolders | None = None

    def guard_of(self, runtime: Runtime, place: Place) -> Guard:
        """Return who lets in whom, by the settings as they are now."""
        told, url = runtime.loaded.config.gateway, urlsplit(self._settings.url)
        names = [*told.hosts, *([url.netloc] if url.netloc else [])]
        names += [place.host] if place.host not in WILDCARDS else []
        own = {f"{scheme}://{name}:{place.port}" for name in LOOPBACK_NAMES for scheme in ("http", "https")}
        own |= {f"https://{name}" for name in names} | {f"https://{name}:{place.port}" for name in names}
        own |= {self._settings.url} - {""}
        return Guard(
            hosts(place.port, names),
            {},
            origins=[*told.origins, *own],
            proxies=place.proxies,
            callers=self._holders,
        )

    @asynccontextmanager
    async def open(self, runtime: Runtime, place: Place) -> AsyncIterator[Gateway]:
        """Open the team's file, settle what a dead process left, and put the parts together."""
        paths = runtime.loaded.paths
        tokens = _secret(runtime)
        store = Store(paths.data / STORE_FILE, tokens, now=self._now)
        closing = ExitStack()
        try:
            team = Team(runtime, store, tokens, self._settings)
            self._holders = KeyHolders(store, tokens)
            desk = Desk(team, self._holders)
            runtime.payer = desk.payer
            closing.callback(desk.payer.close)
            await store.write(lambda db: credits.sweep(db, store.now()))
            gateway = Gateway(runtime, self.guard_of(runtime, place), Calls())
            gateway.table = Table(team, desk)
            tidying = asyncio.create_task(_tidy(store))
            try:
                yield gateway
            finally:
                tidying.cancel()
        finally:
            closing.close()
            await asyncio.to_thread(store.close)


def _secret(runtime: Runtime) -> Tokens:
    return Tokens(read_secret(runtime.loaded.paths.home / SECRET_FILE))


async def _tidy(store: Store) -> None:
    """Settle now and then what other processes left behind, or what outlived its deadline."""
    while True:
        await asyncio.sleep(TIDY_SECONDS)
        try:
            await store.write(lambda db: credits.sweep(db, store.now()))
        except MiniLLMError as error:
            _log.error("what requests left behind can't be settled: %s", error)


def _readyz(team: Team) -> Handler:
    async def readyz(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
        trouble = "draining" if gateway.draining else team.store.trouble or gateway.runtime.ledger.trouble
        responder.send(503 if trouble else 200, [health.TEXT], (trouble or "ready").encode() + b"\n")

    return readyz
