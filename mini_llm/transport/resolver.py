"""Host name → addresses, outside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

Address: TypeAlias = tuple[str, int]  # an IPv4 or IPv6 address, and a port
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[Address]]]

PATIENCE = 1.0  # seconds to wait for a fresh answer when an old one is known


class Resolver:
    """Ask once at a time for each host, and fall back on the last good answer while the resolver is down."""

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve = resolve or system_addresses
        self._known: dict[Address, Sequence[Address]] = {}
        self._asking: dict[Address, asyncio.Future[Sequence[Address]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[Address]:
        """Return where *host* can be reached, best first; raise OSError if nobody knows."""
        if is_address(host):
            return ((host, port),)
        known = self._known.get((host, port))
        try:
            async with asyncio.timeout(PATIENCE if known else None):
                return await asyncio.shield(self._ask(host, port))
        except OSError:  # TimeoutError is one
            if known is None:
                raise
            return known

    async def close(self) -> None:
        """Give up every question still open."""
        asking = list(self._asking.values())
        for question in asking:
            question.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def _ask(self, host: str, port: int) -> asyncio.Future[Sequence[Address]]:
        """Return the question under way, or begin one: a resolver that hangs must not be asked a thousand times."""
        key = (host, port)
        if key not in self._asking:
            self._asking[key] = asyncio.ensure_future(self._resolve(host, port))
            self._asking[key].add_done_callback(lambda question: self._answered(key, question))
        return self._asking[key]

    def _answered(self, key: Address, question: asyncio.Future[Sequence[Address]]) -> None:
        del self._asking[key]
        if not question.cancelled() and question.exception() is None and question.result():
            self._known[key] = question.result()


def is_address(host: str) -> bool:
    """Return whether *host* is an address already."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host.partition("%")[0])
    except OSError:
        return False
    return True


async def system_addresses(host: str, port: int) -> Sequence[Address]:
    """Ask the system's resolver. Its thread is a daemon: a resolver that hangs must not keep a command from ending."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[Address]] = loop.create_future()

    def settle(found: Sequence[Address], error: OSError | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(found)

    def ask() -> None:
        found: list[Address] = []
        failure: OSError | None = None
        try:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = [(str(info[4][0]), port) for info in infos if info[0] in (socket.AF_INET, socket.AF_INET6)]
        except OSError as error:
            failure = error
        except UnicodeError:
            failure = socket.gaierror(socket.EAI_NONAME, "not a host name")
        with contextlib.suppress(RuntimeError):  # the loop has ended; nobody waits any more
            loop.call_soon_threadsafe(settle, found, failure)

    threading.Thread(target=ask, name="mini-llm-resolver", daemon=True).start()
    return await answer
