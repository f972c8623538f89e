"""The ledger's book in SQLite. The only room that knows apsw."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import orjson

from mini_llm.errors import LedgerError
from mini_llm.ledger import Entry, Totals
from mini_llm.memory import Memo
from mini_llm.types import Usage

VERSION = 1
BUSY_MS = 5000
LARGEST = 2**63 - 1
MOST_TOKENS = 10**12  # of one attempt, whatever a provider says: nine million such rows can still be summed
LONGEST_RAW = 16 * 1024
TABLE = """
CREATE TABLE attempt (
  id INTEGER PRIMARY KEY,
  time REAL NOT NULL,
  request_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  route TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  status TEXT NOT NULL,
  error TEXT NOT NULL,
  tool TEXT NOT NULL,
  input_tokens INTEGER,
  cache_read_tokens INTEGER,
  cache_write_5m_tokens INTEGER,
  cache_write_1h_tokens INTEGER,
  input_audio_tokens INTEGER,
  input_image_tokens INTEGER,
  output_tokens INTEGER,
  reasoning_tokens INTEGER,
  output_audio_tokens INTEGER,
  estimated INTEGER NOT NULL,
  raw_usage TEXT,
  price_snapshot TEXT NOT NULL,
  cost_nanos INTEGER,
  paid_by TEXT NOT NULL,
  first_content REAL,
  seconds REAL NOT NULL,
  UNIQUE (request_id, attempt)
) STRICT;
CREATE TABLE memory (key BLOB PRIMARY KEY, value BLOB NOT NULL, expires REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX memory_expires ON memory (expires);
CREATE INDEX attempt_time ON attempt (time);
CREATE TRIGGER attempt_stays BEFORE DELETE ON attempt BEGIN SELECT raise(ABORT, 'ledger rows are never deleted'); END;
CREATE TRIGGER attempt_holds BEFORE UPDATE ON attempt BEGIN SELECT raise(ABORT, 'ledger rows are never changed'); END;
"""
INSERT = """
INSERT INTO attempt (
  time, request_id, attempt, route, provider, model, status, error, tool,
  input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, input_audio_tokens,
  input_image_tokens, output_tokens, reasoning_tokens, output_audio_tokens, estimated, raw_usage,
  price_snapshot, cost_nanos, paid_by, first_content, seconds
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (request_id, attempt) DO NOTHING
"""
# Dollars and the rest are summed apart: a sum of nano-dollars would pass 64 bits at nine billion dollars.
TOTALS = """
SELECT count(DISTINCT request_id), count(*), ifnull(sum(input_tokens), 0), ifnull(sum(output_tokens), 0),
       ifnull(sum(cost_nanos / 1000000000), 0), ifnull(sum(cost_nanos % 1000000000), 0),
       count(*) FILTER (WHERE cost_nanos IS NULL AND input_tokens IS NOT NULL)
FROM attempt WHERE time >= ?
"""


REMEMBER = """
INSERT INTO memory (key, value, expires) VALUES (?, ?, ?)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires
"""
# What has expired goes, and the oldest of what is more than the shelf holds.
FORGET = """
DELETE FROM memory WHERE expires <= ?1
   OR expires < (SELECT expires FROM memory ORDER BY expires DESC LIMIT 1 OFFSET ?2)
"""
MOST_REMEMBERED = 20_000


class SQLiteBook:
    """One file, one connection. Several processes may hold it open: WAL, and every write waits its turn."""

    def __init__(self, file: Path) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _make(file)
            self._connection = apsw.Connection(str(file))
            self._connection.set_busy_timeout(BUSY_MS)
            self._connection.execute("PRAGMA journal_mode = WAL").fetchall()
            self._connection.execute("PRAGMA synchronous = NORMAL").fetchall()
            self._prepare()
        except (apsw.Error, OSError) as error:
            raise LedgerError(f"the ledger {file} can't be opened: {error}", hint="see `mini-llm status`") from error

    def append(self, entries: Sequence[Entry]) -> None:
        """Write *entries* in one transaction; one that is there already is left as it is."""
        if not entries:
            return
        with self._connection:
            self._connection.executemany(INSERT, [_row(entry) for entry in entries])

    def remember(self, memos: Sequence[Memo]) -> None:
        """Write *memos*, and let go of those whose time is over."""
        if not memos:
            return
        with self._connection:
            self._connection.executemany(REMEMBER, memos)
            self._connection.execute(FORGET, (time.time(), MOST_REMEMBERED))

    def recall(self, keys: Sequence[bytes], now: float) -> dict[bytes, bytes]:
        """Return the values of those *keys* that are there and have not expired at *now*."""
        query = "SELECT value FROM memory WHERE key = ? AND expires > ?"
        found = ((key, self._connection.execute(query, (key, now)).get) for key in keys)
        return {key: value for key, value in found if value is not None}

    def totals(self, since: float) -> Totals:
        """Sum the rows since the Unix time *since*."""
        requests, attempts, tokens_in, tokens_out, dollars, rest, unpriced = self._connection.execute(
            TOTALS, (since,)
        ).get
        return Totals(requests, attempts, tokens_in, tokens_out, dollars * 10**9 + rest, unpriced)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _prepare(self) -> None:
        """Make the tables in a new file; refuse one that a newer version wrote."""
        found = self._connection.pragma("user_version")
        if found > VERSION:
            raise LedgerError(
                f"the ledger was written by a newer version (schema {found}, this one knows {VERSION})",
                hint="upgrade mini-llm",
            )
        if found == VERSION:
            return
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            if self._connection.pragma("user_version") == 0:
                self._connection.execute(TABLE)
                self._connection.pragma("user_version", VERSION)
            self._connection.execute("COMMIT")
        except apsw.Error:
            self._connection.execute("ROLLBACK")
            raise


def _make(file: Path) -> None:
    """Make the file for its owner alone. One that is there is not touched: to close it would free SQLite's locks on it.

    https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_ (2026-11)
    """
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _row(entry: Entry) -> tuple[Any, ...]:
    """Return *entry* as the table takes it. One that it would refuse would keep all others behind it out."""
    return (
        entry.time,
        _text(entry.request_id),
        entry.attempt,
        _text(entry.route),
        _text(entry.provider),
        _text(entry.model),
        entry.status,
        entry.error,
        _text(entry.tool),
        *_tokens(entry.usage),
        entry.price_snapshot,
        None if entry.cost_nanos is None else min(entry.cost_nanos, LARGEST),
        entry.paid_by,
        entry.first_content,
        entry.seconds,
    )


def _tokens(usage: Usage | None) -> tuple[Any, ...]:
    if usage is None:
        return (*[None] * 9, 0, None)
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
    return (*(min(count, MOST_TOKENS) for count in counts), int(usage.estimated), _raw(usage))


def _text(text: str) -> str:
    """Return *text* without what is no UTF-8: half a surrogate pair from a command line."""
    return text.encode("utf-8", "replace").decode()


def _raw(usage: Usage) -> str | None:
    """Return what the provider sent as JSON; nothing where that is no sensible size or depth."""
    try:
        written = orjson.dumps(dict(usage.raw)) if usage.raw else b""
    except orjson.JSONEncodeError:
        return None
    return written.decode() if 0 < len(written) <= LONGEST_RAW else None
