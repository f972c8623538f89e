"""Takes connections in: never more than there is room for, never less than it could after a shortage has passed."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress

from mini_llm.gateway.connection import Server
from mini_llm.gateway.siblings import Siblings

SPARE = 16  # connections over the cap that are taken in to be told 503; the next ones wait in the kernel
FULL_SECONDS = 0.05
YIELD_SECONDS = 0.001
SHORTAGE_SECONDS = 0.5  # after the system had no descriptor or no memory for one more
HANDSHAKE_SECONDS = 10.0
ARRIVING_SECONDS = 0.05  # what came last has its first bytes read before the rest is closed

_log = logging.getLogger(__name__)


class Listener:
    """Accept on *sockets* for *server*. Where *siblings* accept on them too, who has fewest connections goes first.

    We accept ourselves: uvloop's own server closes for good on some shortages of descriptors, and neither loop can wait
    while too many connections are open.
    """

    def __init__(
        self,
        server: Server,
        sockets: Sequence[socket.socket],
        *,
        tls: ssl.SSLContext | None = None,
        siblings: Siblings | None = None,
    ) -> None:
        self._server = server
        self._sockets = sockets
        self._tls = tls
        self._siblings = siblings
        self._accepting: list[asyncio.Task[None]] = []
        self._arriving: set[asyncio.Task[None]] = set()
        self._short = False

    def start(self) -> None:
        """Begin to accept."""
        for sock in self._sockets:
            sock.setblocking(False)
            self._accepting.append(asyncio.create_task(self._accept(sock)))

    async def close(self) -> None:
        """Take in who knocked already, then accept nobody any more."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for sock in self._sockets:
            with suppress(OSError):
                while not self._full:
                    self._take(*sock.accept())
            sock.close()
        await asyncio.sleep(ARRIVING_SECONDS)
        for task in self._arriving:  # still shaking hands
            task.cancel()
        await asyncio.gather(*self._arriving, return_exceptions=True)

    @property
    def _count(self) -> int:
        return len(self._server.connections) + len(self._arriving)

    @property
    def _full(self) -> bool:
        return self._count >= self._server.limits.connections + SPARE

    async def _accept(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while self._full:  # noqa: ASYNC110 -- a connection's end tells nobody, and this is rare
                await asyncio.sleep(FULL_SECONDS)
            try:
                if self._siblings is not None:
                    await self._let_others_go_first(sock, self._siblings)
                    self._take(*sock.accept())
                else:
                    self._take(*await loop.sock_accept(sock))
            except (ConnectionError, BlockingIOError):  # gone before we came, or another worker was faster
                continue
            except OSError as error:
                await self._wait_out(error)
            else:
                self._short = False

    async def _let_others_go_first(self, sock: socket.socket, siblings: Siblings) -> None:
        """Wait for a connection, and a moment longer where another worker has fewer of them."""
        loop = asyncio.get_running_loop()
        knocked = loop.create_future()
        loop.add_reader(sock, _wake, knocked)
        try:
            await knocked
        finally:
            loop.remove_reader(sock)
        if siblings.crowded(self._count):
            await asyncio.sleep(YIELD_SECONDS)

    async def _wait_out(self, error: OSError) -> None:
        """Wait while the system has nothing left to accept with."""
        if not self._short:
            _log.warning("no connection can be accepted: %s", error.strerror or error)
        self._short = True
        await asyncio.sleep(SHORTAGE_SECONDS)

    def _take(self, sock: socket.socket, _: object) -> None:
        sock.setblocking(False)
        task = asyncio.create_task(self._arrive(sock))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _arrive(self, sock: socket.socket) -> None:
        """Give a connection its protocol. A handshake that fails is the client's affair."""
        loop = asyncio.get_running_loop()
        handshake = HANDSHAKE_SECONDS if self._tls else None
        try:
            await loop.connect_accepted_socket(
                self._server.protocol, sock, ssl=self._tls, ssl_handshake_timeout=handshake
            )
        except (OSError, TimeoutError, asyncio.CancelledError):
            sock.close()


def _wake(knocked: asyncio.Future[None]) -> None:
    if not knocked.done():
        knocked.set_result(None)
