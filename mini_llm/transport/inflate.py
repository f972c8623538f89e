"""Unpack a gzip or deflate body that came although we asked for none, bit by bit and within limits."""

from __future__ import annotations

import zlib

from mini_llm.errors import ProtocolError, TruncatedError

MAX_BYTES = 32 * 1024 * 1024
MAX_RATIO = 100
FREE_BYTES = 64 * 1024  # a short body may exceed the ratio: repeated keep-alive comments pack well


class Inflater:
    """The body of one answer: `feed` it packed bytes, get plain ones."""

    def __init__(self, encoding: str, label: str) -> None:
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise ProtocolError(f"{label} sent a content encoding that was not asked for and is not known")
        self._deflate = encoding == "deflate"
        self._label = label
        self._stream: zlib._Decompress | None = None  # made when the first byte is seen
        self._packed = 0
        self._plain = 0

    def feed(self, data: bytes) -> bytes:
        """Return what *data* unpacks to, possibly nothing; raise ProtocolError for a bomb or for nonsense."""
        if self._stream is None:
            self._stream = zlib.decompressobj(self._window(data))
        self._packed += len(data)
        room = min(MAX_BYTES, FREE_BYTES + MAX_RATIO * self._packed) - self._plain
        try:
            plain = self._stream.decompress(data, room + 1)
        except zlib.error as error:
            raise ProtocolError(f"{self._label} sent a compressed body that cannot be read") from error
        if len(plain) > room:
            raise ProtocolError(f"{self._label} sent a body that unpacks to too much")
        if self._stream.unused_data:
            raise ProtocolError(f"{self._label} sent more after the end of a compressed body")
        self._plain += len(plain)
        return plain

    def end(self) -> None:
        """Raise TruncatedError if something is missing."""
        if self._stream is not None and not self._stream.eof:
            raise TruncatedError(f"{self._label} closed the connection in the middle of a compressed body")

    def _window(self, data: bytes) -> int:
        """Return zlib's `wbits`. Servers disagree whether `deflate` has the zlib header (RFC 9110 §8.4.1.2)."""
        if not self._deflate:
            return 16 + zlib.MAX_WBITS
        return zlib.MAX_WBITS if data[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
