"""ledger: several processes on one file, and processes that are killed in the middle of it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mini_llm.ledger.sqlite import SQLiteBook
from tests.test_ledger import rows

KILLS = int(os.environ.get("LEDGER_KILLS", "30"))  # a thousand, now and then
SEED = int(os.environ.get("LEDGER_SEED", "1"))


def spending(folder: Path, name: str, *what: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.spending", str(folder), name, *what]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("processes", [1, 4])
def test_two_hundred_requests_behind_one_barrier_get_what_ten_can_pay(tmp_path: Path, processes: int) -> None:
    started = [spending(tmp_path, f"p{number}", "barrier", str(200 // processes)) for number in range(processes)]
    assert [line(process) for process in started] == ["ready"] * processes
    (tmp_path / "go").touch()
    told = [tuple(map(int, line(process).split())) for process in started]
    for process in started:
        process.communicate("\n", timeout=30)
    assert [sum(column) for column in zip(*told, strict=True)] == [10, 190]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.timeout(max(120, KILLS * 4))
def test_a_process_killed_at_any_moment_loses_nothing_that_was_sent(tmp_path: Path) -> None:
    draw = random.Random(SEED)
    for cycle in range(KILLS):
        process = spending(tmp_path, str(cycle), "work")
        assert line(process) == "ready"
        time.sleep(draw.uniform(0.02, 0.35))
        process.kill()
        process.communicate(timeout=30)
    book = SQLiteBook(
        tmp_path / "ledger.db",
    )
    book.examine()
    book.recover()
    findings = book.verify(lambda *_: 5)
    book.close()
    assert findings.problems == ()
    assert rows(tmp_path, "SELECT count(*) FROM reservation WHERE state = 'open'") == [(0,)]
    assert rows(tmp_path, "SELECT sum(reserved) FROM budget") == [(0,)]
    assert list(tmp_path.glob("*owner*")) == []
    written = [str(name) for (name,) in rows(tmp_path, "SELECT request_id FROM attempt")]
    sent = [name for file in tmp_path.glob("sent-*") for name in file.read_text().split()]
    acked = [name for file in tmp_path.glob("acked-*") for name in file.read_text().split()]
    assert len(sent) > KILLS and len(acked) > KILLS
    assert len(set(written)) == len(written)
    assert set(sent) | set(acked) <= set(written)
    ended = {name for file in tmp_path.glob("ended-*") for name in file.read_text().split()}
    assert len(ended) > KILLS
    whole = {
        name for (name,) in rows(tmp_path, "SELECT request_id FROM attempt WHERE status = 'ok' AND cost_nanos = 5")
    }
    assert ended <= whole  # what was known of its end is not lost
    # A row that nobody's log has: it was noted, and the process died between that and its own log.
    assert len(set(written) - set(sent) - set(acked)) <= 17 * KILLS
