"""ledger: whatever happens in whatever order, the figures are those of a small model (invariants L1 to L12)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import apsw
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mini_llm.errors import LedgerError
from mini_llm.ledger import Entry
from mini_llm.ledger.entries import Batch, Held, Hold, Limit, Refused
from mini_llm.ledger.journal import Journal
from mini_llm.ledger.owners import Owner
from mini_llm.ledger.sqlite import SQLiteBook
from mini_llm.ledger.windows import window_at, zone_named
from mini_llm.types import Usage

NOON = 1_774_700_000.0  # the day before Berlin sets its clocks forward, 2026
ZONE = zone_named("Europe/Berlin")
WORDS = ("codex", "claude")
SCOPES = ("all", "tool:codex", "key:claude")
PERIODS = ("daily", "weekly", "total")
UNIT = 700_000_000  # nano-dollars: sums pass whole dollars


def amounts(most: int) -> st.SearchStrategy[int]:
    return st.integers(0, most).map(lambda units: units * UNIT)


class Row(NamedTuple):
    """A row of the model: what it cost, and the windows that were charged."""

    time: float
    tool: str
    caller: str
    cost: int
    charged: tuple[int, ...]

    def counts_for(self, scope: str) -> bool:
        return scope in ("all", f"tool:{self.tool}", f"key:{self.caller}")


class Span:
    """A budget's window in the model."""

    def __init__(self, limit: Limit, number: int, starts: float, ends: float, settled: int) -> None:
        self.limit, self.number, self.starts, self.ends = limit, number, starts, ends
        self.settled, self.reserved = settled, 0


class Promise(NamedTuple):
    """Money set aside, in the model."""

    owner: int
    nanos: int
    spans: tuple[int, ...]
    entry: Entry


