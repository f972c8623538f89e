"""transport.message and transport.inflate: from bytes to an answer. No sockets here."""

from __future__ import annotations

import gzip
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.errors import ProtocolError, TruncatedError
from mini_llm.transport.inflate import Inflater
from mini_llm.transport.message import MAX_FIELDS, MAX_HEAD, Headers, Message
from tests.hostile import answer, chunk, events, huge_head

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def read(*pieces: bytes, bodiless: bool = False, ended: bool = False) -> tuple[Message, bytes]:
    """Feed the pieces, and the end of the connection if *ended*; return the message and its body."""
    message = Message("peer", bodiless=bodiless)
    body = b""
    for piece in pieces:
        message.feed(piece)
        body += message.take()
    if ended:
        message.end()
    return message, body


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, int, list[tuple[str, str]], bytes, bool]:
    """A valid answer: its bytes, and the status, fields, body and end-by-closing that must come out of it."""
    status = draw(st.integers(200, 599).filter(lambda number: number not in (204, 304)))
    names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=8).map(lambda name: f"x-{name}")
    values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12)
    fields = draw(st.lists(st.tuples(names, values), max_size=5))
    parts = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
    framing = draw(st.sampled_from(["length", "chunked", "end"]))
    body = b"".join(parts)
    if framing == "length":
        fields.append(("content-length", str(len(body))))
        wire = body
    elif framing == "chunked":
        fields.append(("transfer-encoding", "chunked"))
        trailers = draw(st.sampled_from([b"", b"x-checksum: 1\r\n", b"a:\r\nb: c\r\n"]))
        wire = b"".join(chunk(part) for part in parts) + b"0\r\n" + trailers + b"\r\n"
    else:
        wire = body
    before = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nlink: </a>\r\n\r\n"]))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    head = f"HTTP/1.1 {status} Fine\r\n{lines}\r\n".encode("ascii")
    return before + head + wire, status, fields, body, framing == "end"


@given(answers(), st.lists(st.integers(0, 400), max_size=12))
def test_any_split_of_an_answer_gives_the_same_head_and_body(
    wanted: tuple[bytes, int, list[tuple[str, str]], bytes, bool], cuts: list[int]
) -> None:
    data, status, fields, body, until_eof = wanted
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    pieces = [data[a:b] for a, b in pairwise(places)]
    message, got = read(*pieces, ended=until_eof)
    assert (message.status, message.headers.items(), got) == (status, tuple(fields), body)
    assert message.complete
    assert message.reusable is not until_eof


@given(answers(), st.integers(0, 10_000))
def test_an_answer_cut_short_is_never_taken_for_a_whole_one(
    wanted: tuple[bytes, int, list[tuple[str, str]], bytes, bool], at: int
) -> None:
    data, _, _, _, until_eof = wanted
    head = data.find(b"\r\n\r\n", data.find(b"Fine")) + 4  # a body that closing ends is whole wherever it is cut
    cut = at % (head if until_eof else len(data))
    with pytest.raises(TruncatedError):
        read(data[:cut], ended=True)


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_wait_for_more(data: bytes) -> None:
    message = Message("peer")
    try:
        message.feed(data)
    except ProtocolError:
        return
    assert not message.complete


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", id="length, chunks"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", id="chunks, length"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", id="two lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", id="one length twice"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", id="a list of lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", id="negative length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", id="signed length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n", id="hexadecimal length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", id="endless length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", id="empty length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", id="packed chunks"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", id="coding that is not chunked"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", id="chunks in chunks"),
        pytest.param(CHUNKED + b"-1\r\n", id="negative chunk"),
        pytest.param(CHUNKED + b"zz\r\n", id="unreadable chunk size"),
        pytest.param(CHUNKED + b"fffffffffffffffff\r\n", id="endless chunk"),
        pytest.param(CHUNKED + b"2\r\nabXX\r\n", id="chunk longer than it said"),
        pytest.param(CHUNKED + b"2\nab\n0\n\n", id="chunks ended by LF"),
        pytest.param(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nab", id="lines ended by LF"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", id="folded field"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", id="space before the colon"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", id="CR inside a value"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n", id="NUL inside a value"),
        pytest.param(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", id="a line that is no field"),
        pytest.param(b"HTTP/1.1 99999 OK\r\n\r\n", id="status of five digits"),
        pytest.param(b"HTTP/1.1 020 OK\r\n\r\n", id="status below 100"),
        pytest.param(b"HTTP/1.1 101 Switch\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", id="another protocol"),
        pytest.param(b"<html>hello</html>", id="a page without HTTP"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="another protocol's greeting"),
        pytest.param(b"\x15\x03\x01\x00\x02\x02\x50", id="TLS where plain HTTP was expected"),
    ],
)
def test_bad_http_is_refused_whole_or_a_byte_at_a_time(data: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"^peer sent bad HTTP: "):
        read(data)
    with pytest.raises(ProtocolError):
        read(*(data[at : at + 1] for at in range(len(data))))


