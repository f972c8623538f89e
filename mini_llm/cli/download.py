"""Get what stands at an address the user gave. No secret is sent, so a redirect may be followed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urljoin

from mini_llm import attachments
from mini_llm.errors import UsageError
from mini_llm.transport import Timeouts, Transport

MOST_REDIRECTS = 5
TIMEOUTS = Timeouts(connect=5.0, first_byte=30.0, silence=30.0, total=120.0)


def get(url: str, environ: Mapping[str, str], *, limit: int = attachments.LARGEST) -> bytes:
    """Return the bytes behind *url*."""
    return asyncio.run(_get(url, environ, limit))


async def _get(url: str, environ: Mapping[str, str], limit: int) -> bytes:
    transport = Transport(environ=environ)
    try:
        for _ in range(MOST_REDIRECTS):
            async with transport.send("GET", url, headers=[("user-agent", "mini-llm")], timeouts=TIMEOUTS) as response:
                if response.status in (301, 302, 303, 307, 308):
                    url = urljoin(url, response.headers.get("location"))
                    continue
                if response.status != 200:
                    raise UsageError(f"cannot get {url}: the server answered {response.status}")
                return await response.read(limit)
        raise UsageError(f"cannot get {url}: it is redirected again and again")
    finally:
        await transport.close()
