"""Amazon's binary event stream: frames with headers, a payload, and a checksum over each part.

Not botocore's parser: that one copies all it holds for every chunk, which takes minutes for a large frame in small
pieces, and a key instead of a signature needs nothing of botocore.
https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html (2026-11)
"""

from __future__ import annotations

import struct
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from zlib import crc32

import orjson

from mini_llm import sse
from mini_llm.errors import ProtocolError, TruncatedError

EXCEPTION = "exception "
_PRELUDE = struct.Struct("!II")  # the length of all, the length of the headers; their checksum follows
_NUMBER = struct.Struct("!I")
_SHORT = struct.Struct("!H")
_AROUND = _PRELUDE.size + 2 * _NUMBER.size
# How long the value of a header of each type is; 6 and 7, bytes and text, tell it themselves.
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES, _TEXT = 6, 7


async def events(chunks: AsyncIterable[bytes]) -> AsyncGenerator[sse.Event, None]:
    """Yield each frame of *chunks* as an event of its type; one that tells a failure as `exception TYPE`.

    Raises ProtocolError for a frame that is damaged or larger than 8 MiB, TruncatedError for one that is cut off.
    """
    held = bytearray()
    try:
        async for chunk in chunks:
            held += chunk
            at = 0
            while size := _size(held, at):
                yield _event(bytes(held[at : at + size]))
                at += size
            del held[:at]
    finally:
        await sse.close(chunks)
    if held:
        raise TruncatedError("the stream ended in the middle of a frame")


def _size(held: bytearray, at: int) -> int:
    """Return the length of the frame that begins at *at*; 0 if not all of it is there yet."""
    if len(held) - at < _PRELUDE.size + _NUMBER.size:
        return 0
    whole, headers = _PRELUDE.unpack_from(held, at)
    (checksum,) = _NUMBER.unpack_from(held, at + _PRELUDE.size)
    if crc32(held[at : at + _PRELUDE.size]) != checksum:
        raise ProtocolError("the checksum of a frame's beginning is wrong")
    if whole > sse.MAX_EVENT:
        raise ProtocolError(f"a frame of the stream is larger than {sse.MAX_EVENT // 1024 // 1024} MiB")
    if whole < _AROUND + headers:
        raise ProtocolError("a frame is shorter than its headers")
    return whole if len(held) - at >= whole else 0


def _event(frame: bytes) -> sse.Event:
    (checksum,) = _NUMBER.unpack_from(frame, len(frame) - _NUMBER.size)
    if crc32(frame[: -_NUMBER.size]) != checksum:
        raise ProtocolError("the checksum of a frame is wrong")
    _, length = _PRELUDE.unpack_from(frame)
    start = _PRELUDE.size + _NUMBER.size
    try:
        headers = dict(_headers(frame[start : start + length]))
    except (struct.error, KeyError, IndexError, UnicodeDecodeError) as error:
        raise ProtocolError("the headers of a frame can't be read") from error
    payload = frame[start + length : -_NUMBER.size]
    match headers.get(":message-type"):
        case "exception":
            return sse.Event(EXCEPTION + headers.get(":exception-type", ""), payload)
        case "error":
            told = {"message": headers.get(":error-message", "")}
            return sse.Event(EXCEPTION + headers.get(":error-code", ""), orjson.dumps(told))
    return sse.Event(headers.get(":event-type", ""), payload)


def _headers(raw: bytes) -> Iterator[tuple[str, str]]:
    """Yield the headers that are text."""
    at = 0
    while at < len(raw):
        size = raw[at]
        name = raw[at + 1 : at + 1 + size].decode()
        at += 1 + size
        kind = raw[at]
        at += 1
        if kind in (_BYTES, _TEXT):
            (size,) = _SHORT.unpack_from(raw, at)
            at += _SHORT.size
            if at + size > len(raw):
                raise IndexError(name)
            if kind == _TEXT:
                yield name, raw[at : at + size].decode()
            at += size
        else:
            at += _SIZES[kind]
