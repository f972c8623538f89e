"""The life of one gateway process: from its first connection to the last row of its ledger."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import NamedTuple

from mini_llm.errors import CredentialError, LedgerError
from mini_llm.gateway import vitals
from mini_llm.gateway.app import App
from mini_llm.gateway.binding import Network
from mini_llm.gateway.calls import Calls
from mini_llm.gateway.connection import Limits, Server
from mini_llm.gateway.guard import Guard, hosts
from mini_llm.gateway.listener import Listener
from mini_llm.gateway.observation import Observation
from mini_llm.gateway.state import Gateway
from mini_llm.gateway.tokens import SHAPE, Caller, Tokens, digest
from mini_llm.runtime import Runtime

DRAIN_SECONDS = 30.0  # streams have this long to end
HURRY_SECONDS = 2.0  # and this long after the second signal
FAREWELL_SECONDS = 1.0  # a stream that is cut says so
WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104 -- no client calls us by these
KEY_ORIGIN = "http://localhost"  # a secret is bound to where it goes; the gateway's own goes nowhere
OWN_KEY = Caller("key", "")

_log = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where a gateway is reached. `key` is a reference to a key of the user's own."""

    port: int
    host: str = ""
    key: str = ""
    proxies: tuple[Network, ...] = ()


def open_gateway(runtime: Runtime, place: Place) -> Gateway:
    """Put the parts together."""
    return Gateway(runtime, guard_of(runtime, place), Calls())


def guard_of(runtime: Runtime, place: Place) -> Guard:
    """Return who lets in whom, by *runtime*'s settings. Raises ConfigError or CredentialError."""
    settings = runtime.loaded.config.gateway
    names = [*settings.hosts, *([place.host] if place.host not in WILDCARDS else [])]
    files = Tokens(runtime.loaded.paths.home)
    tokens = files.callers()
    for reference in {place.key, settings.api_key} - {""}:
        key = runtime.credentials.find(reference, origin=KEY_ORIGIN).reveal(KEY_ORIGIN)
        if not SHAPE.fullmatch(key):
            raise CredentialError("the gateway's key is too short: at least 16 characters without a blank")
        tokens.setdefault(digest(key), OWN_KEY)
    return Guard(
        hosts(place.port, names), tokens, origins=settings.origins, proxies=place.proxies, newcomers=files.callers
    )


def run(life: Coroutine[None, None, None]) -> None:
    """Run a process's life on the fastest loop there is."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(life)


class Service:
    """Serve *gateway* on *sockets* until `stop`; they are closed then."""

    def __init__(
        self,
        gateway: Gateway,
        sockets: Sequence[socket.socket],
        *,
        limits: Limits = Limits(),  # noqa: B008  (immutable)
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.gateway = gateway
        self.server = Server(App(gateway), limits)
        self._listener = Listener(self.server, sockets, tls=tls, siblings=gateway.siblings)
        self._stopped = asyncio.Event()
        self._end = 0.0

    async def run(self, ready: Callable[[], None] | None = None) -> None:
        """Accept connections, call *ready*, serve; once stopped, let what runs end and write the last rows."""
        observation = Observation(self.gateway)
        observation.start()
        self.gateway.runtime.health_file.keep()
        self._listener.start()
        sweeping = asyncio.create_task(self._sweep())
        try:
            if ready is not None:
                ready()
            await self._stopped.wait()
        finally:
            await self._drain()
            sweeping.cancel()
            await self._close()
            await observation.close()

    def stop(self) -> None:
        """Take no new work, let streams end within 30 s; a second call gives them 2 s."""
        now = asyncio.get_running_loop().time()
        self._end = min(self._end, now + HURRY_SECONDS) if self._stopped.is_set() else now + DRAIN_SECONDS
        self._stopped.set()

    def listen_to_signals(self, hangup: Callable[[], None], *, alone: bool = True) -> None:
        """Stop at SIGTERM, and at Ctrl-C unless an overseer hears it for us; call *hangup* at SIGHUP."""
        _on_signal("SIGTERM", self.stop)
        _on_signal("SIGHUP", hangup)
        for name in ("SIGINT", "SIGBREAK"):
            _on_signal(name, self.stop if alone else lambda: None)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            try:
                self.server.sweep()
                self._look_at_memory()
            except Exception:  # a fault of ours must not end the deadlines of everybody
                _log.exception("the sweep failed")

    def _look_at_memory(self) -> None:
        """Take no new request while more memory is in use than the settings allow; what runs goes on."""
        limit = self.gateway.runtime.loaded.config.gateway.memory_limit << 20
        pressed = bool(limit) and vitals.resident() > limit
        if pressed and not self.gateway.pressed:
            _log.warning("more than %d MiB of memory are in use: no new request is taken", limit >> 20)
        self.gateway.pressed = pressed

    async def _drain(self) -> None:
        """Stop accepting, close what rests, wait for what runs; cut what takes too long, and tell it."""
        self.gateway.draining = True
        await self._listener.close()
        self.server.drain()
        if not await self._emptied(lambda: self._end):
            _log.warning("%d requests were cut by the shutdown", self.server.busy)
            self.gateway.closing = True
            self.server.cancel()
            last = asyncio.get_running_loop().time() + FAREWELL_SECONDS
            await self._emptied(lambda: last)
        self.server.abort()
        await asyncio.sleep(0)  # connections that were closed tell their tasks

    async def _emptied(self, end: Callable[[], float]) -> bool:
        """Wait until no connection is left, or *end* has passed."""
        loop = asyncio.get_running_loop()
        while self.server.connections and loop.time() < end():  # noqa: ASYNC110 -- they end one by one
            await asyncio.sleep(0.02)
        return not self.server.connections

    async def _close(self) -> None:
        try:
            await self.gateway.runtime.close()
        except LedgerError as error:
            _log.error("%s", error)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # none on Windows
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _on_signal(name: str, call: Callable[[], None]) -> None:
    number = getattr(signal, name, None)
    if number is None:  # another system's
        return
    loop = asyncio.get_running_loop()
    if sys.platform == "win32":
        with suppress(ValueError):
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(call))
    else:
        loop.add_signal_handler(number, call)