class Books(RuleBasedStateMachine):
    """Two processes on one file, and a model beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.file = self.folder / "ledger.db"
        self.now = NOON
        self.books: list[SQLiteBook] = []
        self.owners: list[Owner] = []
        self.journals: list[Journal] = []
        self.noted: dict[str, tuple[int, Entry]] = {}  # sent without a budget, and by whom
        self.limits: dict[tuple[str, str], int] = {}
        self.spans: list[Span] = []
        self.rows: dict[tuple[str, int], Row] = {}
        self.open: dict[str, Promise] = {}
        self.expired: dict[str, Promise] = {}
        self.settled: list[Entry] = []
        self.numbers: dict[tuple[str, str], int] = {}
        self.count = 0

    @initialize(daily=amounts(60), tool=amounts(60))
    def begin(self, daily: int, tool: int) -> None:
        self.limits = {("all", "daily"): daily, ("tool:codex", "daily"): tool}
        for _ in range(2):
            self.books.append(SQLiteBook(self.file))
            self.owners.append(self.books[-1].claim())
            self.journals.append(Journal(self.file))

    @rule(which=st.integers(0, 1), nanos=amounts(30), least=amounts(30), tool=st.sampled_from(WORDS))
    def reserve(self, which: int, nanos: int, least: int, tool: str) -> None:
        entry = self.entry(tool)._replace(status="unknown", cost_nanos=nanos // 2, usage=Usage(10, 5, estimated=True))
        limits = [
            Limit(scope, period, most)  # type: ignore[arg-type]  # the periods are words of ours
            for (scope, period), most in sorted(self.limits.items())
            if self.row_of(entry).counts_for(scope)
        ]
        windows = tuple((limit, window_at(limit.period, self.now, ZONE)) for limit in limits)
        hold = Hold(entry, nanos, least, windows)
        outcome = self.books[which].write(Batch(holds=[hold]), self.owners[which].token)[0]
        spans = [self.span(limit) for limit in limits]
        left = min((self.left(self.spans[span]) for span in spans), default=nanos)
        granted = min(nanos, left)
        if granted < min(least, nanos) or granted < 0:
            assert isinstance(outcome, Refused)
            return
        assert isinstance(outcome, Held) and outcome.nanos == granted
        for span in spans:
            self.spans[span].reserved += granted
        self.open[outcome.id] = Promise(which, granted, tuple(spans), entry)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), which=st.integers(0, 1))
    def reserve_again(self, data: Any, which: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.open)))
        hold = Hold(self.open[name].entry, 5, 5, ())
        outcome = self.books[which].write(Batch(holds=[hold]), self.owners[which].token)[0]
        assert outcome == Held(name, self.open[name].nanos)

    @precondition(lambda self: self.open or self.expired)
    @rule(data=st.data(), which=st.integers(0, 1), share=st.integers(0, 3), told=st.booleans())
    def settle(self, data: Any, which: int, share: int, told: bool) -> None:
        name = data.draw(st.sampled_from(sorted({**self.open, **self.expired})))
        late = name not in self.open
        promise = (self.expired if late else self.open).pop(name)
        cost = promise.nanos * share // 2 if told else None
        entry = promise.entry._replace(
            time=self.now, status="ok", cost_nanos=cost, usage=Usage(20, 7), reservation=name
        )
        self.books[which].write(Batch([entry]))
        self.settled.append(entry)
        charge = promise.nanos if cost is None else cost
        if late:
            guessed = promise.entry.cost_nanos or 0
            charge = 0 if cost is None else cost - guessed
        self.charge(promise, 0 if late else promise.nanos, charge)
        written = charge if late else cost or 0
        self.rows[name, int(late)] = self.row_of(entry)._replace(cost=written, charged=promise.spans)

    @precondition(lambda self: self.settled)
    @rule(data=st.data(), which=st.integers(0, 1))
    def replay(self, data: Any, which: int) -> None:
        entry = data.draw(st.sampled_from(self.settled))
        self.books[which].write(Batch([entry, entry]))
        outcome = self.books[which].write(Batch(holds=[Hold(entry, 1, 1, ())]), self.owners[which].token)[0]
        assert isinstance(outcome, LedgerError)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), which=st.integers(0, 1))
    def void(self, data: Any, which: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.open)))
        promise = self.open.pop(name)
        self.books[which].write(Batch(void=[name, name]))
        self.charge(promise, promise.nanos, 0)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), which=st.integers(0, 1))
    def expire(self, data: Any, which: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.open)))
        self.books[which].write(Batch(expire=[name, name]))
        self.forget(name)

    @rule(which=st.integers(0, 1))
    def crash_and_restart(self, which: int) -> None:
        """The process dies with what it holds; who opens the ledger next settles it."""
        self.owners[which].drop()
        self.books[which].close()
        lost = [name for name, promise in self.open.items() if promise.owner == which]
        left = [entry for whose, entry in self.noted.values() if whose == which]
        self.journals[which].drop()
        other = 1 - which
        assert self.books[other].recover(self.owners[other].token) == len(lost) + len(left)
        for entry in left:
            del self.noted[entry.request_id]
            if (entry.request_id, 0) not in self.rows:
                self.spend(entry)
        for name in lost:
            self.forget(name)
        self.books[which] = SQLiteBook(self.file)
        self.owners[which] = self.books[which].claim()
        self.journals[which] = Journal(self.file)

    @rule(which=st.integers(0, 1), tool=st.sampled_from(WORDS))
    def send(self, which: int, tool: str) -> None:
        """An attempt that no budget binds goes out."""
        entry = self.entry(tool)._replace(status="unknown", usage=None, cost_nanos=None)
        self.journals[which].note(entry)
        self.noted[entry.request_id] = which, entry

    @precondition(lambda self: self.noted)
    @rule(data=st.data(), cost=amounts(9), written=st.booleans(), struck=st.booleans())
    def hear_its_end(self, data: Any, cost: int, written: bool, struck: bool) -> None:
        """It ends; the process may die before its row is written, or before the journal knows."""
        name = data.draw(st.sampled_from(sorted(self.noted)))
        which, entry = self.noted[name]
        if entry.status == "unknown":
            entry = entry._replace(status="ok", time=self.now, usage=Usage(1, 1), cost_nanos=cost)
            self.journals[which].note(entry)
            self.noted[name] = which, entry
        if written or struck:
            self.books[which].write(Batch([entry]))
            if (name, 0) not in self.rows:
                self.spend(entry)
        if struck:
            self.journals[which].strike([entry])
            del self.noted[name]

    @rule(which=st.integers(0, 1), cost=amounts(9), tool=st.sampled_from(WORDS))
    def spend_without_asking(self, which: int, cost: int, tool: str) -> None:
        entry = self.entry(tool)._replace(cost_nanos=cost, usage=Usage(1, 1))
        self.books[which].write(Batch([entry, entry]))
        self.settled.append(entry)
        self.spend(entry)

    def spend(self, entry: Entry) -> None:
        cost = entry.cost_nanos or 0
        row = self.row_of(entry)._replace(cost=cost)
        spans = [
            index
            for index, span in enumerate(self.spans)
            if cost and span.starts <= entry.time < span.ends and row.counts_for(span.limit.scope)
        ]
        for span in spans:
            self.spans[span].settled += cost
        self.rows[entry.request_id, 0] = row._replace(charged=tuple(spans))

    @rule(scope=st.sampled_from(SCOPES), period=st.sampled_from(PERIODS), most=st.none() | amounts(80))
    def edit_limit(self, scope: str, period: str, most: int | None) -> None:
        if most is None:
            self.limits.pop((scope, period), None)
        else:
            self.limits[scope, period] = most

    @rule(hours=st.sampled_from([-30, -5, 1, 7, 13, 24, 200]))
    def move_clock(self, hours: int) -> None:
        self.now += hours * 3600

    @invariant()
    def the_figures_are_the_models(self) -> None:
        if not self.books:
            return
        reader = apsw.Connection(str(self.file), flags=apsw.SQLITE_OPEN_READONLY)
        found = list(reader.execute("SELECT scope, period, number, settled, reserved FROM budget ORDER BY id"))
        written = reader.execute("SELECT count(*), ifnull(sum(cost_nanos), 0) FROM attempt").get
        held = reader.execute("SELECT count(*) FROM reservation WHERE state = 'open'").get
        reader.close()
        spans = [(s.limit.scope, s.limit.period, s.number, s.settled, s.reserved) for s in self.spans]
        assert found == spans
        assert written == (len(self.rows), sum(row.cost for row in self.rows.values()))
        assert held == len(self.open)

    @invariant()
    def windows_never_go_back(self) -> None:
        for span in self.spans:
            key = (span.limit.scope, span.limit.period)
            latest = max(other.number for other in self.spans if (other.limit.scope, other.limit.period) == key)
            assert latest >= self.numbers.get(key, 0)
            self.numbers[key] = latest

    def teardown(self) -> None:
        if self.books:
            findings = self.books[0].verify(lambda *_: 0)
            assert findings.problems == ()
        for book, owner in zip(self.books, self.owners, strict=True):
            book.close()
            owner.release()
        for journal in self.journals:
            journal.release()
        shutil.rmtree(self.folder)

    def entry(self, tool: str) -> Entry:
        self.count += 1
        name = f"ml-{self.count:06}"
        return Entry(self.now, name, 1, "r", "groq", "llama", "ok", tool=tool, caller=tool)

    def row_of(self, entry: Entry) -> Row:
        return Row(entry.time, entry.tool, entry.caller, 0, ())

    def charge(self, promise: Promise, held: int, cost: int) -> None:
        for index in promise.spans:
            span = self.spans[index]
            span.reserved -= held
            span.settled += cost

    def left(self, span: Span) -> int:
        return self.limits[span.limit.scope, span.limit.period] - span.settled - span.reserved

    def forget(self, name: str) -> None:
        promise = self.open.pop(name)
        guessed = promise.entry.cost_nanos or 0
        self.charge(promise, promise.nanos, guessed)
        self.rows[name, 0] = self.row_of(promise.entry)._replace(cost=guessed, charged=promise.spans)
        self.expired[name] = promise

    def span(self, limit: Limit) -> int:
        """Return the window a request of now belongs to; a later one that has begun stays."""
        window = window_at(limit.period, self.now, ZONE)
        same = [
            index
            for index, span in enumerate(self.spans)
            if (span.limit.scope, span.limit.period) == (limit.scope, limit.period)
        ]
        latest = max(same, key=lambda index: self.spans[index].number, default=None)
        if latest is not None and self.spans[latest].number >= window.id:
            return latest
        spent = sum(
            row.cost
            for row in self.rows.values()
            if row.time >= window.starts and row.counts_for(limit.scope) and latest not in row.charged
        )
        self.spans.append(Span(limit, window.id, window.starts, window.ends, max(0, spent)))
        return len(self.spans) - 1


TestBooks = Books.TestCase
TestBooks.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
