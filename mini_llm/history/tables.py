"""The tables of the history.

A conversation has turns; a turn has the messages that were sent and the one that came back. Each message is kept once:
most clients send all of them again with each turn. `mark` is by what the next turn of a conversation is known where
nobody names it. Words that are deleted are overwritten.
"""

from __future__ import annotations

SETTINGS = """
PRAGMA foreign_keys = ON;
PRAGMA secure_delete = ON;
"""
TABLES = """
CREATE TABLE conversation (
  id TEXT PRIMARY KEY,
  started REAL NOT NULL,
  updated REAL NOT NULL,
  title TEXT NOT NULL,
  tool TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX conversation_updated ON conversation (updated);
CREATE TABLE message (
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  role TEXT NOT NULL,
  text TEXT NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE setting (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, body TEXT NOT NULL) STRICT;
CREATE TABLE turn (
  id INTEGER PRIMARY KEY,
  conversation TEXT NOT NULL REFERENCES conversation ON DELETE CASCADE,
  request_id TEXT NOT NULL UNIQUE,
  time REAL NOT NULL,
  tool TEXT NOT NULL,
  caller TEXT NOT NULL,
  asked TEXT NOT NULL,
  route TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  status TEXT NOT NULL,
  cost_nanos INTEGER,
  input_tokens INTEGER,
  output_tokens INTEGER,
  seconds REAL NOT NULL,
  setting INTEGER NOT NULL REFERENCES setting,
  answer INTEGER REFERENCES message,
  mark BLOB
) STRICT;
CREATE INDEX turn_conversation ON turn (conversation);
CREATE INDEX turn_mark ON turn (mark);
CREATE INDEX turn_answer ON turn (answer);
CREATE INDEX turn_setting ON turn (setting);
CREATE TABLE said (
  turn INTEGER NOT NULL REFERENCES turn ON DELETE CASCADE,
  place INTEGER NOT NULL,
  message INTEGER NOT NULL REFERENCES message,
  PRIMARY KEY (turn, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX said_message ON said (message);
CREATE VIRTUAL TABLE words USING fts5(
  text, content = 'message', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER message_told AFTER INSERT ON message WHEN new.role NOT IN ('system', 'developer')
BEGIN INSERT INTO words (rowid, text) VALUES (new.id, new.text); END;
CREATE TRIGGER message_gone AFTER DELETE ON message WHEN old.role NOT IN ('system', 'developer')
BEGIN INSERT INTO words (words, rowid, text) VALUES ('delete', old.id, old.text); END;
"""
SCRIPTS = (TABLES,)  # what makes a file of today of one of version 0, 1 …

ADD_CONVERSATION = """
INSERT INTO conversation (id, started, updated, title, tool) VALUES (?1, ?2, ?2, ?3, ?4)
ON CONFLICT (id) DO UPDATE SET updated = max(updated, excluded.updated)
"""
ADD_TURN = """
INSERT INTO turn (conversation, request_id, time, tool, caller, asked, route, provider, model, status, cost_nanos,
                  input_tokens, output_tokens, seconds, setting, answer, mark)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (request_id) DO NOTHING RETURNING id
"""
CONVERSATION_OF = "SELECT conversation FROM turn WHERE mark = ? AND caller = ? ORDER BY id DESC LIMIT 1"
# What a turn alone may have needed, and what becomes of it once the turn is gone.
NEEDED = """
SELECT message FROM said WHERE turn = ?1 UNION SELECT answer FROM turn WHERE id = ?1 AND answer IS NOT NULL
"""
UNNEEDED = """
DELETE FROM message WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM said WHERE message = ?1)
                          AND NOT EXISTS (SELECT 1 FROM turn WHERE answer = ?1)
"""
UNNEEDED_SETTING = "DELETE FROM setting WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM turn WHERE setting = ?1)"
EMPTY = "DELETE FROM conversation WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM turn WHERE conversation = ?1)"
OLDEST = """
SELECT id FROM conversation ORDER BY updated
LIMIT min(?2, 1 + CAST(?1 * (SELECT count(*) FROM conversation) AS INTEGER))
"""
# Words that are deleted are taken out of the index at once, which is slow, or marked, and left out when it is merged.
THOROUGH = "INSERT INTO words (words, rank) VALUES ('secure-delete', ?)"
MERGE = "INSERT INTO words (words, rank) VALUES ('merge', ?)"
CONVERSATIONS = """
SELECT conversation.id, started, updated, title, conversation.tool, count(*),
       (SELECT provider || '/' || model FROM turn AS last WHERE last.conversation = conversation.id
        ORDER BY last.id DESC LIMIT 1),
       ifnull(sum(cost_nanos), 0), sum(cost_nanos IS NULL)
FROM conversation JOIN turn ON turn.conversation = conversation.id
WHERE (?1 = '' OR conversation.id = ?1)
GROUP BY conversation.id ORDER BY updated DESC, conversation.id LIMIT ?2
"""
TURNS = """
SELECT id, conversation, request_id, time, tool, asked, route, provider, model, status, cost_nanos, input_tokens,
       output_tokens, seconds, answer, (SELECT body FROM setting WHERE setting.id = turn.setting)
FROM turn WHERE conversation = ? ORDER BY id
"""
SAID = """
SELECT role, text, body FROM said JOIN message ON message.id = said.message WHERE said.turn = ? ORDER BY said.place
"""
MESSAGE = "SELECT role, text, body FROM message WHERE id = ?"
FOUND = "SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rank LIMIT ?2"
CONTAINED = """
SELECT id FROM message WHERE text LIKE ?1 ESCAPE '\\' AND role NOT IN ('system', 'developer') ORDER BY id DESC LIMIT ?2
"""
# A message is found where it was said first.
PLACE = """
SELECT turn.conversation, turn.request_id, turn.time, message.role, conversation.title, message.text
FROM message
JOIN turn ON turn.id = (SELECT min(id) FROM (SELECT turn AS id FROM said WHERE said.message = message.id
                                             UNION ALL SELECT id FROM turn WHERE turn.answer = message.id))
JOIN conversation ON conversation.id = turn.conversation
WHERE message.id = ?
"""
LAST = "SELECT id FROM conversation WHERE tool = ? ORDER BY updated DESC LIMIT 1"
PROMPTS = """
SELECT text FROM (
  SELECT message.text, max(turn.id) AS latest FROM turn
  JOIN said ON said.turn = turn.id AND said.place = (SELECT max(place) FROM said WHERE said.turn = turn.id)
  JOIN message ON message.id = said.message
  WHERE turn.tool = ? AND message.role = 'user' GROUP BY message.id ORDER BY latest DESC LIMIT ?)
ORDER BY latest
"""
