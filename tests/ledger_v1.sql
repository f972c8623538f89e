-- A ledger as version 0.1 wrote it (schema 1).
PRAGMA journal_mode = WAL;
CREATE TABLE attempt (
  id INTEGER PRIMARY KEY, time REAL NOT NULL, request_id TEXT NOT NULL, attempt INTEGER NOT NULL, route TEXT NOT NULL,
  provider TEXT NOT NULL, model TEXT NOT NULL, status TEXT NOT NULL, error TEXT NOT NULL, tool TEXT NOT NULL,
  input_tokens INTEGER, cache_read_tokens INTEGER, cache_write_5m_tokens INTEGER, cache_write_1h_tokens INTEGER,
  input_audio_tokens INTEGER, input_image_tokens INTEGER, output_tokens INTEGER, reasoning_tokens INTEGER,
  output_audio_tokens INTEGER, estimated INTEGER NOT NULL, raw_usage TEXT, price_snapshot TEXT NOT NULL,
  cost_nanos INTEGER, paid_by TEXT NOT NULL, first_content REAL, seconds REAL NOT NULL, UNIQUE (request_id, attempt)
) STRICT;
CREATE TABLE memory (key BLOB PRIMARY KEY, value BLOB NOT NULL, expires REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX memory_expires ON memory (expires);
CREATE INDEX attempt_time ON attempt (time);
CREATE TRIGGER attempt_stays BEFORE DELETE ON attempt BEGIN SELECT raise(ABORT, 'ledger rows are never deleted'); END;
CREATE TRIGGER attempt_holds BEFORE UPDATE ON attempt BEGIN SELECT raise(ABORT, 'ledger rows are never changed'); END;
INSERT INTO attempt VALUES
  (1, 1000.5, 'ml-1', 1, 'fast', 'groq', 'llama', 'failed', 'overloaded', '', NULL, NULL, NULL, NULL, NULL, NULL, NULL,
   NULL, NULL, 0, NULL, '2026-11-01', 0, 'own', NULL, 0.25),
  (2, 1001.5, 'ml-1', 2, 'fast', 'openai', 'gpt', 'ok', '', '', 10, 4, 0, 0, 0, 0, 5, 0, 0, 0, '{"prompt_tokens":10}',
   '2026-11-01', 4500, 'own', 0.5, 1.5),
  (7, 90000.0, 'ml-2', 1, 'fast', 'openai', 'gpt', 'ok', '', 'codex', 20, 0, 0, 0, 0, 0, 7, 0, 0, 1, NULL, '2026-11-01',
   NULL, 'own', 0.5, 1.5);
INSERT INTO memory VALUES (x'01', x'02', 1e12);
PRAGMA user_version = 1;
