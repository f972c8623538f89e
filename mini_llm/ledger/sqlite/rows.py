"""Entries as rows: many in one statement, so that the interpreter's lock is given up once a batch and not once a row.

Beside a busy event loop each time it is given up costs up to 5 ms before it comes back (sys.getswitchinterval).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import apsw
import orjson

from mini_llm.ledger.entries import Entry
from mini_llm.ledger.written import text_of
from mini_llm.types import Usage

LARGEST = 10**18  # nano-dollars of one attempt: a billion dollars
MOST_TOKENS = 10**12  # of one attempt (and nano-dollars saved), whatever is said: nine million rows can be summed
LONGEST_RAW = 16 * 1024
MOST_ORIGINS = 10_000  # that a process knows by heart
SIZES = (64, 16, 4, 1)  # rows a statement; each size is prepared once
COLUMNS = 24

INSERT = """
INSERT INTO entry (
  time, request_id, attempt, correction, origin, upstream_request_id,
  input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, input_audio_tokens,
  input_image_tokens, output_tokens, reasoning_tokens, output_audio_tokens, estimated, raw_usage,
  reported_nanos, cache_read_audio_tokens, web_searches, cost_nanos, first_content, seconds, saved_nanos
) VALUES {rows} ON CONFLICT (request_id, attempt, correction) DO NOTHING
"""
FIND_ORIGIN = """
SELECT id FROM origin
WHERE route = ? AND provider = ? AND model = ? AND status = ? AND error = ? AND tool = ? AND caller = ?
  AND credential = ? AND price_snapshot = ? AND paid_by = ?
"""
ADD_ORIGIN = """
INSERT INTO origin (route, provider, model, status, error, tool, caller, credential, price_snapshot, paid_by)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
NO_USAGE = (None, None, None, None, None, None, None, None, None, 0, None, None, None, None)

Origin = tuple[str, ...]


class Rows:
    """Write entries through one connection. What it knows by heart is only sure while transactions succeed."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._origins: dict[Origin, int] = {}

    def insert(self, entries: Sequence[Entry], *, correction: int = 0) -> None:
        """Write *entries*; one that is there already is left as it is.

        They are made and written piece by piece: while rows are made the interpreter's lock is held.
        """
        done = 0
        for size in SIZES:
            while len(entries) - done >= size:
                self._insert([self._row(entry, correction) for entry in entries[done : done + size]])
                done += size

    def forget(self) -> None:
        """Forget what may have been rolled back."""
        self._origins.clear()

    def _insert(self, rows: Sequence[Sequence[Any]]) -> None:
        statement = _insert_of(len(rows))
        values = [value for row in rows for value in row]
        try:
            self._connection.execute(statement, values)
        except UnicodeEncodeError:  # half a surrogate pair, from a command line or a header
            self._connection.execute(
                statement, [text_of(value) if isinstance(value, str) else value for value in values]
            )

    def _row(self, entry: Entry, correction: int) -> Sequence[Any]:
        usage = entry.usage
        cost = entry.cost_nanos
        return (
            entry.time,
            entry.request_id,
            entry.attempt,
            correction,
            self._origin(entry),
            entry.upstream_request_id,
            *(NO_USAGE if usage is None else _usage(usage)),
            cost if cost is None or -LARGEST < cost < LARGEST else max(-LARGEST, min(cost, LARGEST)),
            entry.first_content,
            entry.seconds,
            max(0, min(entry.saved_nanos, MOST_TOKENS)),
        )

    def _origin(self, entry: Entry) -> int:
        origin = (
            entry.route,
            entry.provider,
            entry.model,
            entry.status,
            entry.error,
            entry.tool,
            entry.caller,
            entry.credential,
            entry.price_snapshot,
            entry.paid_by,
        )
        known = self._origins.get(origin)
        return known if known is not None else self._learn(origin)

    def _learn(self, origin: Origin) -> int:
        words = tuple(map(text_of, origin))
        found = self._connection.execute(FIND_ORIGIN, words).get
        if found is None:
            self._connection.execute(ADD_ORIGIN, words)
            found = self._connection.last_insert_rowid()
        if len(self._origins) >= MOST_ORIGINS:
            self._origins.clear()
        self._origins[origin] = int(found)
        return int(found)


def _usage(usage: Usage) -> tuple[Any, ...]:
    counts = (
        usage.input_tokens,
        usage.cache_read_tokens,
        usage.cache_write_5m_tokens,
        usage.cache_write_1h_tokens,
        usage.input_audio_tokens,
        usage.input_image_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        usage.output_audio_tokens,
    )
    if max(counts) > MOST_TOKENS:
        counts = tuple(min(count, MOST_TOKENS) for count in counts)  # type: ignore[assignment]  # as many as before
    reported = usage.cost_nanos
    return (
        *counts,
        int(usage.estimated),
        _raw(usage),
        reported if reported is None else min(reported, LARGEST),
        min(usage.cache_read_audio_tokens, MOST_TOKENS),
        min(usage.web_searches, MOST_TOKENS),
    )


def _raw(usage: Usage) -> str | None:
    """Return what the provider sent as JSON; nothing where that is no sensible size or depth."""
    try:
        written = orjson.dumps(dict(usage.raw)) if usage.raw else b""
    except orjson.JSONEncodeError:
        return None
    return written.decode() if 0 < len(written) <= LONGEST_RAW else None


@cache
def _insert_of(rows: int) -> str:
    """Return the statement that writes so many rows."""
    one = f"({', '.join('?' * COLUMNS)})"
    return INSERT.replace("{rows}", ", ".join([one] * rows))
