"""ledger: what a process leaves in its journal is written by the next, and nothing else is."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from binascii import crc32
from collections.abc import Sequence
from pathlib import Path

import pytest

from mini_llm.config.settings import Budget
from mini_llm.ledger import Entry, Ledger, open_journal, open_sqlite
from mini_llm.ledger.budgets import Budgets, limit_of
from mini_llm.ledger.entries import Batch
from mini_llm.ledger.journal import PLACE, PLACES, RECORD, Journal
from mini_llm.ledger.sqlite import SQLiteBook
from mini_llm.types import Usage
from tests.test_ledger import ENTRY, rows

BEGUN = ENTRY._replace(status="unknown", usage=None, cost_nanos=None)


def left_by_the_dead(folder: Path, *entries: Entry) -> Path:
    """Note *entries* as a process does that is killed then; return its file."""
    before = set(folder.glob("*-owner-*"))
    journal = Journal(folder / "ledger.db")
    for entry in entries:
        journal.note(entry)
    journal.drop()  # its lock falls, as at its end
    (file,) = set(folder.glob("*-owner-*")) - before
    return file


def recovered(folder: Path) -> list[tuple[object, ...]]:
    book = SQLiteBook(folder / "ledger.db")
    book.recover()
    book.close()
    assert list(folder.glob("*-owner-*")) == []
    return rows(folder, "SELECT request_id, status, cost_nanos FROM attempt ORDER BY request_id")


def ledger_in(folder: Path) -> Ledger:
    file = folder / "ledger.db"
    return Ledger(lambda: open_sqlite(file), open_journal=lambda: open_journal(file))


def test_an_attempt_that_was_under_way_is_written_as_unknown(tmp_path: Path) -> None:
    left_by_the_dead(tmp_path, BEGUN, BEGUN._replace(request_id="ml-2"))
    assert recovered(tmp_path) == [("ml-1", "unknown", None), ("ml-2", "unknown", None)]


def test_an_attempt_that_had_ended_is_written_with_all_that_was_known_of_it(tmp_path: Path) -> None:
    left_by_the_dead(tmp_path, BEGUN, ENTRY)
    assert recovered(tmp_path) == [("ml-1", "ok", 1_500)]
    assert rows(tmp_path, "SELECT input_tokens, cache_read_tokens, raw_usage, route FROM attempt") == [
        (10, 4, '{"prompt_tokens":10}', ENTRY.route)
    ]


def test_what_was_written_before_its_process_died_is_not_written_twice(tmp_path: Path) -> None:
    book = SQLiteBook(tmp_path / "ledger.db")
    book.write(Batch([ENTRY]))
    book.close()
    left_by_the_dead(tmp_path, ENTRY, BEGUN._replace(request_id="ml-2"))
    left_by_the_dead(tmp_path, BEGUN)
    assert recovered(tmp_path) == [("ml-1", "ok", 1_500), ("ml-2", "unknown", None)]


def test_a_process_that_lives_is_left_alone(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    ledger.begin(BEGUN)
    book = SQLiteBook(tmp_path / "ledger.db")
    assert book.recover() == 0
    book.close()
    ledger.append(ENTRY)
    ledger.close()
    assert rows(tmp_path, "SELECT status FROM attempt") == [("ok",)]
    assert list(tmp_path.glob("*-owner-*")) == []


def test_an_end_that_was_known_settles_its_reservation(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    budgets = Budgets(ledger, [limit_of(Budget("all", "total", "5"))])
    held = asyncio.run(budgets.reserve(BEGUN._replace(usage=Usage(1, 1), cost_nanos=7), 10**9, lasts=60))
    assert held is not None
    left_by_the_dead(tmp_path, ENTRY._replace(reservation=held.id))
    book = SQLiteBook(tmp_path / "ledger.db")
    book.recover()
    book.close()
    assert rows(tmp_path, "SELECT settled, reserved FROM budget") == [(1_500, 0)]
    ledger.close()
    assert rows(tmp_path, "SELECT status, cost_nanos FROM attempt") == [("ok", 1_500)]


def test_a_close_while_attempts_are_under_way_leaves_them_to_the_next_process(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.test_ledger_journal import *;"
        "ledger = ledger_in(Path(sys.argv[1])); ledger.begin(BEGUN);"
        "ledger.append(ENTRY._replace(request_id='ml-2')); ledger.close()"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=30)
    assert rows(tmp_path, "SELECT request_id FROM attempt") == [("ml-2",)]
    assert recovered(tmp_path) == [("ml-1", "unknown", None), ("ml-2", "ok", 1_500)]


def test_rows_that_a_stuck_database_did_not_take_are_written_by_the_next_process(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.test_ledger_journal import *\n"
        "def stuck(): raise OSError('no disk')\n"
        "ledger = Ledger(stuck, open_journal=lambda: open_journal(Path(sys.argv[1]) / 'ledger.db'))\n"
        "ledger.append(ENTRY)\n"
        "try: ledger.close()\n"
        "except Exception as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, timeout=30, capture_output=True, text=True
    )
    assert "no disk" in done.stdout
    assert recovered(tmp_path) == [("ml-1", "ok", 1_500)]


def test_it_grows_and_its_places_are_used_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "ledger.db")
    (file,) = tmp_path.glob("*-owner-*")
    many = [BEGUN._replace(request_id=f"ml-{number:04}") for number in range(PLACES * 5)]
    for _ in range(3):
        for entry in many:
            journal.note(entry)
        for entry in many:
            journal.note(entry._replace(status="ok"))
        assert file.stat().st_size == (PLACES * 8 + 1) * PLACE
        journal.strike(many[1:])
    assert not journal.is_empty
    journal.drop()
    assert recovered(tmp_path) == [("ml-0000", "ok", None)]


def test_where_no_journal_can_be_made_rows_are_written_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    file = tmp_path / "ledger.db"
    ledger = Ledger(lambda: open_sqlite(file), open_journal=lambda: open_journal(tmp_path / "file" / "ledger.db"))
    ledger.begin(BEGUN)
    ledger.append(ENTRY)
    ledger.close()
    assert rows(tmp_path, "SELECT status FROM attempt") == [("ok",)]


STRANGE = [
    ENTRY._replace(route="é" * 5000, usage=Usage(1, 2, raw={"long": "x" * 5000})),
    ENTRY._replace(usage=Usage(input_tokens=2**70, raw={"a": object()}), cost_nanos=10**30),
    ENTRY._replace(tool="\ud800", model="\udcff" * 3000, route="\x00" * 3000),
]


@pytest.mark.parametrize("strange", STRANGE, ids=["long", "large", "text"])
def test_whatever_a_provider_or_a_caller_says_there_is_a_row(tmp_path: Path, strange: Entry) -> None:
    left_by_the_dead(tmp_path, strange)
    assert [row[:2] for row in recovered(tmp_path)] == [("ml-1", "ok")]


def damaged(data: bytes, draw: random.Random) -> bytes:
    """Return *data* as a torn write or somebody's editor leaves it."""
    broken = bytearray(data)
    for _ in range(draw.randrange(1, 200)):
        broken[draw.randrange(len(broken))] = draw.randrange(256)
    return bytes(broken[: draw.randrange(len(broken))] if draw.random() < 0.3 else broken)


