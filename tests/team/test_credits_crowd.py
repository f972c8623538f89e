"""credits: crowds of threads and processes, and a process that is killed while it writes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from mini_llm.team import checking, credits, journal
from mini_llm.team.credits import Ask, Charge, Held
from mini_llm.team.store import Store
from tests.team.founding import DOLLAR, NOON, TOKENS, founded, opened

CROWD = 200
ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("processes", [1, 4])
def test_of_two_hundred_requests_at_once_exactly_as_many_pass_as_there_are_credits_for(
    processes: int, tmp_path: Path
) -> None:
    file = tmp_path / "team.db"
    team, member, key = _found(file, grant=10 * DOLLAR)
    words = (file, team, member, key)
    if processes == 1:
        passed = asyncio.run(_rush(*words, CROWD, "here"))
    else:
        with ExitStack() as stack:
            shares = range(processes)
            children = [stack.enter_context(_child("rush", *words, CROWD // processes, f"p{each}")) for each in shares]
            assert [child.line() for child in children] == [b"ready"] * processes
            for child in children:
                child.go()
            passed = sum(int(child.line()) for child in children)
    assert passed == 10
    db = opened(file)
    assert journal.balance(db, team) == (0, 0)
    assert checking.problems(db) == []
    db.close()


def test_a_process_killed_while_it_writes_leaves_every_figure_sound_and_nothing_held(tmp_path: Path) -> None:
    file = tmp_path / "team.db"
    team, member, key = _found(file, grant=10_000 * DOLLAR)
    for number in range(4):
        with _child("work", file, team, member, key, 0, f"k{number}") as child:
            told = [int(child.line()) for _ in range(3 + 4 * number)]  # it is in the middle of its work
            told += [int(line) for line in child.killed()]
        _recovered(file, team, f"k{number}", told)


def test_what_a_dead_process_left_open_is_charged_its_estimate(tmp_path: Path) -> None:
    file = tmp_path / "team.db"
    team, member, key = _found(file, grant=10 * DOLLAR)
    db = opened(file)
    with _child("hold", file, team, member, key, 3, "h") as child:
        assert child.line() == b"held"
        assert credits.sweep(db, NOON) == 0  # it lives
        child.killed()
    assert credits.sweep(db, NOON) == 3
    assert journal.balance(db, team) == (10 * DOLLAR - 3 * DOLLAR // 2, 0)
    assert checking.problems(db) == []
    db.close()


def _recovered(file: Path, team: str, prefix: str, told: list[int]) -> None:
    """Open the file anew as a server does, and check that all that was told to be settled is."""
    db = opened(file)
    db.execute("BEGIN IMMEDIATE")
    credits.sweep(db, NOON)
    db.execute("COMMIT")
    assert checking.problems(db) == []
    assert journal.balance(db, team).held == 0
    assert db.row("SELECT count(*) FROM reservation WHERE state = 'open'")[0] == 0
    charged = {row[0] for row in db.rows("SELECT request FROM charge WHERE status = 'ok'")}
    assert {f"{prefix}-{number}" for number in told} <= charged
    db.close()
    db.sign.release()


def _found(file: Path, grant: int) -> tuple[str, str, str]:
    db = opened(file)
    office = founded(db, "Acme", grant=grant)
    db.close()
    return office.team.id, office.owner.id, office.key.id


async def _rush(file: Path, team: str, member: str, key: str, count: int, name: str) -> int:
    """Ask for a dollar so often at the same time; return how many were granted."""
    store = Store(file, TOKENS, durability="process", now=lambda: NOON, busy_ms=30_000)
    try:
        asks = [Ask(team, member, key, f"{name}-{number}", DOLLAR, 60.0) for number in range(count)]
        outcomes = await asyncio.gather(*(credits.hold(store, ask) for ask in asks))
        held = [outcome for outcome in outcomes if isinstance(outcome, Held)]
        await store.write(lambda db: [credits.settle(db, each, Charge("lab", "llama", DOLLAR)) for each in held])
        return len(held)
    finally:
        store.close()


async def _work(file: Path, team: str, member: str, key: str, name: str) -> None:
    """Reserve and settle until killed, and tell what is settled."""
    store = Store(file, TOKENS, durability="process", now=lambda: NOON)

    async def one(number: int) -> None:
        held = await credits.hold(store, Ask(team, member, key, f"{name}-{number}", DOLLAR, 60.0))
        assert isinstance(held, Held)
        if number % 3 == 0:
            return  # it stays open
        await store.write(lambda db: credits.settle(db, held, Charge("lab", "llama", DOLLAR // 3)))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()

    number = 0
    while True:
        await asyncio.gather(*(one(number + each) for each in range(8)))
        number += 8


async def _hold(file: Path, team: str, member: str, key: str, count: int, name: str) -> None:
    store = Store(file, TOKENS, durability="process", now=lambda: NOON)
    for number in range(count):
        await credits.hold(store, Ask(team, member, key, f"{name}-{number}", DOLLAR, 60.0, estimate=DOLLAR // 2))
    sys.stdout.write("held\n")
    sys.stdout.flush()
    await asyncio.sleep(3600)


class Child:
    """Another process of this file's. It does not outlive the test."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout

    def line(self) -> bytes:
        """Return the next that it says."""
        return self._stdout.readline().rstrip()

    def go(self) -> None:
        """Let it begin."""
        self._stdin.close()

    def killed(self) -> list[bytes]:
        """Kill it; return what else it had said."""
        self._process.kill()
        self._process.wait()
        return self._stdout.read().split(b"\n")[:-1]


@contextmanager
def _child(what: str, *words: object) -> Iterator[Child]:
    arguments = [sys.executable, "-m", "tests.team.test_credits_crowd", what, *map(str, words)]
    with subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Child(process)
        finally:
            process.kill()


def main(what: str, file: str, team: str, member: str, key: str, count: str, name: str) -> None:
    """Be one of the processes."""
    place = (Path(file), team, member, key)
    if what == "work":
        asyncio.run(_work(*place, name))
    elif what == "hold":
        asyncio.run(_hold(*place, int(count), name))
    else:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.read()  # all begin at once
        sys.stdout.write(f"{asyncio.run(_rush(*place, int(count), name))}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
