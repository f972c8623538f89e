"""ledger: disks that are full, files that are held, broken, moved or old: what is told, and that no row is lost."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from mini_llm.config.settings import Budget
from mini_llm.errors import LedgerError
from mini_llm.ledger import Ledger, open_sqlite
from mini_llm.ledger.budgets import Budgets, limit_of
from mini_llm.ledger.entries import Batch, Held
from mini_llm.ledger.owners import Owner, dead
from mini_llm.ledger.sqlite import SQLiteBook
from mini_llm.sqlite.places import shared_by_network
from mini_llm.types import Usage
from tests.test_ledger import ENTRY, ledger_in, rows


def until(true: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


def budgets_of(ledger: Ledger) -> Budgets:
    return Budgets(ledger, [limit_of(Budget("all", "total", "5"))])


def is_dead(file: Path, token: str) -> bool:
    with dead(file, {token}) as ended:
        return token in [one.token for one in ended]


def bounded(book: SQLiteBook, pages: int) -> None:
    book._connection.pragma("max_page_count", pages)


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    pages = [25]
    opened: list[SQLiteBook] = []

    def open_small() -> SQLiteBook:
        opened.append(SQLiteBook(tmp_path / "ledger.db"))
        bounded(opened[-1], pages[0])
        return opened[-1]

    ledger = Ledger(open_small)
    for number in range(1000):
        ledger.append(ENTRY._replace(request_id=f"ml-{number:04}"))
    assert until(lambda: "the disk is full" in ledger.trouble), ledger.trouble
    with pytest.raises(LedgerError, match="the disk is full"):
        asyncio.run(budgets_of(ledger).reserve(ENTRY._replace(request_id="b"), 1, lasts=60))
    pages[0] = 2**30  # space was made
    assert until(lambda: ledger.trouble == ""), ledger.trouble
    assert asyncio.run(budgets_of(ledger).reserve(ENTRY._replace(request_id="c"), 1, lasts=60)) is not None
    ledger.close()
    assert ledger.totals().attempts == 1000


LIMITED = """
import resource, signal, sys, time
from pathlib import Path
from tests.test_ledger import ENTRY, ledger_in

ledger = ledger_in(Path(sys.argv[1]))
ledger.append(ENTRY)
while ledger._writer.waiting:
    time.sleep(0.01)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
for number in range(1000):
    ledger.append(ENTRY._replace(request_id=f"ml-{number:04}"))
while not ledger.trouble:
    time.sleep(0.01)
