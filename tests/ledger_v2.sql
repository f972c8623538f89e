-- A ledger as schema 2 was written.
PRAGMA journal_mode = WAL;
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
  UNIQUE (request_id, attempt, correction)
) STRICT;
CREATE INDEX entry_time ON entry (time);
CREATE TRIGGER entry_stays BEFORE DELETE ON entry BEGIN SELECT raise(ABORT, 'ledger rows are never deleted'); END;
CREATE TRIGGER entry_holds BEFORE UPDATE ON entry BEGIN SELECT raise(ABORT, 'ledger rows are never changed'); END;
CREATE TRIGGER origin_stays BEFORE DELETE ON origin BEGIN SELECT raise(ABORT, 'ledger rows are never deleted'); END;
CREATE TRIGGER origin_holds BEFORE UPDATE ON origin BEGIN SELECT raise(ABORT, 'ledger rows are never changed'); END;
CREATE VIEW attempt AS
SELECT entry.id, time, request_id, attempt, correction, route, provider, model, status, error, tool, caller, credential,
       upstream_request_id, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
       input_audio_tokens, input_image_tokens, output_tokens, reasoning_tokens, output_audio_tokens, estimated,
       raw_usage, price_snapshot, reported_nanos, cost_nanos, paid_by, first_content, seconds
FROM entry JOIN origin ON origin.id = entry.origin;
CREATE TRIGGER attempt_stays INSTEAD OF DELETE ON attempt
BEGIN SELECT raise(ABORT, 'ledger rows are never deleted'); END;
CREATE TRIGGER attempt_holds INSTEAD OF UPDATE ON attempt
BEGIN SELECT raise(ABORT, 'ledger rows are never changed'); END;

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
  PRIMARY KEY (slot, origin)
) STRICT, WITHOUT ROWID;
CREATE TABLE mark (id INTEGER PRIMARY KEY CHECK (id = 1), rolled INTEGER NOT NULL) STRICT;
INSERT INTO mark VALUES (1, 0);
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
       estimated
FROM entry;
CREATE VIEW tally AS
SELECT slot, origin, requests, attempts, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
       reasoning_tokens, dollars, nanos, unpriced, estimated
FROM rollup
UNION ALL
SELECT slot, origin, requests, attempts, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
       reasoning_tokens, dollars, nanos, unpriced, estimated
FROM single WHERE id > (SELECT rolled FROM mark);

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
CREATE TABLE memory (key BLOB PRIMARY KEY, value BLOB NOT NULL, expires REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX memory_expires ON memory (expires);
INSERT INTO origin VALUES (1, 'fast', 'openai', 'gpt', 'ok', '', 'codex', 'ann', 'openai', '2026-11-01', 'own');
INSERT INTO entry VALUES
  (1, 1000.5, 'ml-1', 1, 0, 1, 'r-1', 10, 4, 0, 0, 0, 0, 5, 0, 0, 0, '{"prompt_tokens":10}', NULL, 4500, 0.5, 1.5),
  (2, 90000.0, 'ml-2', 1, 0, 1, '', 20, 0, 0, 0, 0, 0, 7, 0, 0, 1, NULL, 100, 100, 0.5, 1.5);
INSERT INTO rollup VALUES (1, 1, 1, 1, 10, 4, 0, 5, 0, 0, 4500, 0, 0);
UPDATE mark SET rolled = 1;
INSERT INTO budget VALUES (1, 'all', 'total', 0, 0, 1e12, 100, 50);
INSERT INTO charge VALUES (1, 2, 100);
INSERT INTO reservation VALUES ('ml-3/1', 'dead', 'open', 50, '[1]',
  '[90001.0,"ml-3",1,"fast","openai","gpt","unknown","","codex",[9,5,0,0,0,0,0,0,0,null,true,{},""],"",7,"own",null,0.0,"","","",""]');
PRAGMA user_version = 2;