def test_an_error_never_quotes_what_the_peer_sent() -> None:
    with pytest.raises(ProtocolError) as caught:
        read(b"HTTP/1.1 200 OK\r\nset-cookie: canary\0\r\n\r\n")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("split", [1, 1000, 1 << 20])
def test_a_head_of_more_than_32_kib_is_refused(split: int) -> None:
    whole = huge_head(MAX_HEAD + 1000)
    with pytest.raises(ProtocolError, match="32 KiB"):
        read(*(whole[at : at + split] for at in range(0, len(whole), split)))
    assert read(huge_head(MAX_HEAD - 1000))[0].complete


def test_a_head_that_never_ends_is_refused_before_it_fills_the_memory() -> None:
    message = Message("peer")
    message.feed(b"HTTP/1.1 200 OK\r\nx-endless: ")
    with pytest.raises(ProtocolError, match="32 KiB"):
        for _ in range(1000):
            message.feed(b"x" * 1000)


def test_1xx_answers_without_end_are_refused() -> None:
    message = Message("peer")
    with pytest.raises(ProtocolError, match="32 KiB"):
        for _ in range(10_000):
            message.feed(b"HTTP/1.1 100 Continue\r\n\r\n")


def test_trailers_and_chunk_extensions_that_never_end_are_refused() -> None:
    for start in (b"2\r\nab\r\n0\r\nx-endless: ", b"2;endless="):
        message = Message("peer")
        message.feed(CHUNKED + start)
        with pytest.raises(ProtocolError, match="32 KiB"):
            for _ in range(1000):
                message.feed(b"x" * 1000)


def test_a_long_stream_of_small_chunks_is_no_long_head() -> None:
    message = Message("peer")
    message.feed(CHUNKED)
    for _ in range(20_000):
        message.feed(b"1\r\n")
        message.feed(b"a\r\n")
    assert message.take() == b"a" * 20_000


def test_a_hundred_fields_are_read_and_one_more_is_refused() -> None:
    fields = [(f"x-{number}", "v") for number in range(MAX_FIELDS - 1)]  # `answer` adds content-length
    assert len(read(answer(headers=fields))[0].headers.items()) == MAX_FIELDS
    with pytest.raises(ProtocolError, match="100 header fields"):
        read(answer(headers=[*fields, ("x-more", "v")]))


def test_1xx_answers_are_passed_over() -> None:
    message, body = read(answer(b"hi", before=b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: <a>\r\n\r\n"))
    assert (message.status, body, message.headers.get("link")) == (200, b"hi", "")


@pytest.mark.parametrize("status", [204, 304])
def test_204_and_304_have_no_body_whatever_their_length_says(status: int) -> None:
    message, body = read(b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status)
    assert (message.complete, message.reusable, body) == (True, True, b"")


def test_an_answer_to_head_has_no_body_and_what_follows_spoils_the_connection() -> None:
    message, body = read(LENGTH, bodiless=True)
    assert (message.complete, message.reusable, body) == (True, True, b"")
    message, body = read(LENGTH + b"ab", bodiless=True)
    assert (message.complete, message.reusable, body) == (True, False, b"")


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\n", b"garbage", LENGTH + b"cd"])
def test_bytes_after_the_answer_are_not_read_and_spoil_the_connection(extra: bytes) -> None:
    for pieces in ([LENGTH + b"ab" + extra], [LENGTH + b"ab", extra]):
        message, body = read(*pieces)
        assert (message.complete, message.reusable, body) == (True, False, b"ab")


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True),
    ],
)
def test_the_peer_says_whether_the_connection_stays(head: bytes, reusable: bool) -> None:
    assert read(head + b"Content-Length: 2\r\n\r\nab")[0].reusable is reusable


