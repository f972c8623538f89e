"""Bytes to events and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm import sse
from mini_llm.errors import ProtocolError

LINES = st.sampled_from(
    ["data: a", "data:b", "data", "data:  c ", "data: {\u2028\u0085}", "event: ping", "event:x", "event", ": comment",
     ":", "id: 7", "retry: 10", "unknown: x", "", "", "data: é😀", "dataa: no", " data: no", "data: [DONE]"]
)  # fmt: skip


def parsed(chunks: list[bytes]) -> list[sse.Event]:
    parser = sse.Parser()
    return [event for chunk in chunks for event in parser.feed(chunk)] + parser.close()


def plainly(text: str) -> list[tuple[str, bytes]]:
    """Read a stream as the specification says it, line by line."""
    found, name, data = [], "", []
    for line in [*text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        if not line:
            if data:
                found.append((name, "\n".join(data).encode()))
            name, data = "", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value
    return found


@given(st.lists(LINES), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_a_stream_reads_as_the_specification_says(lines: list[str], newline: str, marked: bool) -> None:
    text = ("\ufeff" if marked else "") + newline.join(lines)
    assert parsed([text.encode()]) == plainly(text)


@given(st.lists(LINES), st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=1), st.data())
def test_any_split_gives_the_same_events(lines: list[str], newlines: list[str], data: st.DataObject) -> None:
    raw = "".join(line + newlines[at % len(newlines)] for at, line in enumerate(lines)).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    chunks = [raw[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert parsed(chunks) == parsed([raw])
    assert parsed([raw[at : at + 1] for at in range(len(raw))]) == parsed([raw])


@given(st.text(), st.sampled_from(["", "ping", "message_start"]))
def test_what_is_encoded_reads_back(text: str, name: str) -> None:
    data = text.replace("\r\n", "\n").replace("\r", "\n").encode()
    assert parsed([sse.encode(text.encode(), name)]) == [(name, data)]


def test_the_last_event_needs_no_blank_line() -> None:
    assert parsed([b"data: a\n\ndata: b"]) == [("", b"a"), ("", b"b")]


def test_a_carriage_return_ends_a_line_at_once() -> None:
    assert sse.Parser().feed(b"data: a\r\r") == [("", b"a")]


def test_an_event_that_is_too_large_is_refused_however_it_comes() -> None:
    for size in (sse.MAX_EVENT + 1, 60_000):
        parser = sse.Parser()
        with pytest.raises(ProtocolError, match="8 MiB"):
            for _ in range(sse.MAX_EVENT // size + 2):
                parser.feed(b"x" * size)
    with pytest.raises(ProtocolError, match="8 MiB"):
        sse.Parser().feed(b"x" * (sse.MAX_EVENT + 1) + b"\n\n")


def test_the_largest_event_passes_and_costs_linear_time() -> None:
    parser, payload = sse.Parser(), b"x" * (sse.MAX_EVENT - 6)
    began = time.process_time()
    for at in range(0, len(payload), 16):
        parser.feed((b"data: " if at == 0 else b"") + payload[at : at + 16])
    assert parser.feed(b"\n\n") == [("", payload)]
    for _ in range(200_000):
        parser.feed(b"y")
    assert time.process_time() - began < 5  # a quadratic parser takes hours


def test_events_come_as_they_are_whole_and_failures_pass_through() -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        yield b"data: a\n"
        yield b"\ndata: b\n\nda"
        raise ConnectionResetError

    async def collect() -> list[sse.Event]:
        seen = []
        with pytest.raises(ConnectionResetError):
            async for event in sse.events(chunks()):
                seen.append(event)
        return seen

    assert asyncio.run(collect()) == [("", b"a"), ("", b"b")]
