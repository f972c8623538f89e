"""A transport and its peer, for the length of one story."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import trustme

from mini_llm.transport import Limits, Timeouts, Transport
from tests.hostile import Hostile, hostile

USUAL = Limits()
QUICK = Timeouts(connect=2.0, first_byte=2.0, silence=2.0, total=5.0)


@asynccontextmanager
async def opened(limits: Limits = USUAL, now: Callable[[], float] = time.monotonic) -> AsyncIterator[Transport]:
    """A transport that is closed after the block, and that has left no task behind then."""
    before = asyncio.all_tasks()
    transport = Transport(environ={}, limits=limits, now=now)
    try:
        yield transport
    finally:
        await transport.close()
    await asyncio.sleep(0)
    ours = {task for task in asyncio.all_tasks() - before if "serve" not in repr(task)}
    assert not ours


async def get(transport: Transport, url: str, timeouts: Timeouts = QUICK) -> tuple[int, bytes, bool]:
    """Return status, body, and whether the connection was a used one."""
    async with transport.send("GET", url, timeouts=timeouts) as response:
        return response.status, await response.read(), response.reused


def play(story: Callable[[Transport, Hostile], Awaitable[None]], *, limits: Limits = USUAL) -> None:
    """Play a story between a transport and a hostile peer."""

    async def whole() -> None:
        async with hostile() as peer, opened(limits) as transport:
            await story(transport, peer)

    asyncio.run(whole())


async def ask(
    url: str,
    environ: Mapping[str, str] | None = None,
    *,
    timeouts: Timeouts = QUICK,
    resolve: Callable[[str, int], Awaitable[Sequence[tuple[str, int]]]] | None = None,
) -> tuple[int, bytes]:
    """Ask once, with a transport of its own."""
    transport = Transport(environ=environ or {}, resolve=resolve)
    try:
        async with transport.send("GET", url, headers=[("authorization", "canary")], timeouts=timeouts) as response:
            return response.status, await response.read()
    finally:
        await transport.close()


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """Return what a server needs to show *certificate*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
