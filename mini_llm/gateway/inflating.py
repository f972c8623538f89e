"""Request bodies that come compressed, as some clients send them: gzip and zstd, and never more than is allowed."""

from __future__ import annotations

import asyncio
import zlib

from mini_llm.errors import MiniLLMError
from mini_llm.gateway.connection import RefusedError

MOST_TIMES = 200  # a body of JSON shrinks to a tenth; one that shrinks to less than this is a bomb
_LEAST = 64 * 1024


async def inflated(body: bytes, coding: str, limit: int) -> bytes:
    """Return *body* as it was before its `content-encoding`. Raises RefusedError with 415, 413 or 400."""
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in _WAYS:
        raise RefusedError(
            415, f"a body in {coding[:20]!r} is not read here: use gzip, zstd or none", code="bad_coding"
        )
    most = min(limit, max(_LEAST, len(body) * MOST_TIMES))
    data = await asyncio.to_thread(_WAYS[coding], body, most + 1)
    if len(data) > most:
        raise RefusedError(413, "the body is larger than allowed once it is unpacked", code="request_too_large")
    return data


def _gzip(body: bytes, most: int) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        data = inflater.decompress(body, most)
    except zlib.error as error:
        raise _broken("gzip") from error
    if not inflater.eof and len(data) < most:
        raise _broken("gzip")
    return data


def _zstd(body: bytes, most: int) -> bytes:
    import zstandard  # loaded with the first body that needs it

    try:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(body)
        return reader.read(most)
    except (zstandard.ZstdError, MemoryError) as error:
        raise _broken("zstd") from error


def _broken(coding: str) -> MiniLLMError:
    return RefusedError(400, f"the body is no valid {coding}", code="bad_coding")


_WAYS = {"gzip": _gzip, "x-gzip": _gzip, "zstd": _zstd}