print(ledger.trouble, flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
while ledger.trouble:
    time.sleep(0.01)
ledger.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
def test_a_file_that_may_not_grow_is_told_and_goes_on_when_it_may(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert f"the ledger {tmp_path / 'ledger.db'} can't be written" in done.stdout
    assert ledger_in(tmp_path).totals().attempts == 1001


def test_a_ledger_held_by_another_program_is_waited_for(tmp_path: Path) -> None:
    SQLiteBook(tmp_path / "ledger.db").close()
    other = apsw.Connection(str(tmp_path / "ledger.db"))
    other.execute("BEGIN IMMEDIATE")
    freed = threading.Timer(3.0, other.close)
    freed.start()
    ledger = ledger_in(tmp_path)
    began = time.monotonic()
    ledger.append(ENTRY)
    assert asyncio.run(budgets_of(ledger).reserve(ENTRY._replace(request_id="b"), 1, lasts=60)) is not None
    assert time.monotonic() - began > 2
    freed.join()
    ledger.close()
    assert ledger.totals().attempts == 1


def test_a_new_ledger_that_another_process_is_just_making_is_waited_for(tmp_path: Path) -> None:
    other = apsw.Connection(str(tmp_path / "ledger.db"))
    other.execute("BEGIN IMMEDIATE; CREATE TABLE half (made)")
    release = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
    release.start()
    open_sqlite(tmp_path / "ledger.db").close()
    release.join()
    other.close()


def test_a_ledger_held_for_too_long_is_told_and_written_later(tmp_path: Path) -> None:
    SQLiteBook(tmp_path / "ledger.db").close()
    other = apsw.Connection(str(tmp_path / "ledger.db"))
    other.execute("BEGIN IMMEDIATE")
    ledger = Ledger(lambda: SQLiteBook(tmp_path / "ledger.db", busy_ms=50))
    ledger.append(ENTRY)
    with pytest.raises(LedgerError, match="another program holds it"):
        asyncio.run(budgets_of(ledger).reserve(ENTRY._replace(request_id="b"), 1, lasts=60))
    assert "another program holds it" in ledger.trouble
    other.close()
    assert until(lambda: ledger.trouble == "")
    ledger.close()
    assert ledger.totals().attempts == 1
    assert rows(tmp_path, "SELECT count(*) FROM reservation") == [(0,)]  # who was refused holds nothing


def test_a_file_that_may_only_be_read_is_told_and_can_still_be_asked(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    ledger.append(ENTRY)
    ledger.close()

    def open_read_only() -> SQLiteBook:
        book = SQLiteBook(tmp_path / "ledger.db")
        book._connection.pragma("query_only", True)
        return book

    stuck = Ledger(open_read_only, open_reader=lambda: open_sqlite(tmp_path / "ledger.db", reading=True))
    stuck.append(ENTRY._replace(request_id="b"))
    with pytest.raises(LedgerError, match="can't be written"):
        stuck.close()
    assert stuck.totals().attempts == 1


def test_a_damaged_file_is_told_and_a_new_one_begun_when_it_is_moved_away(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    file.write_bytes(b"not a database, but somebody's letter" * 100)
    ledger = ledger_in(tmp_path)
    ledger.append(ENTRY)
    assert until(lambda: "it is damaged" in ledger.trouble), ledger.trouble
    file.rename(tmp_path / "letter")
    assert until(lambda: ledger.trouble == ""), ledger.trouble
    ledger.close()
    assert ledger.totals().attempts == 1
    assert (tmp_path / "letter").read_bytes().startswith(b"not a database")


def test_a_file_that_was_broken_while_nobody_looked_is_found_at_the_start(tmp_path: Path) -> None:
    book = SQLiteBook(tmp_path / "ledger.db")
    book.write(Batch([ENTRY._replace(request_id=f"ml-{number:05}") for number in range(2000)]))
    (tmp_path / "copy").mkdir()
    for file in tmp_path.glob("ledger.db*"):
        shutil.copy(file, tmp_path / "copy" / file.name)
    book.close()
    broken = tmp_path / "copy" / "ledger.db"
    whole = SQLiteBook(broken)
    whole.claim().drop()  # as a process leaves it that is killed
    whole.examine()
    whole.close()
    data = bytearray((tmp_path / "ledger.db").read_bytes())
    data[30_000:90_000] = b"\xff" * 60_000
    broken.write_bytes(data)
    ledger = Ledger(lambda: SQLiteBook(broken))
    ledger.start()
    assert until(lambda: "damaged" in ledger.trouble), ledger.trouble
    assert len(list(broken.parent.glob("*-owner-*"))) == 1  # what it left is still to be written
    with pytest.raises(LedgerError, match="damaged"):
        ledger.close()


def test_rows_do_not_follow_a_file_that_was_moved_away(tmp_path: Path) -> None:
    now = [0.0]
    ledger = Ledger(lambda: SQLiteBook(tmp_path / "ledger.db", now=lambda: now[0]))
    ledger.append(ENTRY)
    assert until(lambda: not ledger._writer.waiting)
    (tmp_path / "ledger.db").rename(tmp_path / "old.db")
    now[0] = 2.0
    ledger.append(ENTRY._replace(request_id="b"))
    assert until(lambda: (tmp_path / "ledger.db").exists() and not ledger._writer.waiting)
    ledger.close()
    assert rows(tmp_path, "SELECT request_id FROM attempt") == [("b",)]


def test_a_file_of_version_one_is_brought_forward_and_kept(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.executescript((Path(__file__).parent / "ledger_v1.sql").read_text())
    connection.close()
    ledger = ledger_in(tmp_path)
    assert ledger.totals() == (2, 3, 30, 12, 4_500, 1)
    ledger.append(ENTRY._replace(request_id="new"))
    ledger.close()
    found = rows(tmp_path, "SELECT id, request_id, attempt, provider, status, raw_usage, tool, caller FROM attempt")
    assert found[:3] == [
        (1, "ml-1", 1, "groq", "failed", None, "", ""),
        (2, "ml-1", 2, "openai", "ok", '{"prompt_tokens":10}', "", ""),
        (7, "ml-2", 1, "openai", "ok", None, "codex", ""),
    ]
    assert [row.name for row in ledger.usage("model")] == ["gpt", "llama"]
    old = sqlite3.connect(tmp_path / "ledger.v1.db")
    assert old.execute("SELECT count(*), max(id) FROM attempt").fetchall() == [(3, 7)]
    old.close()
    assert rows(tmp_path, "PRAGMA user_version") == [(3,)]


def test_a_file_of_version_two_is_brought_forward_and_kept(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.executescript((Path(__file__).parent / "ledger_v2.sql").read_text())
    connection.close()
    ledger = ledger_in(tmp_path)
    assert ledger.totals() == (2, 2, 30, 12, 4_600, 0)
    ledger.append(ENTRY._replace(request_id="new", model="gpt", saved_nanos=7))
    ledger.close()
    (gpt,) = ledger.usage("model")
    assert (gpt.cost_nanos, gpt.saved_nanos) == (4_600 + 7 + 1_500, 7)  # what a dead process had held among it
    assert rows(tmp_path, "SELECT settled, reserved FROM budget") == [(1_607, 0)]
    assert ledger.verify(lambda *_: 4_500).problems == ()
    with pytest.raises(apsw.ConstraintError):
        apsw.Connection(str(tmp_path / "ledger.db")).execute("UPDATE entry SET saved_nanos = 0")
    old = sqlite3.connect(tmp_path / "ledger.v2.db")
    assert old.execute("SELECT count(*) FROM attempt").fetchall() == [(2,)]
    old.close()


def test_two_processes_bring_a_file_forward_once(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.executescript((Path(__file__).parent / "ledger_v1.sql").read_text())
    connection.close()
    code = (
        "import sys; from pathlib import Path; from tests.test_ledger import ENTRY, ledger_in;"
        "ledger = ledger_in(Path(sys.argv[1])); ledger.append(ENTRY._replace(request_id=sys.argv[2])); ledger.close()"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "ab"]
    assert [process.wait(60) for process in started] == [0] * 2
    assert ledger_in(tmp_path).totals().attempts == 5


def test_asking_makes_no_file_and_takes_no_lock(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    asked = Ledger(lambda: open_sqlite(file), open_reader=lambda: open_sqlite(file, reading=True))
    assert asked.totals().attempts == 0
    assert list(tmp_path.iterdir()) == []
    asked.append(ENTRY)
    asked.close()
    other = apsw.Connection(str(file))
    other.execute("BEGIN IMMEDIATE")
    assert asked.totals().attempts == 1
    other.close()
    with pytest.raises(LedgerError):
        open_sqlite(file, reading=True).write(Batch([ENTRY._replace(request_id="b")]))


def test_a_file_of_a_newer_version_is_not_read_either(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "ledger.db"))
    connection.pragma("user_version", 99)
    connection.close()
    with pytest.raises(LedgerError, match="newer version"):
        open_sqlite(tmp_path / "ledger.db", reading=True)


def test_power_durability_reaches_the_disk_with_every_commit(tmp_path: Path) -> None:
    for durability, level in (("process", 1), ("power", 2)):
        book = SQLiteBook(tmp_path / f"{durability}.db", durability=durability)  # type: ignore[arg-type]  # both are
        book.write(Batch([ENTRY]))
        assert book._connection.pragma("synchronous") == level
        book.close()


def test_a_process_is_dead_when_its_lock_has_fallen(tmp_path: Path) -> None:
    book = SQLiteBook(tmp_path / "ledger.db")
    owner = book.claim()
    assert not is_dead(tmp_path / "ledger.db", owner.token)
    owner.drop()
    assert is_dead(tmp_path / "ledger.db", owner.token)
    assert is_dead(tmp_path / "ledger.db", "../../etc/passwd")
    book.close()


def test_the_signs_of_dead_processes_are_cleared_away(tmp_path: Path) -> None:
    book = SQLiteBook(tmp_path / "ledger.db")
    dead, alive = book.claim(), book.claim()
    dead.drop()
    book.recover()
    assert [file.name.rpartition("-")[2] for file in tmp_path.glob("*-owner-*")] == [alive.token]
    alive.release()
    assert list(tmp_path.glob("*-owner-*")) == []
    book.close()


def test_to_clear_away_while_processes_start_takes_no_sign_from_them(tmp_path: Path) -> None:
    file, done = tmp_path / "ledger.db", threading.Event()

    def sweep() -> None:
        while not done.is_set():
            with dead(file, set()) as ended:
                for one in ended:
                    one.remove()

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for _ in range(300):
            owner = Owner(file)
            assert not is_dead(file, owner.token)
            owner.release()
    finally:
        done.set()
        sweeper.join()


FORKED = """
import asyncio, os, sys
from pathlib import Path
from mini_llm.ledger.sqlite import SQLiteBook
from tests.test_ledger import ENTRY, ledger_in
from tests.test_ledger_faults import budgets_of

ours = ledger_in(Path(sys.argv[1]))
held = asyncio.run(budgets_of(ours).reserve(ENTRY._replace(request_id="parent"), 10, lasts=60))
child = os.fork()
if not child:
    book = SQLiteBook(Path(sys.argv[1]) / "ledger.db")
    assert book.recover() == 0, "the parent lives"
    theirs = asyncio.run(budgets_of(ours).reserve(ENTRY._replace(request_id="child", status="unknown"), 10, lasts=60))
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
ours.append(ENTRY._replace(request_id="parent", reservation=held.id))
ours.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_after_a_fork_each_side_answers_for_its_own_reservations(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED, str(tmp_path)], check=True, timeout=60)
    book = SQLiteBook(tmp_path / "ledger.db")
    book.recover()
    book.close()
    found = rows(tmp_path, "SELECT request_id, status FROM attempt ORDER BY request_id")
    assert found == [("child", "unknown"), ("parent", "ok")]


def test_a_network_share_is_told_from_the_mounts(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"disk / ext4 rw 0 0\nhost:/share {tmp_path}/net\\040share nfs4 rw 0 0\n")
    assert shared_by_network(tmp_path / "net share" / "data" / "ledger.db", mounts) == "nfs4"
    assert shared_by_network(tmp_path / "ledger.db", mounts) == ""


def test_what_is_set_aside_is_there_before_reserve_returns(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)

    async def ask() -> None:
        for number in range(50):
            entry = ENTRY._replace(request_id=f"ml-{number}", usage=Usage(1, 1), cost_nanos=1)
            held = await budgets_of(ledger).reserve(entry, 1, lasts=60)
            assert isinstance(held, Held)
            assert rows(tmp_path, "SELECT reserved + settled FROM budget") == [(number + 1,)]
            if number % 2:
                ledger.append(entry._replace(reservation=held.id))

    asyncio.run(ask())
    ledger.close()
