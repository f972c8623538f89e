"""The tables of a team's file, and how an older file becomes one of today.

Each step of STEPS brings a file from the version of its index to the next. Rows of `transfer`, `charge` and `audit` are
never changed or deleted. `purse.balance` is what a team's transfers come to (a trigger keeps it), `purse.held` what is
set aside for requests under way; `daily` is a cache of sums over `charge`, written with each of its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw

from mini_llm.sqlite import versions
from mini_llm.sqlite.telling import Kind
from mini_llm.team.errors import StoreError

TEAM = Kind("the team's file", StoreError, mend="put back a backup", room="free space; nothing is lost")

PEOPLE = """
CREATE TABLE team (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  grant_nanos INTEGER NOT NULL CHECK (grant_nanos >= 0),
  discount_percent INTEGER NOT NULL CHECK (discount_percent BETWEEN 0 AND 100),
  access_token_seconds INTEGER,
  created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE account (
  id TEXT PRIMARY KEY,
  email TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  password TEXT,
  created_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE identity (
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  account TEXT NOT NULL REFERENCES account,
  created_at REAL NOT NULL,
  PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE TABLE member (
  id TEXT PRIMARY KEY,
  team TEXT NOT NULL REFERENCES team,
  account TEXT NOT NULL REFERENCES account,
  role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
  models TEXT,
  created_at REAL NOT NULL,
  removed_at REAL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX member_once ON member (team, account) WHERE removed_at IS NULL;
CREATE INDEX member_account ON member (account);
CREATE TABLE invite (
  id TEXT PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  team TEXT NOT NULL REFERENCES team,
  role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
  email TEXT,
  created_by TEXT NOT NULL,
  created_at REAL NOT NULL,
  expires_at REAL NOT NULL,
  ended_at REAL,
  accepted_by TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX invite_team ON invite (team);
CREATE TABLE session (
  digest BLOB PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  account TEXT NOT NULL REFERENCES account,
  team TEXT,
  created_at REAL NOT NULL,
  seen_at REAL NOT NULL,
  expires_at REAL NOT NULL,
  address TEXT NOT NULL,
  agent TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_account ON session (account);
CREATE TABLE miss (kind TEXT NOT NULL, subject TEXT NOT NULL, time REAL NOT NULL) STRICT;
CREATE INDEX miss_subject ON miss (kind, subject, time);
"""
KEYS = """
CREATE TABLE api_key (
  id TEXT PRIMARY KEY,
  team TEXT NOT NULL REFERENCES team,
  member TEXT NOT NULL REFERENCES member,
  name TEXT NOT NULL,
  hint TEXT NOT NULL,
  models TEXT,
  scopes TEXT NOT NULL,
  expires_at REAL,
  created_at REAL NOT NULL,
  created_by TEXT NOT NULL,
  revoked_at REAL,
  last_used_at REAL,
  renewable_until REAL
) STRICT, WITHOUT ROWID;
CREATE INDEX api_key_member ON api_key (team, member);
CREATE TABLE access_token (
  digest BLOB PRIMARY KEY,
  api_key TEXT NOT NULL REFERENCES api_key,
  expires_at REAL
) STRICT, WITHOUT ROWID;
CREATE INDEX access_token_key ON access_token (api_key);
CREATE TABLE refresh_token (
  digest BLOB PRIMARY KEY,
  api_key TEXT NOT NULL REFERENCES api_key,
  used_at REAL
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_token_key ON refresh_token (api_key);
CREATE TABLE device_grant (
  id TEXT PRIMARY KEY,
  device_digest BLOB NOT NULL UNIQUE,
  code_digest BLOB NOT NULL UNIQUE,
  client TEXT NOT NULL,
  device TEXT NOT NULL,
  place TEXT NOT NULL,
  scope TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'issued')),
  created_at REAL NOT NULL,
  expires_at REAL NOT NULL,
  interval REAL NOT NULL,
  polled_at REAL,
  team TEXT,
  member TEXT,
  models TEXT,
  scopes TEXT,
  key_expires_at REAL,
  budget_nanos INTEGER,
  budget_period TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX device_grant_expires ON device_grant (expires_at);
"""
MONEY = """
CREATE TABLE budget (
  scope TEXT PRIMARY KEY,
  team TEXT NOT NULL REFERENCES team,
  period TEXT NOT NULL CHECK (period IN ('daily', 'weekly', 'monthly', 'total')),
  nanos INTEGER NOT NULL CHECK (nanos >= 0)
) STRICT, WITHOUT ROWID;
CREATE TABLE budget_window (
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
CREATE TABLE purse (
  team TEXT NOT NULL REFERENCES team,
  kind TEXT NOT NULL CHECK (kind IN ('wallet', 'grant', 'top_up', 'refund', 'revenue')),
  balance INTEGER NOT NULL DEFAULT 0,
  held INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
  PRIMARY KEY (team, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE transfer (
  id INTEGER PRIMARY KEY,
  time REAL NOT NULL,
  team TEXT NOT NULL,
  source TEXT NOT NULL,
  target TEXT NOT NULL,
  nanos INTEGER NOT NULL CHECK (nanos > 0),
  charge INTEGER,
  reference TEXT,
  made_by TEXT NOT NULL,
  note TEXT NOT NULL,
  CHECK (source != target)
) STRICT;
CREATE INDEX transfer_team ON transfer (team);
CREATE INDEX transfer_given ON transfer (team) WHERE charge IS NULL;
CREATE UNIQUE INDEX transfer_once ON transfer (source, reference) WHERE reference IS NOT NULL;
CREATE TRIGGER transfer_moves AFTER INSERT ON transfer BEGIN
  UPDATE purse SET balance = balance - new.nanos WHERE team = new.team AND kind = new.source;
  UPDATE purse SET balance = balance + new.nanos WHERE team = new.team AND kind = new.target;
END;
CREATE TRIGGER transfer_stays BEFORE DELETE ON transfer
BEGIN SELECT raise(ABORT, 'journal rows are never deleted'); END;
CREATE TRIGGER transfer_holds BEFORE UPDATE ON transfer
BEGIN SELECT raise(ABORT, 'journal rows are never changed'); END;
CREATE VIEW posting AS
SELECT id AS transfer, time, team, source AS purse, -nanos AS nanos FROM transfer
UNION ALL SELECT id, time, team, target, nanos FROM transfer;
CREATE TABLE reservation (
  team TEXT NOT NULL,
  request TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  owner TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'expired')),
  begun REAL NOT NULL,
  ends REAL NOT NULL,
  member TEXT NOT NULL,
  api_key TEXT NOT NULL,
  tool TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  discount_percent INTEGER NOT NULL,
  nanos INTEGER NOT NULL,
  covers INTEGER NOT NULL,
  estimate INTEGER NOT NULL,
  windows TEXT NOT NULL,
  PRIMARY KEY (team, request, attempt)
) STRICT, WITHOUT ROWID;
CREATE TABLE charge (
  id INTEGER PRIMARY KEY,
  time REAL NOT NULL,
  team TEXT NOT NULL,
  request TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  correction INTEGER NOT NULL,
  member TEXT NOT NULL,
  api_key TEXT NOT NULL,
  tool TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  status TEXT NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  price TEXT NOT NULL,
  cost INTEGER NOT NULL,
  discount_percent INTEGER NOT NULL,
  saved INTEGER NOT NULL,
  paid INTEGER NOT NULL,
  UNIQUE (team, request, attempt, correction)
) STRICT;
CREATE INDEX charge_team ON charge (team);
CREATE INDEX charge_member ON charge (member);
CREATE TRIGGER charge_stays BEFORE DELETE ON charge BEGIN SELECT raise(ABORT, 'charges are never deleted'); END;
CREATE TRIGGER charge_holds BEFORE UPDATE ON charge BEGIN SELECT raise(ABORT, 'charges are never changed'); END;
CREATE TABLE daily (
  team TEXT NOT NULL,
  day TEXT NOT NULL,
  member TEXT NOT NULL,
  api_key TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  tool TEXT NOT NULL,
  requests INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  paid INTEGER NOT NULL,
  saved INTEGER NOT NULL,
  PRIMARY KEY (team, day, member, api_key, provider, model, tool)
) STRICT, WITHOUT ROWID;
"""
AUDIT = """
CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  time REAL NOT NULL,
  team TEXT NOT NULL,
  who TEXT NOT NULL,
  what TEXT NOT NULL,
  about TEXT NOT NULL,
  detail TEXT NOT NULL,
  address TEXT NOT NULL
) STRICT;
CREATE INDEX audit_team ON audit (team, id);
CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'audit rows are never deleted'); END;
CREATE TRIGGER audit_holds BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'audit rows are never changed'); END;
"""
STEPS = (PEOPLE + KEYS + MONEY + AUDIT,)


def prepare(connection: apsw.Connection, file: Path, steps: Sequence[str] = STEPS) -> None:
    """Make the tables in a new file, bring an older one forward, refuse one that a newer version wrote."""
    versions.prepare(TEAM, connection, file, [";".join(steps[found:]) for found in range(len(steps))])
