"""Amazon's binary event stream, judged by botocore's own parser, and what becomes of damage."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
import time
from collections.abc import Iterable
from zlib import crc32

import pytest

from mini_llm import sse
from mini_llm.dialects import bedrock_converse
from mini_llm.errors import MiniLLMError, ProtocolError, TruncatedError
from tests.dialects.reading import chunked, each
from tests.dialects.targets import Recording, recordings

STREAMS = [item for item in recordings() if item.dialect == "bedrock_converse" and item.streams]


def frame(payload: bytes, **headers: str) -> bytes:
    """Return one frame; `message_type` stands for `:message-type`."""
    raw = b""
    for name, value in headers.items():
        called = (":" + name.replace("_", "-")).encode()
        raw += bytes([len(called)]) + called + b"\x07" + struct.pack("!H", len(value)) + value.encode()
    prelude = struct.pack("!II", 16 + len(raw) + len(payload), len(raw))
    whole = prelude + struct.pack("!I", crc32(prelude)) + raw + payload
    return whole + struct.pack("!I", crc32(whole))


def read(raw: bytes, cuts: Iterable[int] = ()) -> list[sse.Event]:
    async def run() -> list[sse.Event]:
        return [event async for event in bedrock_converse.events(chunked(raw, cuts))]

    return asyncio.run(run())


@each(STREAMS)
def test_frames_are_those_that_botocore_reads(recording: Recording) -> None:
    eventstream = pytest.importorskip("botocore.eventstream")
    buffer = eventstream.EventStreamBuffer()
    buffer.add_data(recording.raw)
    theirs = [(message.headers[":event-type"], message.payload) for message in buffer]
    assert [tuple(event) for event in read(recording.raw)] == theirs
    assert len(theirs) == len(recording.response["eventstream"])


def test_a_frame_is_read_however_it_is_cut() -> None:
    raw = frame(b"{}", message_type="event", event_type="messageStart") * 3
    for size in range(1, 40):
        assert read(raw, range(0, len(raw), size)) == [sse.Event("messageStart", b"{}")] * 3


def test_a_failure_among_the_frames_is_told_by_its_type() -> None:
    raw = frame(b'{"message":"slow"}', message_type="exception", exception_type="throttlingException")
    raw += frame(b"", message_type="error", error_code="InternalError", error_message="broken")
    assert read(raw) == [
        sse.Event("exception throttlingException", b'{"message":"slow"}'),
        sse.Event("exception InternalError", b'{"message":"broken"}'),
    ]


def test_one_wrong_byte_is_noticed_wherever_it_is() -> None:
    raw = frame(b'{"delta":{"text":"Hello"}}', message_type="event", event_type="contentBlockDelta")
    for at in range(len(raw)):
        damaged = bytearray(raw)
        damaged[at] ^= 0x20
        with pytest.raises((ProtocolError, TruncatedError)):
            read(bytes(damaged))


def test_a_frame_that_ends_early_or_lies_about_its_size_is_refused() -> None:
    raw = frame(b"{}", message_type="event", event_type="messageStart")
    with pytest.raises(TruncatedError):
        read(raw[:-1])
    for whole, headers in ((2**31, 0), (20, 400), (0, 0)):
        prelude = struct.pack("!II", whole, headers)
        with pytest.raises(ProtocolError):
            read(prelude + struct.pack("!I", crc32(prelude)) + b"x" * 64)


def test_headers_that_lie_raise_nothing_but_our_errors() -> None:
    draw = random.Random(7)
    for _ in range(300):
        raw = draw.randbytes(draw.randrange(1, 60))
        prelude = struct.pack("!II", 16 + len(raw), len(raw))
        whole = prelude + struct.pack("!I", crc32(prelude)) + raw
        with contextlib.suppress(MiniLLMError):
            read(whole + struct.pack("!I", crc32(whole)))


def test_a_large_frame_in_small_pieces_takes_linear_time() -> None:
    raw = frame(b" " * (4 << 20), message_type="event", event_type="metadata")
    begun = time.process_time()
    assert len(read(raw, range(0, len(raw), 1000))) == 1
    assert time.process_time() - begun < 2.0