def test_a_body_that_only_the_end_of_the_connection_ends_is_whole_then() -> None:
    message, body = read(b"HTTP/1.1 200 OK\r\n\r\n", b"abc", b"def")
    assert not message.complete
    message.end()
    assert (message.complete, message.reusable, body) == (True, False, b"abcdef")


def test_trailers_are_dropped() -> None:
    message, body = read(answer(b"hello", chunked=True, trailers=b"x-status: late\r\n"))
    assert (message.complete, body, message.headers.get("x-status")) == (True, b"hello", "")


def test_what_came_since_the_last_call_is_one_piece() -> None:
    message = Message("peer")
    message.feed(events("one", "two"))
    assert (message.size, message.take(), message.take()) == (22, b"data: one\n\ndata: two\n\n", b"")


def test_headers_are_found_in_any_case_and_show_no_values() -> None:
    headers = Headers([("retry-after", "1"), ("set-cookie", "canary"), ("set-cookie", "b")])
    assert headers.get("Retry-After") == "1"
    assert headers.get("SET-COOKIE") == "canary"
    assert (headers.get("missing"), headers.get("missing", "x")) == ("", "x")
    assert len(headers.items()) == 3
    assert "canary" not in repr(headers)


# Bodies that came packed.


def unpack(data: bytes, encoding: str = "gzip", step: int = 7) -> bytes:
    inflater = Inflater(encoding, "peer")
    plain = b"".join(inflater.feed(data[at : at + step]) for at in range(0, len(data), step))
    inflater.end()
    return plain


@given(st.binary(max_size=2000), st.integers(1, 300), st.sampled_from(["gzip", "x-gzip", "zlib", "raw"]))
def test_a_packed_body_comes_out_whole_in_any_pieces(body: bytes, step: int, kind: str) -> None:
    if kind in ("gzip", "x-gzip"):
        assert unpack(gzip.compress(body), kind, step) == body
    elif kind == "zlib":
        assert unpack(zlib.compress(body), "deflate", step) == body
    else:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        assert unpack(packer.compress(body) + packer.flush(), "deflate", step) == body


def test_what_was_flushed_comes_out_at_once() -> None:
    packer = zlib.compressobj(wbits=31)
    first = packer.compress(b"data: one\n\n") + packer.flush(zlib.Z_SYNC_FLUSH)
    assert Inflater("gzip", "peer").feed(first) == b"data: one\n\n"


def test_a_bomb_is_refused_long_before_it_is_unpacked() -> None:
    with pytest.raises(ProtocolError, match="unpacks to too much"):
        unpack(gzip.compress(b"\0" * 10_000_000), step=1000)
    inflater = Inflater("gzip", "peer")
    noise = zlib.compressobj(wbits=31)
    with pytest.raises(ProtocolError, match="unpacks to too much"):  # within the ratio, but more than 32 MiB
        for _ in range(4000):
            inflater.feed(noise.compress(bytes(range(256)) * 40) + noise.flush(zlib.Z_FULL_FLUSH))


def test_a_bomb_inside_an_archive_stays_packed() -> None:
    assert unpack(gzip.compress(gzip.compress(b"\0" * 1_000_000)))[:2] == b"\x1f\x8b"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress", "nonsense"])
def test_another_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(ProtocolError, match="not asked for"):
        Inflater(encoding, "peer")


def test_a_packed_body_that_is_broken_is_refused() -> None:
    whole = gzip.compress(b"hello" * 100)
    with pytest.raises(ProtocolError, match="cannot be read"):
        unpack(b"not gzip at all")
    with pytest.raises(ProtocolError, match="cannot be read"):
        unpack(whole[:-8] + b"\0" * 8)
    with pytest.raises(ProtocolError, match="after the end"):
        unpack(whole + whole)
    with pytest.raises(TruncatedError):
        unpack(whole[:-9])
