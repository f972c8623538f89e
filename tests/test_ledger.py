"""ledger: one row an attempt, on a real SQLite file."""

from __future__ import annotations

import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from json import loads
from pathlib import Path

import apsw
import pytest

from mini_llm.errors import LedgerError
from mini_llm.ledger import Book, Entry, Ledger, Totals, open_sqlite
from mini_llm.ledger.entries import Batch
from mini_llm.types import Usage

ENTRY = Entry(
    time=1_000.0,
    request_id="ml-1",
    attempt=1,
    route="fast (priority): groq/llama",
    provider="groq",
    model="llama",
    status="ok",
    usage=Usage(input_tokens=10, output_tokens=5, cache_read_tokens=4, raw={"prompt_tokens": 10}),
    cost_nanos=1_500,
)


def ledger_in(folder: Path) -> Ledger:
    return Ledger(lambda: open_sqlite(folder / "ledger.db"))


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = apsw.Connection(str(folder / "ledger.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return list(connection.execute(query))
    finally:
        connection.close()


def test_rows_are_there_after_close_and_sum_up(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    for number in range(200):
        ledger.append(ENTRY._replace(request_id=f"ml-{number}"))
    ledger.close()
    assert ledger.totals() == Totals(200, 200, 2_000, 1_000, 300_000, 0)
    assert ledger.totals(since=2_000.0) == Totals()


def test_attempts_of_one_request_count_as_one_request(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    ledger.append(ENTRY._replace(status="failed", error="overloaded", usage=None, cost_nanos=0))
    ledger.append(ENTRY._replace(attempt=2))
    ledger.close()
    totals = ledger.totals()
    assert (totals.requests, totals.attempts) == (1, 2)


def test_the_same_attempt_is_never_written_twice(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    ledger.append(ENTRY)
    ledger.append(ENTRY)
    ledger.close()
    assert ledger.totals().attempts == 1


def test_an_unknown_price_stays_unknown_and_is_counted_apart(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    ledger.append(ENTRY._replace(cost_nanos=None))
    ledger.close()
    assert (ledger.totals().cost_nanos, ledger.totals().unpriced) == (0, 1)
    assert rows(tmp_path, "SELECT cost_nanos FROM attempt") == [(None,)]


def test_rows_can_neither_be_changed_nor_deleted(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    ledger.append(ENTRY)
    ledger.close()
    connection = apsw.Connection(str(tmp_path / "ledger.db"))
    for statement in ("UPDATE attempt SET cost_nanos = 0", "DELETE FROM attempt"):
        with pytest.raises(apsw.ConstraintError):
            connection.execute(statement)
    connection.close()


def test_two_processes_worth_of_writers_share_one_file(tmp_path: Path) -> None:
    ledgers = [ledger_in(tmp_path) for _ in range(4)]
    begun = threading.Barrier(4)

    def write(ledger: Ledger) -> None:
        begun.wait()
        for attempt in range(100):
            ledger.append(ENTRY._replace(request_id=f"ml-{ledgers.index(ledger)}", attempt=attempt))
        ledger.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, ledgers))
    assert ledgers[0].totals().attempts == 400


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path / "data")
    ledger.append(ENTRY)
    ledger.close()
    assert stat.S_IMODE((tmp_path / "data" / "ledger.db").stat().st_mode) == 0o600


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "ledger.db"))
    connection.pragma("user_version", 99)
    connection.close()
    ledger = ledger_in(tmp_path)
    ledger.append(ENTRY)
    with pytest.raises(LedgerError, match="newer version"):
        ledger.close()


def test_a_file_that_is_no_database_is_told_and_not_touched(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database, but somebody's letter" * 100)
    with pytest.raises(LedgerError, match=r"can't be opened"):
        ledger_in(tmp_path).totals()
    assert (tmp_path / "ledger.db").read_bytes().startswith(b"not a database")


def test_rows_wait_while_the_database_is_stuck_and_are_written_when_it_comes_back(tmp_path: Path) -> None:
    door = threading.Event()

    def open_when_allowed() -> Book:
        if not door.is_set():
            raise LedgerError("the disk is full")
        return open_sqlite(tmp_path / "ledger.db")

    ledger = Ledger(open_when_allowed)
    ledger.append(ENTRY)
    deadline = time.monotonic() + 5
    while not ledger.trouble and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ledger.trouble == "the disk is full"
    door.set()
    ledger.close()
    assert ledger.trouble == ""
    assert ledger.totals().attempts == 1


def test_what_could_not_be_written_at_the_end_is_written_with_the_next_row(tmp_path: Path) -> None:
    door = threading.Event()

    def open_when_allowed() -> Book:
        if not door.is_set():
            raise LedgerError("the disk is full")
        return open_sqlite(tmp_path / "ledger.db")

    ledger = Ledger(open_when_allowed)
    ledger.append(ENTRY)
    with pytest.raises(LedgerError, match="the disk is full"):
        ledger.close()
    door.set()
    ledger.append(ENTRY._replace(request_id="ml-2"))
    ledger.close()
    ledger.close()
    assert ledger.totals().attempts == 2


def test_a_ledger_nobody_wrote_to_makes_no_file(tmp_path: Path) -> None:
    ledger_in(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "strange",
    [
        ENTRY._replace(usage=Usage(input_tokens=2**64 - 1, output_tokens=2**63)),
        ENTRY._replace(usage=Usage(raw=loads('{"deep": ' + "[" * 400 + "]" * 400 + "}"))),
        ENTRY._replace(usage=Usage(raw={"long": "x" * 10_000_000})),
        ENTRY._replace(cost_nanos=10**30),
        ENTRY._replace(tool="\ud800", model="\udcff", route="\udcff", request_id="\udcff"),
    ],
    ids=["counts", "depth", "length", "cost", "text"],
)
def test_no_row_a_provider_or_a_caller_can_cause_keeps_the_others_out(tmp_path: Path, strange: Entry) -> None:
    ledger = ledger_in(tmp_path)
    ledger.append(strange)
    ledger.append(ENTRY._replace(request_id="ml-2"))
    ledger.close()
    assert ledger.totals().attempts == 2
    assert (tmp_path / "ledger.db").stat().st_size < 1_000_000


def test_sums_hold_whatever_providers_say_they_charged(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    dear = ENTRY._replace(cost_nanos=10**18 - 1, usage=Usage(input_tokens=2**63 - 1))
    for number in range(20):
        ledger.append(dear._replace(request_id=f"ml-{number}"))
    ledger.close()
    assert ledger.totals().cost_nanos == 20 * (10**18 - 1)


def test_too_many_waiting_rows_forbid_new_requests_but_lose_none_that_were_asked(tmp_path: Path) -> None:
    door = threading.Event()

    def open_when_allowed() -> Book:
        if not door.is_set():
            raise LedgerError("the disk is full")
        return open_sqlite(tmp_path / "ledger.db")

    ledger = Ledger(open_when_allowed)
    ledger.check()
    for number in range(10_001):
        ledger.append(ENTRY._replace(request_id=f"ml-{number}"))
    with pytest.raises(LedgerError, match="rows wait"):
        ledger.check()
    door.set()
    ledger.close()
    ledger.check()
    assert ledger.totals().attempts == 10_001


def test_a_process_that_ends_without_closing_still_writes_its_rows(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.test_ledger import ENTRY, ledger_in;"
        "ledger_in(Path(sys.argv[1])).append(ENTRY)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=30)
    assert ledger_in(tmp_path).totals().attempts == 1


STRANGER = """
import fcntl, os, sys
SHARED, BYTES = 0x40000002, 510  # where SQLite locks its file (os.h)
try:
    fcntl.lockf(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB, BYTES, SHARED)
except OSError:
    print("locked")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="locks are POSIX")
def test_looking_at_the_file_frees_no_lock_of_the_writer(tmp_path: Path) -> None:
    writer = open_sqlite(tmp_path / "ledger.db")
    writer.write(Batch([ENTRY]))
    ledger_in(tmp_path).totals()
    stranger = [sys.executable, "-c", STRANGER, str(tmp_path / "ledger.db")]
    assert subprocess.run(stranger, capture_output=True, check=True, timeout=30).stdout == b"locked\n"
    writer.close()


FORKED = """
import os, sys
from pathlib import Path
from tests.test_ledger import ENTRY, ledger_in

ours = ledger_in(Path(sys.argv[1]))
for number in range(20):
    ours.append(ENTRY._replace(request_id=f"parent-{number}"))
    child = os.fork()
    if not child:
        ours.append(ENTRY._replace(request_id=f"child-{number}"))
        theirs = ledger_in(Path(sys.argv[1]))
        theirs.append(ENTRY._replace(request_id=f"new-{number}"))
        theirs.close()
        ours.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
ours.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_fork_in_the_middle_of_writing_hurts_neither_side(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED, str(tmp_path)], check=True, timeout=60)
    assert ledger_in(tmp_path).totals().attempts == 60


def test_no_row_is_left_lying_though_nobody_closes(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)

    def write(name: str) -> None:
        for number in range(100):
            ledger.append(ENTRY._replace(request_id=f"{name}{number:03}"))
            time.sleep(0.0001 * (number % 7))
            if number % 20 == 0:
                deadline = time.monotonic() + 20
                while ledger._writer.waiting and time.monotonic() < deadline:
                    time.sleep(0.001)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deadline = time.monotonic() + 20
    while ledger._writer.waiting and time.monotonic() < deadline:
        time.sleep(0.001)
    assert ledger._writer.waiting == 0
    ledger.close()
    assert ledger.totals().attempts == 300
