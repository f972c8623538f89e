"""From an origin to an open connection: name, address, proxy, TLS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest

from mini_llm.errors import NetworkError, ProtocolError, ResetByPeerError, TLSError
from mini_llm.transport import reasons
from mini_llm.transport.connection import Connection
from mini_llm.transport.message import MAX_HEAD
from mini_llm.transport.origin import Origin
from mini_llm.transport.proxy import Proxy
from mini_llm.transport.resolver import Address, Resolve, Resolver
from mini_llm.transport.tls import Trust

HEAD_START = 0.25  # seconds an address gets before the next is tried beside it (RFC 8305 §5)


class Dialer:
    """Open connections. The caller sets the deadline around it."""

    def __init__(self, environ: Mapping[str, str], resolve: Resolve | None = None) -> None:
        self._resolver = Resolver(resolve)
        self._trust = Trust(environ)

    async def dial(self, origin: Origin, proxy: Proxy | None, connection: Callable[[], Connection]) -> Connection:
        """Return a connection ready for its first exchange; raise NetworkError, TLSError or ResetByPeerError."""
        whole = self._trust.whole
        try:
            return await self._dial_once(origin, proxy, connection)
        except TLSError as error:
            if whole or not reasons.is_certificate(error.__cause__):
                raise
        await self._trust.complete()
        return await self._dial_once(origin, proxy, connection)

    async def close(self) -> None:
        """Give up what is still asked of the resolver."""
        await self._resolver.close()

    async def _dial_once(self, origin: Origin, proxy: Proxy | None, connection: Callable[[], Connection]) -> Connection:
        """Find an address, connect, and make it safe."""
        peer = proxy.origin if proxy else origin
        try:
            if origin.socket:
                return await _dial_unix(origin, connection)
            addresses = await self._resolver.addresses(peer.host, peer.port)
            if not addresses:
                raise NetworkError(f"cannot reach {peer.label}: no such host")
            sock = await connect(addresses)
        except OSError as error:
            via = f" (the proxy for {origin.label})" if proxy else ""
            raise NetworkError(f"cannot reach {peer.label}{via}: {reasons.of(error)}") from error
        return await self._dial_over(sock, origin, proxy, connection)

    async def _dial_over(
        self, sock: socket.socket, origin: Origin, proxy: Proxy | None, connection: Callable[[], Connection]
    ) -> Connection:
        """Put tunnel and TLS over an open socket, which is closed if that fails."""
        loop = asyncio.get_running_loop()
        made = connection()
        try:
            if proxy and origin.scheme == "https":
                await _open_tunnel(sock, origin, proxy)
            context = await self._trust.context() if origin.scheme == "https" else None
            name = origin.host if context else None
            await loop.create_connection(lambda: made, sock=sock, ssl=context, server_hostname=name)
        except OSError as error:
            sock.close()
            made.forsake()
            if reasons.is_tls(error):
                told = f"no safe connection to {origin.label}: {reasons.of(error)}"
                raise TLSError(told, hint=reasons.hint(error)) from error
            via = f" through the proxy {proxy.origin.label}" if proxy else ""
            raise ResetByPeerError(
                f"the connection to {origin.label}{via} broke while it was opened: {reasons.of(error)}"
            ) from error
        except BaseException:
            sock.close()
            made.forsake()
            raise
        return made


async def connect(addresses: Sequence[Address]) -> socket.socket:
    """Return a socket connected to the first address that answers; each has a head start over the next one.

    asyncio does the same, but not under uvloop, and not for addresses handed in.
    """
    waiting = _alternate(addresses)
    if len(waiting) == 1:
        return await _connect_one(waiting[0])
    running: set[asyncio.Task[socket.socket]] = set()
    failures: list[BaseException] = []
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.create_task(_connect_one(waiting.pop(0))))
            patience = HEAD_START if waiting else None
            done, running = await asyncio.wait(running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            for attempt in done:
                error = attempt.exception()
                if error is None:
                    running |= done - {attempt}  # a second one that came in the same moment is closed below
                    return attempt.result()
                failures.append(error)
        raise failures[0]
    finally:
        await _drop(running)


async def _connect_one(address: Address) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


async def _drop(attempts: set[asyncio.Task[socket.socket]]) -> None:
    """End the attempts that lost the race, and close what they opened."""
    for attempt in attempts:
        attempt.cancel()
    for outcome in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(outcome, socket.socket):
            outcome.close()


def _alternate(addresses: Sequence[Address]) -> list[Address]:
    """Return the addresses with the two families in turn, so that a broken one costs one head start only."""
    first_is_6 = ":" in addresses[0][0]
    first = [address for address in addresses if (":" in address[0]) == first_is_6]
    second = [address for address in addresses if (":" in address[0]) != first_is_6]
    return [address for pair in zip_longest(first, second) for address in pair if address is not None]


async def _dial_unix(origin: Origin, connection: Callable[[], Connection]) -> Connection:
    loop = asyncio.get_running_loop()
    if not hasattr(socket, "AF_UNIX") or not hasattr(loop, "create_unix_connection"):
        raise NetworkError(f"cannot reach {origin.label}: this system has no Unix sockets")
    made = connection()
    try:
        await loop.create_unix_connection(lambda: made, origin.socket)
    except BaseException:
        made.forsake()
        raise
    return made


async def _open_tunnel(sock: socket.socket, origin: Origin, proxy: Proxy) -> None:
    """Ask the proxy for a way through (RFC 9110 §9.3.6)."""
    loop = asyncio.get_running_loop()
    lines = [f"CONNECT {origin.tunnel} HTTP/1.1", f"host: {origin.tunnel}"]
    if proxy.authorization:
        lines.append(f"proxy-authorization: {proxy.authorization}")
    await loop.sock_sendall(sock, "\r\n".join([*lines, "", ""]).encode("latin-1"))
    head = b""
    while b"\r\n\r\n" not in head:
        piece = await loop.sock_recv(sock, 4096)
        if not piece or len(head) > MAX_HEAD:
            raise ProtocolError(f"the proxy {proxy.origin.label} did not answer CONNECT with HTTP")
        head += piece
    status = head.split(b"\r\n", 1)[0].split(b" ")[1:2]
    if not head.startswith(b"HTTP/1.") or not head.endswith(b"\r\n\r\n"):
        raise ProtocolError(f"the proxy {proxy.origin.label} did not answer CONNECT with HTTP")
    if status != [b"200"]:
        told = status[0][:3].decode("latin-1") if status and status[0].isdigit() else "no status"
        hint = "put user:password@ before the host of HTTPS_PROXY" if told == "407" else ""
        raise NetworkError(f"the proxy {proxy.origin.label} refused a tunnel to {origin.tunnel}: {told}", hint=hint)
