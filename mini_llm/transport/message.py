"""One HTTP/1.1 answer, from bytes to head and body: llhttp's strictness plus our limits. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import httptools

from mini_llm.errors import ProtocolError, TruncatedError

MAX_HEAD = 32 * 1024
MAX_FIELDS = 100


FIELD = 4  # bytes of a field beside its name and its value: ": " and the end of its line
# The names of fields as they come, and in lower case: the same few again and again.
_LOWER: dict[bytes, str] = {}
_MOST_NAMES = 1000


class Headers:
    """The fields of an answer's head, in the order they came; names in lower case."""

    __slots__ = ("_fields", "_first")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = tuple(fields)
        self._first = dict(reversed(self._fields))

    def get(self, name: str, default: str = "") -> str:
        """Return the first value called *name*, in any case."""
        value = self._first.get(name)
        return self._first.get(name.lower(), default) if value is None else value

    def items(self) -> tuple[tuple[str, str], ...]:
        """Return every field; a name may occur more than once."""
        return self._fields

    def __repr__(self) -> str:
        """Show the names only: a value may be a secret."""
        return f"Headers({', '.join(name for name, _ in self._fields)})"


_NONE = Headers()


class Message:
    """What has come of one answer so far. `status` is 0 until its head is whole; 1xx answers are passed over.

    `label` names the peer in errors; `bodiless` says that none follows whatever the head claims (an answer to HEAD).
    """

    __slots__ = (
        "_bodiless",
        "_fields",
        "_label",
        "_overhead",
        "_parser",
        "_parts",
        "_problem",
        "_size",
        "_until_eof",
        "began",
        "complete",
        "headers",
        "reusable",
        "size",
        "status",
    )

    def __init__(self, label: str, *, bodiless: bool = False) -> None:
        self.status = 0
        self.headers = _NONE
        self.began = False
        self.complete = False
        self.reusable = False  # another request may follow on the same connection
        self.size = 0  # body bytes that wait in `_parts` to be taken
        self._label = label
        self._bodiless = bodiless
        self._until_eof = False
        self._overhead = 0  # bytes since the last one of the body: head, framing, trailers
        self._problem = ""
        self._parts: list[bytes] = []
        self._fields: list[tuple[str, str]] = []
        self._size = 0  # of these fields
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes | memoryview) -> None:
        """Read on with *data*; raise ProtocolError for what HTTP or our limits forbid."""
        if self._parser is None:
            self.reusable = False  # bytes nobody asked for
            return
        self.began = True
        before = self.size
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.complete:
                self._parser = None
                reason = self._problem or str(error).lower()
                raise ProtocolError(f"{self._label} sent bad HTTP: {reason}") from error
            self.reusable = False  # a whole answer, then bytes nobody asked for
        if self.complete:
            self._parser = None
        elif self.size != before:
            self._overhead = 0
        else:
            self._count(len(data))

    def end(self) -> None:
        """Note that the peer sends no more; raise TruncatedError if more was announced."""
        self.reusable = False
        self._parser = None
        if self._until_eof:
            self.complete = True
        elif not self.complete:
            where = "in the middle of the body" if self.status else "before the end of the head"
            raise TruncatedError(f"{self._label} closed the connection {where}")

    def take(self) -> bytes:
        """Return, and forget, the body bytes that have come since the last call."""
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self.size = 0
        return data

    # What the parser calls, in this order.

    def on_message_begin(self) -> None:
        if self.complete:
            self._refuse("more than one answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        fields = self._fields
        if len(fields) >= MAX_FIELDS:
            self._refuse(f"more than {MAX_FIELDS} header fields")
        self._size += len(name) + len(value)
        fields.append((_LOWER.get(name) or _lower(name), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        status: int = self._parser.get_status_code()
        if status < 100 or status == 101:
            self._refuse(f"status {status}, which was not asked for")
        fields, self._fields = self._fields, []  # trailers are counted anew, and dropped
        if self._size + FIELD * len(fields) > MAX_HEAD:
            self._refuse(f"a head of more than {MAX_HEAD // 1024} KiB")
        self._size = 0
        if status < 200:
            return
        self.headers = Headers(fields)
        self._frame(status)
        self.status = status

    def on_body(self, data: bytes) -> None:
        if self.complete:
            self._refuse("a body where none belongs")
        self._parts.append(data)
        self.size += len(data)

    def on_message_complete(self) -> None:
        if self.status:
            self.complete = True

    def _frame(self, status: int) -> None:
        """Decide what ends the body. llhttp has refused a doubled or unreadable length, and one beside chunks."""
        assert self._parser is not None
        coding = self.headers.get("transfer-encoding")
        if coding and coding.strip().lower() != "chunked":
            self._refuse("a transfer coding other than chunked")
        self.reusable = self._parser.should_keep_alive()
        if self._bodiless:
            self.complete = True
        elif status not in (204, 304):
            self._until_eof = not coding and not self.headers.get("content-length")

    def _count(self, size: int) -> None:
        """Stop a head, a chunk extension or trailers that never end."""
        self._overhead += size
        if self._overhead > MAX_HEAD:
            self._parser = None
            raise ProtocolError(f"{self._label} sent a head of more than {MAX_HEAD // 1024} KiB")

    def _refuse(self, problem: str) -> NoReturn:
        """Stop the parser from inside one of its calls; `feed` turns this into a ProtocolError."""
        self._problem = problem
        raise ValueError(problem)


def _lower(name: bytes) -> str:
    text = name.decode("latin-1").lower()
    if len(_LOWER) < _MOST_NAMES:
        _LOWER[name] = text
    return text
