"""The tables of the SQLite book, and how an older file becomes one of today.

An attempt's row is parted in two: `origin` holds the words that thousands of rows share, `entry` the rest. The view
`attempt` shows them as one. `rollup` is a cache of sums over quarters of an hour, up to the row `mark` names.
"""

from __future__ import annotations

from pathlib import Path

import apsw

from mini_llm.errors import LedgerError
from mini_llm.sqlite import versions
from mini_llm.sqlite.telling import Kind

LEDGER = Kind(
    "the ledger",
    LedgerError,
    mend="move it away, and a new one is begun; `sqlite3 OLD .recover` reads what is left of it",
    room="free space; nothing is lost",
    otherwise="see `mini-llm status`",
)
SLOT = 900  # seconds; every zone's midnight is a whole number of them

TABLES = """
CREATE TABLE origin (
  id INTEGER PRIMARY KEY,
  route TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  status TEXT NOT NULL,
  error TEXT NOT NULL,
  tool TEXT NOT NULL,
  caller TEXT NOT NULL,
  credential TEXT NOT NULL,
  price_snapshot TEXT NOT NULL,
  paid_by TEXT NOT NULL,
  UNIQUE (model, provider, status, route, error, tool, caller, credential, price_snapshot, paid_by)
) STRICT;
CREATE TABLE entry (
  id INTEGER PRIMARY KEY,
  time REAL NOT NULL,
  request_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  correction INTEGER NOT NULL,
  origin INTEGER NOT NULL REFERENCES origin,
  upstream_request_id TEXT NOT NULL,
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
  reported_nanos INTEGER,
  cost_nanos INTEGER,
  first_content REAL,
  seconds REAL NOT NULL,
  cache_read_audio_tokens INTEGER,
  web_searches INTEGER,
  saved_nanos INTEGER NOT NULL DEFAULT 0,
  UNIQUE (request_id, attempt, correction)
) STRICT;
CREATE INDEX entry_time ON entry (time);
CREATE TRIGGER entry_stays BEFORE DELETE ON entry BEGIN SELECT raise(ABORT, 'ledger rows are never deleted'); END;
CREATE TRIGGER entry_holds BEFORE UPDATE ON entry BEGIN SELECT raise(ABORT, 'ledger rows are never changed'); END;
CREATE TRIGGER origin_stays BEFORE DELETE ON origin BEGIN SELECT raise(ABORT, 'ledger rows are never deleted'); END;
CREATE TRIGGER origin_holds BEFORE UPDATE ON origin BEGIN SELECT raise(ABORT, 'ledger rows are never changed'); END;

CREATE TABLE rollup (
  slot INTEGER NOT NULL,
  origin INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  cache_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  dollars INTEGER NOT NULL,
  nanos INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  estimated INTEGER NOT NULL,
  saved INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (slot, origin)
) STRICT, WITHOUT ROWID;
CREATE TABLE mark (id INTEGER PRIMARY KEY CHECK (id = 1), rolled INTEGER NOT NULL) STRICT;
INSERT INTO mark VALUES (1, 0);

CREATE TABLE budget (
  id INTEGER PRIMARY KEY,
  scope TEXT NOT NULL,
  period TEXT NOT NULL,
  number INTEGER NOT NULL,
  starts REAL NOT NULL,
  ends REAL NOT NULL,
  settled INTEGER NOT NULL,
  reserved INTEGER NOT NULL CHECK (reserved >= 0),
  UNIQUE (scope, period, number)
) STRICT;
CREATE TABLE charge (
  budget INTEGER NOT NULL REFERENCES budget,
  entry INTEGER NOT NULL,
  nanos INTEGER NOT NULL,
  PRIMARY KEY (budget, entry)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER charge_stays BEFORE DELETE ON charge BEGIN SELECT raise(ABORT, 'ledger rows are never deleted'); END;
CREATE TRIGGER charge_holds BEFORE UPDATE ON charge BEGIN SELECT raise(ABORT, 'ledger rows are never changed'); END;
CREATE TABLE reservation (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  state TEXT NOT NULL,
  nanos INTEGER NOT NULL,
  budgets TEXT NOT NULL,
  entry TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""
VIEWS = """
CREATE VIEW attempt AS
SELECT entry.id, time, request_id, attempt, correction, route, provider, model, status, error, tool, caller, credential,
       upstream_request_id, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
       input_audio_tokens, input_image_tokens, output_tokens, reasoning_tokens, output_audio_tokens, estimated,
       raw_usage, price_snapshot, reported_nanos, cost_nanos, paid_by, first_content, seconds,
       cache_read_audio_tokens, web_searches, saved_nanos
