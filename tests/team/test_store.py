"""store: one thread writes, who waits together shares a commit, and each piece of work stands or falls alone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import apsw
import pytest

from mini_llm.team import teams
from mini_llm.team.errors import InvalidError, StoreError
from mini_llm.team.store import Db, Store, schema
from mini_llm.team.store.opening import Sign, open_writer
from tests.team.founding import NOON, TOKENS

ENDLESS = "WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up) SELECT count(*) FROM up"


def a_store(folder: Path, *, read_seconds: float = 60.0, busy_ms: int = 20_000) -> Store:
    file = folder / "team.db"
    return Store(file, TOKENS, durability="process", now=lambda: NOON, read_seconds=read_seconds, busy_ms=busy_ms)


def named(name: str) -> Callable[[Db], teams.Team]:
    return lambda db: teams.create(db, name, NOON)


def names(db: Db) -> list[str]:
    return sorted(team.name for team in teams.every(db))


def test_what_is_written_is_there_when_write_returns(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        team = await store.write(named("Acme"))
        assert await store.read(lambda db: teams.find(db, team.id)) == team

    with_store(tmp_path, story)


def test_work_that_raises_undoes_itself_alone(tmp_path: Path) -> None:
    def fails(db: Db) -> None:
        teams.create(db, "Gone", NOON)
        raise InvalidError("no")

    async def story(store: Store) -> None:
        wishes = (store.write(named("One")), store.write(fails), store.write(named("Two")))
        outcomes = await asyncio.gather(*wishes, return_exceptions=True)
        assert isinstance(outcomes[1], InvalidError)
        assert await store.read(names) == ["One", "Two"]

    with_store(tmp_path, story)


def test_what_waits_together_shares_a_commit(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        commits: list[int] = []
        gate = threading.Event()

        def first(db: Db) -> None:
            db.set_commit_hook(count)
            gate.wait(20)

        def count() -> bool:
            commits.append(1)
            return False

        begun = asyncio.ensure_future(store.write(first))
        rest = [asyncio.ensure_future(store.write(named(f"Team {number}"))) for number in range(40)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(begun, *rest)
        assert 1 <= len(commits) <= 2

    with_store(tmp_path, story)


def test_what_sqlite_refuses_is_told_as_a_store_error(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        await store.write(lambda db: db.execute("INSERT INTO audit VALUES (1, 1, 't', 'w', 'w', 'a', '', '')"))
        with pytest.raises(StoreError, match="audit rows are never changed"):
            await store.write(lambda db: db.execute("UPDATE audit SET who = 'x'"))
        with pytest.raises(StoreError, match="audit rows are never deleted"):
            await store.write(lambda db: db.execute("DELETE FROM audit"))

    with_store(tmp_path, story)


def test_half_a_character_is_told_as_no_text(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        for ask in (store.read, store.write):
            with pytest.raises(InvalidError, match="is no text"):
                await ask(lambda db: teams.find(db, "\udce9"))

    with_store(tmp_path, story)


@pytest.mark.parametrize("table", ["transfer", "charge", "audit"])
def test_rows_that_account_for_something_are_never_changed(table: str, tmp_path: Path) -> None:
    db = open_writer(tmp_path / "team.db", TOKENS, Sign(tmp_path / "team.db"), "process", 5000)
    told = db.rows("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?", (table,))
    assert {name for (name,) in told} >= {f"{table}_stays", f"{table}_holds"}
    db.close()


def test_who_reads_can_not_write(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(StoreError):
            await store.read(named("Acme"))
        assert await store.read(names) == []

    with_store(tmp_path, story)


def test_one_read_sees_one_moment(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        looked, written = threading.Event(), threading.Event()

        def look(db: Db) -> tuple[list[str], list[str]]:
            before = names(db)
            looked.set()
            written.wait(20)
            return before, names(db)

        reading = asyncio.ensure_future(store.read(look))
        await asyncio.to_thread(looked.wait, 20)
        await store.write(named("Acme"))
        written.set()
        assert await reading == ([], [])

    with_store(tmp_path, story)


def test_a_question_without_end_is_stopped(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(StoreError, match="took too long"):
            await store.read(lambda db: db.row(ENDLESS))
        assert await store.read(names) == []

    with_store(tmp_path, story, read_seconds=0.05)


def test_what_is_handed_in_for_later_is_written_without_anybody_waiting(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        for number in range(5):
            store.later(named(f"Team {number}"))
        until = time.monotonic() + 20
        while len(await store.read(names)) < 5 and time.monotonic() < until:
            await asyncio.sleep(0.01)
        assert len(await store.read(names)) == 5

    with_store(tmp_path, story)


def test_closing_writes_what_waits(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        for number in range(100):
            store.later(named(f"Team {number}"))

    with_store(tmp_path, story)
    with_store(tmp_path, lambda store: counted(store, 100))


def test_what_can_not_be_written_yet_is_tried_again(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        holder = apsw.Connection(str(tmp_path / "team.db"))
        holder.execute("BEGIN IMMEDIATE")
        store.later(named("Later"))
        with pytest.raises(StoreError, match="another program holds it"):
            await store.write(named("Now"))
        assert "another program holds it" in store.trouble
        holder.execute("ROLLBACK")
        holder.close()
        until = time.monotonic() + 20
        while await store.read(names) != ["Later"] and time.monotonic() < until:
            await asyncio.sleep(0.01)
        assert await store.read(names) == ["Later"]

    with_store(tmp_path, story, busy_ms=20)


def test_a_full_disk_is_told_and_loses_nothing_that_was_handed_in(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        pages = await store.write(lambda db: (db.pragma("page_count"), db.pragma("max_page_count", 1)))
        with pytest.raises(StoreError, match="the disk is full"):
            while True:
                await store.write(lambda db: [teams.create(db, f"Team {number}", NOON) for number in range(20)])
        before = await store.read(names)
        for number in range(50):
            store.later(named(f"Later {number}"))
        with pytest.raises(StoreError, match="the disk is full"):
            await store.write(lambda db: [teams.create(db, "x" * 200, NOON) for _ in range(200)])
        await store.write(lambda db: db.pragma("max_page_count", 10_000))
        until = time.monotonic() + 20
        while (len(await store.read(names)) < len(before) + 50 or store.trouble) and time.monotonic() < until:
            await asyncio.sleep(0.01)
        assert len(await store.read(names)) == len(before) + 50
        assert pages[0] > 1 and store.trouble == ""

    with_store(tmp_path, story)


def test_a_file_that_was_moved_away_takes_nothing_more(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        await store.write(named("Acme"))
        (tmp_path / "team.db").rename(tmp_path / "old.db")
        with pytest.raises(StoreError, match="moved away"):
            await store.write(named("Lost"))
        (tmp_path / "old.db").rename(tmp_path / "team.db")
        await store.write(named("Other"))
        assert await store.read(names) == ["Acme", "Other"]

    with_store(tmp_path, story)


def test_a_closed_store_takes_nothing_more(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.later(named("Acme"))


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"

    async def story(store: Store) -> None:
        await store.write(lambda db: (teams.create(db, "Acme", NOON), db.owner))
        await store.backup(home / "backup.db")
        modes = {path.name: path.stat().st_mode & 0o777 for path in home.iterdir()}
        assert set(modes.values()) == {0o600}, modes
        assert {"team.db", "team.db-wal", "team.db-shm", "backup.db"} < set(modes)
        assert home.stat().st_mode & 0o777 == 0o700

    with_store(home, story)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    a_store(tmp_path).close()
    (tmp_path / "team.db").chmod(0o644)
    with pytest.raises(StoreError, match="others can read"):
        a_store(tmp_path)


def test_a_backup_is_a_store_of_its_own(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        await store.write(named("Acme"))
        await store.backup(tmp_path / "copy" / "team.db")
        await store.write(named("Later"))

    (tmp_path / "copy").mkdir()
    with_store(tmp_path, story)
    with_store(tmp_path / "copy", lambda store: counted(store, 1))


def test_a_backup_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(StoreError, match="can't be copied"):
            await store.backup(tmp_path / "nowhere" / "team.db")

    with_store(tmp_path, story)


def test_an_older_file_is_brought_forward_and_kept_beside(tmp_path: Path) -> None:
    file = tmp_path / "team.db"
    with_store(tmp_path, lambda store: wrote(store, "Acme"))
    connection = apsw.Connection(str(file))
    schema.prepare(connection, file, (*schema.STEPS, "ALTER TABLE team ADD COLUMN motto TEXT"))
    assert connection.execute("SELECT name, motto FROM team").fetchall() == [("Acme", None)]
    connection.close()
    kept = tmp_path / "team.v1.db"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert apsw.Connection(str(kept)).execute("SELECT name FROM team").get == "Acme"


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "team.db"
    with_store(tmp_path, lambda store: wrote(store, "Acme"))
    connection = apsw.Connection(str(file))
    steps = (*schema.STEPS, "ALTER TABLE team ADD COLUMN motto TEXT; SELECT no_such_function()")
    with pytest.raises(apsw.SQLError):
        schema.prepare(connection, file, steps)
    connection.close()
    with_store(tmp_path, lambda store: counted(store, 1))


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    a_store(tmp_path).close()
    connection = apsw.Connection(str(tmp_path / "team.db"))
    connection.pragma("user_version", len(schema.STEPS) + 1)
    connection.close()
    with pytest.raises(StoreError, match="newer version") as failure:
        a_store(tmp_path)
    assert failure.value.hint == "upgrade mini-llm"


def test_a_file_that_another_process_is_just_making_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "team.db"
    file.touch(mode=0o600)
    other = apsw.Connection(str(file))
    other.execute("BEGIN IMMEDIATE; CREATE TABLE half (made)")
    release = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
    release.start()
    a_store(tmp_path).close()
    release.join()
    other.close()


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "team.db"
    file.write_bytes(b"no database at all" * 100)
    file.chmod(0o600)
    with pytest.raises(StoreError, match="damaged"):
        a_store(tmp_path)


def with_store(
    folder: Path,
    story: Callable[[Store], Awaitable[None]],
    *,
    read_seconds: float = 60.0,
    busy_ms: int = 20_000,
) -> None:
    """Open a store, live through *story*, and close it."""

    async def lived() -> None:
        store = a_store(folder, read_seconds=read_seconds, busy_ms=busy_ms)
        try:
            await story(store)
        finally:
            await asyncio.to_thread(store.close)

    asyncio.run(lived())


async def wrote(store: Store, name: str) -> None:
    await store.write(named(name))


async def counted(store: Store, count: int) -> None:
    assert len(await store.read(names)) == count
