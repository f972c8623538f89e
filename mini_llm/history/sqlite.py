"""The history in SQLite: one file for its owner alone, with an index of its words."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import apsw
import orjson

from mini_llm.errors import UsageError
from mini_llm.history import packing, tables
from mini_llm.history.entries import (
    ID_LETTERS,
    LETTERS,
    Conversation,
    Heard,
    HistoryError,
    Hit,
    Kept,
    NoConversationError,
    new_id,
)
from mini_llm.sqlite import versions
from mini_llm.sqlite.opening import BUSY_MS, begin_log, connected, make, writing
from mini_llm.sqlite.telling import Kind, told
from mini_llm.types import Message

HISTORY = Kind("the history", HistoryError, mend="move it away, and a new one is begun")
DAY = 86_400
MIB = 1 << 20
FEW = 20  # conversations that are deleted in one step
MERGED_PAGES = 500
MOST_TRIMMED = 100  # conversations at once
BEFORE = "SELECT id FROM conversation WHERE updated < ?1 ORDER BY updated LIMIT ?2"
TURNS_OF = "SELECT id, setting FROM turn WHERE conversation = ?1 AND (?2 = '' OR request_id = ?2)"
MOST_MARKS = 8  # answers of a request that are looked for, the last first
WORD = re.compile(r'"([^"]+)"|(\S+)')
ID = re.compile(f"[{LETTERS}]{{1,{ID_LETTERS}}}")


class Store:
    """Conversations in *file*."""

    def __init__(self, file: Path, *, now: Callable[[], float] = time.time, busy_ms: int = BUSY_MS) -> None:
        self._file = file
        self._now = now
        with self._told("opened"):
            make(HISTORY, file)
            self._connection = connected(apsw.Connection, file, busy_ms)
            try:
                self._prepare(busy_ms)
            except BaseException:
                self._connection.close()
                raise

    def add(self, heard: Heard, redact: Callable[[str], str]) -> str:
        """Keep one turn; return the conversation it belongs to."""
        request, response = heard.request(), heard.response()
        answer = response.choices[0].message if response is not None and response.choices else None
        with self._told("written"), writing(self._connection):
            name = heard.conversation or self._conversation_of(request.messages, heard.caller) or new_id()
            self._run(tables.ADD_CONVERSATION, name, heard.time, packing.title(request.messages, redact), heard.tool)
            turn = self._run(
                tables.ADD_TURN,
                *(name, heard.request_id, heard.time, heard.tool, heard.caller, request.model, heard.route),
                *(heard.provider, heard.model, heard.status, heard.cost_nanos, heard.input_tokens),
                *(heard.output_tokens, heard.seconds, self._setting(packing.settings(request, redact))),
                None if answer is None else self._message(answer, redact),
                packing.marks([*request.messages, answer])[-1] if answer is not None else None,
            ).get
            if turn is not None:
                said = [(turn, place, self._message(one, redact)) for place, one in enumerate(request.messages)]
                self._connection.executemany("INSERT INTO said (turn, place, message) VALUES (?, ?, ?)", said)
        return name

    def trim(self, days: int, megabytes: int) -> None:
        """Delete what is older than *days* (0: nothing is too old), and the oldest of what takes too much room.

        No more than takes a moment: the rest goes the next time.
        """
        with self._told("written"):
            if days:
                self._forget(self._rows(BEFORE, self._now() - days * DAY, MOST_TRIMMED), quick=True)
            size, room = self._bytes(), megabytes * MIB
            if size > room:
                self._forget(self._rows(tables.OLDEST, 1.05 - room / size, MOST_TRIMMED), quick=True)

    def conversations(self, limit: int = -1, *, only: str = "") -> list[Conversation]:
        """Return the conversations, the latest first; with *only*, that one."""
        with self._told("read"):
            return [Conversation(*row) for row in self._rows(tables.CONVERSATIONS, only, limit)]

    def find(self, name: str) -> tuple[str, str]:
        """Return the id of a conversation and of a turn ("" if none is meant) whose beginning *name* is.

        Raises NoConversationError that tells the nearest where there is none, or all where there are several.
        """
        with self._told("read"):
            if name.startswith("ml-"):
                statement = "SELECT conversation, request_id FROM turn WHERE substr(request_id, 1, ?2) = ?1 LIMIT 6"
            elif ID.fullmatch(name):
                statement = "SELECT id, '' FROM conversation WHERE substr(id, 1, ?2) = ?1 LIMIT 6"
            else:
                raise NoConversationError(f"{name[:40]!r} is no id", hint=LISTING)
            found = self._rows(statement, name, len(name))
        if not found:
            raise NoConversationError(f"no conversation {name} is kept", hint=LISTING)
        if len(found) > 1:
            ids = ", ".join(turn or conversation for conversation, turn in found[:5])
            raise NoConversationError(f"{name} may be {ids}{' …' if len(found) > 5 else ''}", hint="give more letters")
        conversation, turn = found[0]
        return conversation, turn

    def turns(self, conversation: str) -> list[Kept]:
        """Return the turns of a conversation, the first first."""
        with self._told("read"):
            return [self._kept(row) for row in self._rows(tables.TURNS, conversation)]

    def search(self, text: str, limit: int = 20) -> list[Hit]:
        """Return where all words of *text* stand; "in quotes" they stand together, and `wor*` is a beginning.

        Where no word is so, any place that holds *text* as it stands is found: a part of a word, or Chinese.
        """
        text = text.replace("\0", " ").encode("utf-8", "replace").decode()
        wanted = [phrase or word for phrase, word in WORD.findall(text)]
        if not wanted:
            raise UsageError("nothing to search for", hint='name a word: `mini-llm history search "blue sky"`')
        with self._told("read"):
            found = self._rows(tables.FOUND, " ".join(map(_quoted, wanted)), limit)
            if not found and (plain := " ".join(text.split()).strip('"')):
                like = re.sub(r"([%_\\])", r"\\\1", plain)
                found, wanted = self._rows(tables.CONTAINED, f"%{like}%", limit), [plain]
            places = [place for (message,) in found for place in self._rows(tables.PLACE, message)]
        return [Hit._make([*facts, packing.excerpt(text, wanted)]) for *facts, text in places]

    def last(self, tool: str) -> str:
        """Return the id of the conversation in which *tool* spoke last, "" if none is kept."""
        with self._told("read"):
            return str(self._run(tables.LAST, tool).get or "")

    def prompts(self, tool: str, limit: int) -> list[str]:
        """Return what was last asked with *tool*, the oldest first."""
        with self._told("read"):
            return [text for (text,) in self._rows(tables.PROMPTS, tool, limit)]

    def delete(self, conversation: str, turn: str = "") -> int:
        """Delete a conversation, or one turn of it; return how many conversations or turns went."""
        with self._told("written"):
            return self._forget([(conversation,)], only=turn)

    def delete_before(self, instant: float) -> int:
        """Delete the conversations in which nothing was said since *instant*; return how many."""
        with self._told("written"):
            return self._forget(self._rows(BEFORE, instant, -1))

    def close(self) -> None:
        """Close the file."""
        with suppress(apsw.Error):
            self._connection.close()

    def _prepare(self, busy_ms: int) -> None:
        if int(self._connection.pragma("user_version")) == 0:
            self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL").fetchall()  # only before the first table
        begin_log(self._connection, busy_ms, durable=False)
        self._connection.execute(tables.SETTINGS).fetchall()
        versions.prepare(HISTORY, self._connection, self._file, tables.SCRIPTS)

    def _run(self, statement: str, *values: Any) -> apsw.Cursor:
        return self._connection.execute(statement, values)

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return list(self._run(statement, *values))

    def _conversation_of(self, messages: Sequence[Message], caller: str) -> str:
        """Return the conversation that *messages* go on with, "" if they begin one."""
        for mark in packing.marks(messages)[: -MOST_MARKS - 1 : -1]:
            if found := self._run(tables.CONVERSATION_OF, mark, caller).get:
                return str(found)
        return ""

    def _message(self, message: Message, redact: Callable[[str], str]) -> int:
        told = packing.packed(message, redact)
        body, text = orjson.dumps(told), packing.spoken(told)
        plain = {"role": message.role, "parts": [{"type": "text", "text": text}]}
        kept = "" if told == plain else body.decode()  # plain words need not be kept twice
        return self._once("message", sha256(body).digest(), (message.role, text, kept))

    def _setting(self, told: dict[str, Any]) -> int:
        body = orjson.dumps(told)
        return self._once("setting", sha256(body).digest(), (body.decode(),))

    def _once(self, table: str, digest: bytes, values: tuple[str, ...]) -> int:
        """Return the row of what is kept only once."""
        find, add = ONCE[table]
        found = self._run(find, digest).get
        if found is None:
            found = self._run(add, digest, *values).get
        return int(found)

    def _kept(self, row: tuple[Any, ...]) -> Kept:
        turn, *facts, answer, settings = row
        said = tuple(_read(*one) for one in self._rows(tables.SAID, turn))
        found = None if answer is None else _read(*self._rows(tables.MESSAGE, answer)[0])
        return Kept._make([*facts, said, found, orjson.loads(settings)])

    def _forget(self, doomed: Sequence[tuple[Any, ...]], *, only: str = "", quick: bool = False) -> int:
        """Delete conversations (or *only* one turn) with all that nothing else needs; return how many they were.

        Many are deleted in several steps, so that nobody who writes waits for long. *quick*: their words may stay in
        the index until it is merged, as it is from time to time.
        """
        gone, few = 0, len(doomed) <= FEW and not quick
        for start in range(0, len(doomed), FEW):
            with writing(self._connection):
                self._run(tables.THOROUGH, int(few))
                gone += sum(self._forget_one(name, only) for (name,) in doomed[start : start + FEW])
        if not few and not quick:
            self._merge()
        if gone:
            self._connection.execute("PRAGMA incremental_vacuum").fetchall()
            with suppress(apsw.BusyError, apsw.LockedError):  # somebody reads just now: the next one does it
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        return gone

    def _forget_one(self, conversation: str, only: str) -> bool:
        turns = self._rows(TURNS_OF, conversation, only)
        needed = {one for turn, _ in turns for (one,) in self._rows(tables.NEEDED, turn)}
        for turn, _ in turns:
            self._run("DELETE FROM turn WHERE id = ?", turn)
        for message in needed:
            self._run(tables.UNNEEDED, message)
        for setting in {setting for _, setting in turns}:
            self._run(tables.UNNEEDED_SETTING, setting)
        self._run(tables.EMPTY, conversation)
        return bool(turns)

    def _merge(self) -> None:
        """Write the index anew without the words that are marked as deleted, a piece at a time."""
        pages = -MERGED_PAGES  # the first time: all of it
        while True:
            before = self._connection.total_changes()
            with writing(self._connection):
                self._run(tables.MERGE, pages)
            if self._connection.total_changes() - before < 2:
                return
            pages = MERGED_PAGES

    def _bytes(self) -> int:
        pages = self._connection.pragma("page_count") - self._connection.pragma("freelist_count")
        return int(pages * self._connection.pragma("page_size"))

    def _told(self, what: str) -> AbstractContextManager[None]:
        return told(HISTORY, self._file, what)


LISTING = "`mini-llm history list` lists them"
ONCE = {
    "message": (
        "SELECT id FROM message WHERE hash = ?",
        "INSERT INTO message (hash, role, text, body) VALUES (?, ?, ?, ?) RETURNING id",
    ),
    "setting": (
        "SELECT id FROM setting WHERE hash = ?",
        "INSERT INTO setting (hash, body) VALUES (?, ?) RETURNING id",
    ),
}


def _read(role: str, text: str, body: str) -> Message:
    told = orjson.loads(body) if body else {"role": role, "parts": [{"type": "text", "text": text}]}
    return packing.unpacked(told)


def _quoted(word: str) -> str:
    """Return *word* as a phrase: nothing in it is a command to the index."""
    bare = word.rstrip("*")
    phrase = '"{}"'.format((bare or word).replace('"', '""'))
    return f"{phrase} *" if bare != word and bare else phrase