def test_a_damaged_journal_keeps_nobody_from_starting(tmp_path: Path) -> None:
    file = left_by_the_dead(tmp_path, *(BEGUN._replace(request_id=f"ml-{number}") for number in range(20)))
    data, draw = file.read_bytes(), random.Random(7)
    for number in range(60):
        file.with_name(f"ledger.db-owner-{number:016x}").write_bytes(damaged(data, draw))
    for name, content in (("e" * 16, b""), ("f" * 16, b"a letter")):
        file.with_name(f"ledger.db-owner-{name}").write_bytes(content)
    file.with_name("ledger.db-owner-nobody").write_bytes(data)
    book = SQLiteBook(tmp_path / "ledger.db")
    book.recover()
    assert book.verify(lambda *_: None).sound
    book.close()
    assert len(rows(tmp_path, "SELECT id FROM attempt")) == 20


FORGED: Sequence[bytes] = [
    b"null",
    b"[]",
    b'{"7":1}',
    b"[" * 500,
    b'[1e300,"a",1,"","","","ok","","",null]',
    b'[1,"a",1,"","","","ok","","",[1,2,3,4,5,6,7,8,9,null,false,{},"",0,0,0]]',
    b'[1,"a",1,"","","","ok","","",[-5,2]]',
    b'[1,"a",1,"","","","ok","","",[99999999999999999999,2]]',
    b'[1,"a",1,"","","","free","","",null]',
    b'[1,"a",1,"","","","ok","","",null,"",1.5]',
    b'[1,["a"],1,"","","","ok","","",null]',
    b'[1,"a",1.5,"","","","ok","","",null]',
    b'[1,"a",1,"","","",{},"","",null]',
]


@pytest.mark.parametrize("text", FORGED)
def test_a_record_that_is_no_entry_is_passed_over(tmp_path: Path, text: bytes) -> None:
    file = left_by_the_dead(tmp_path, BEGUN._replace(request_id="first"), BEGUN._replace(request_id="last"))
    data = bytearray(file.read_bytes())
    at = 3 * PLACE
    data[at : at + RECORD.size + len(text)] = RECORD.pack(len(text), crc32(text)) + text
    file.write_bytes(data)
    assert [row[0] for row in recovered(tmp_path)] == ["first", "last"]


FORKED = """
import os, sys
from pathlib import Path
from tests.test_ledger_journal import BEGUN, ENTRY, ledger_in

ours = ledger_in(Path(sys.argv[1]))
ours.begin(BEGUN._replace(request_id="parent"))
child = os.fork()
if not child:
    ours.begin(BEGUN._replace(request_id="child"))
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
ours.append(ENTRY._replace(request_id="parent"))
ours.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_after_a_fork_each_side_has_a_journal_of_its_own(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED, str(tmp_path)], check=True, timeout=60)
    assert recovered(tmp_path) == [("child", "unknown", None), ("parent", "ok", 1_500)]


def test_readers_see_what_was_appended_before_they_asked(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    for number in range(300):
        ledger.append(ENTRY._replace(request_id=f"ml-{number}"))
        if number % 50 == 0:
            assert ledger.totals().attempts == number + 1
    ledger.close()


def test_its_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = left_by_the_dead(tmp_path, BEGUN)
    assert sys.platform == "win32" or os.stat(file).st_mode & 0o777 == 0o600