FROM entry JOIN origin ON origin.id = entry.origin;
CREATE TRIGGER attempt_stays INSTEAD OF DELETE ON attempt
BEGIN SELECT raise(ABORT, 'ledger rows are never deleted'); END;
CREATE TRIGGER attempt_holds INSTEAD OF UPDATE ON attempt
BEGIN SELECT raise(ABORT, 'ledger rows are never changed'); END;
CREATE VIEW single AS
SELECT id, time, CAST(time / 900 AS INTEGER) AS slot, origin,
       attempt = 1 AND correction = 0 AS requests,
       correction = 0 AS attempts,
       ifnull(input_tokens, 0) AS input_tokens,
       ifnull(cache_read_tokens, 0) AS cache_read_tokens,
       ifnull(cache_write_5m_tokens, 0) + ifnull(cache_write_1h_tokens, 0) AS cache_write_tokens,
       ifnull(output_tokens, 0) AS output_tokens,
       ifnull(reasoning_tokens, 0) AS reasoning_tokens,
       ifnull(cost_nanos / 1000000000, 0) AS dollars,
       ifnull(cost_nanos % 1000000000, 0) AS nanos,
       cost_nanos IS NULL AND input_tokens IS NOT NULL AS unpriced,
       estimated,
       saved_nanos AS saved
FROM entry;
CREATE VIEW tally AS
SELECT slot, origin, requests, attempts, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
       reasoning_tokens, dollars, nanos, unpriced, estimated, saved
FROM rollup
UNION ALL
SELECT slot, origin, requests, attempts, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
       reasoning_tokens, dollars, nanos, unpriced, estimated, saved
FROM single WHERE id > (SELECT rolled FROM mark);
"""
MEMORY = """
CREATE TABLE memory (key BLOB PRIMARY KEY, value BLOB NOT NULL, expires REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX memory_expires ON memory (expires);
"""
FROM_1 = """
ALTER TABLE attempt RENAME TO old_attempt;
DROP TRIGGER attempt_stays;
DROP TRIGGER attempt_holds;
DROP INDEX attempt_time;
"""
MOVE_1 = """
INSERT INTO origin (route, provider, model, status, error, tool, caller, credential, price_snapshot, paid_by)
SELECT DISTINCT route, provider, model, status, error, tool, '', '', price_snapshot, paid_by FROM old_attempt;
INSERT INTO entry
SELECT old.id, time, request_id, attempt, 0, origin.id, '', input_tokens, cache_read_tokens, cache_write_5m_tokens,
       cache_write_1h_tokens, input_audio_tokens, input_image_tokens, output_tokens, reasoning_tokens,
       output_audio_tokens, estimated, raw_usage, NULL, cost_nanos, first_content, seconds, NULL, NULL, 0
FROM old_attempt AS old JOIN origin USING (model, provider, status, route, error, tool, price_snapshot, paid_by)
ORDER BY old.id;
DROP TABLE old_attempt;
"""
FROM_2 = """
DROP VIEW tally;
DROP VIEW single;
DROP VIEW attempt;
ALTER TABLE entry ADD COLUMN cache_read_audio_tokens INTEGER;
ALTER TABLE entry ADD COLUMN web_searches INTEGER;
ALTER TABLE entry ADD COLUMN saved_nanos INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollup ADD COLUMN saved INTEGER NOT NULL DEFAULT 0;
"""
# What makes a file of today of one of version 0, 1 and 2.
SCRIPTS = (TABLES + VIEWS + MEMORY, FROM_1 + TABLES + VIEWS + MOVE_1, FROM_2 + VIEWS)


def prepare(connection: apsw.Connection, file: Path) -> None:
    """Make the tables in a new file, bring an older one forward, refuse one that a newer version wrote."""
    versions.prepare(LEDGER, connection, file, SCRIPTS)


def is_older(connection: apsw.Connection) -> bool:
    """Tell whether the file has to be brought forward; LedgerError if a newer version wrote it."""
    return versions.version(LEDGER, connection, len(SCRIPTS)) < len(SCRIPTS)
