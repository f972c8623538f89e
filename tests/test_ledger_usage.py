"""ledger: what was used, by whatever people ask; every sum is the sum of its rows, and `verify` would know."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mini_llm.config.settings import Budget
from mini_llm.ledger import Entry, Ledger, open_sqlite
from mini_llm.ledger.budgets import Budgets, limit_of
from mini_llm.ledger.entries import Batch, Grouping
from mini_llm.ledger.sqlite import SQLiteBook
from mini_llm.ledger.windows import FOREVER, day_of, zone_named
from mini_llm.types import Usage
from tests.test_ledger import ENTRY, ledger_in

BERLIN = zone_named("Europe/Berlin")
DAY = 86_400
NOON = 1_774_700_000.0  # 2026-03-28 in Berlin
NAMES = {"payer": "paid_by"}


def filled(folder: Path, entries: list[Entry]) -> Ledger:
    ledger = ledger_in(folder)
    for entry in entries:
        ledger.append(entry)
    ledger.close()
    return ledger


def several() -> list[Entry]:
    return [
        ENTRY._replace(request_id="a", time=NOON, tool="codex", caller="ann"),
        ENTRY._replace(request_id="b", time=NOON, status="failed", usage=None, cost_nanos=0, tool="codex"),
        ENTRY._replace(request_id="b", attempt=2, time=NOON + DAY, model="gpt", provider="openai", tool="codex"),
        ENTRY._replace(request_id="c", time=NOON + 5 * DAY, paid_by="wallet", cost_nanos=None),
        ENTRY._replace(request_id="d", time=NOON + 5 * DAY, usage=Usage(100, 10, estimated=True), tool="claude"),
    ]


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("day", ["2026-03-28", "2026-03-29", "2026-04-02"]),
        ("week", ["2026-03-23", "2026-03-30"]),
        ("month", ["2026-03", "2026-04"]),
        ("provider", ["groq", "openai"]),
        ("model", ["gpt", "llama"]),
        ("tool", ["", "claude", "codex"]),
        ("key", ["", "ann"]),
        ("payer", ["own", "wallet"]),
        ("status", ["failed", "ok"]),
        ("credential", [""]),
    ],
)
def test_usage_is_told_by(tmp_path: Path, by: Grouping, names: list[str]) -> None:
    found = filled(tmp_path, several()).usage(by, zone=BERLIN)
    assert [row.name for row in found] == names
    assert sum(row.attempts for row in found) == 5
    assert sum(row.requests for row in found) == 4
    assert sum(row.cost_nanos for row in found) == 4_500
    assert sum(row.unpriced for row in found) == 1
    assert sum(row.estimated for row in found) == 1


def test_usage_can_be_narrowed(tmp_path: Path) -> None:
    ledger = filled(tmp_path, several())
    assert [row.attempts for row in ledger.usage("provider", only={"tool": "codex"})] == [2, 1]
    assert [row.attempts for row in ledger.usage("day", only={"payer": "wallet"}, zone=BERLIN)] == [1]
    assert ledger.usage("model", only={"tool": "vim"}) == []
    assert [row.name for row in ledger.usage("day", since=NOON + 1, until=NOON + 2 * DAY, zone=BERLIN)] == [
        "2026-03-29"
    ]
    assert ledger.totals(NOON + 1, NOON + DAY).attempts == 0
    assert ledger.totals(NOON, NOON + DAY + 1).attempts == 3


entries_drawn = st.lists(
    st.builds(
        lambda quarter, second, cost, tokens, tool, model: ENTRY._replace(
            time=NOON + quarter * 900 + second, cost_nanos=cost, tool=tool, model=model, usage=Usage(tokens, 1)
        ),
        st.integers(0, 300),
        st.sampled_from([0.0, 0.25, 449.5, 899.75]),
        st.none() | st.integers(0, 10**18),
        st.integers(0, 10**13),
        st.sampled_from(["", "codex"]),
        st.sampled_from(["llama", "gpt"]),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(entries_drawn, st.integers(0, 40), st.integers(-10, 310), st.integers(0, 200), st.sampled_from(["day", "tool"]))
def test_sums_are_those_of_the_rows_wherever_they_were_rolled_up(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Entry], rolled: int, start: int, length: int, by: Any
) -> None:
    numbered = [entry._replace(request_id=f"ml-{number}") for number, entry in enumerate(entries)]
    since = NOON + start * 450.0
    until = since + length * 450.0
    folder = tmp_path_factory.mktemp("sums")
    book = SQLiteBook(folder / "ledger.db")
    book.write(Batch(numbered[:rolled]))
    book.roll_up()
    book.write(Batch(numbered[rolled:]))
    found = book.usage(by, since, until, {"model": "gpt"}, lambda instant: day_of(instant, BERLIN).toordinal())
    book.close()
    wanted: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for entry in numbered:
        if since <= entry.time < until and entry.model == "gpt":
            name = entry.tool if by == "tool" else day_of(entry.time, BERLIN).isoformat()
            tokens = min(entry.usage.input_tokens if entry.usage else 0, 10**12)
            counts = (1, tokens, entry.cost_nanos or 0, entry.cost_nanos is None)
            wanted[name] = [total + count for total, count in zip(wanted[name], counts, strict=True)]
    assert {row.name: [row.attempts, row.input_tokens, row.cost_nanos, row.unpriced] for row in found} == wanted


def test_what_is_under_way_and_what_nobody_told_is_unsettled(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    budgets = Budgets(ledger, [limit_of(Budget("all", "daily", "5"))])
    asyncio.run(budgets.reserve(ENTRY._replace(request_id="under way"), 7, lasts=60))
    assert {(row.request_id, row.open, row.nanos) for row in ledger.unsettled()} == {("under way", True, 7)}
    ledger.append(ENTRY._replace(request_id="lost", status="unknown", cost_nanos=9))
    ledger.close()
    assert {(row.request_id, row.open, row.nanos) for row in ledger.unsettled()} == {
        ("lost", False, 9),
        ("under way", True, 7),
    }


def cost_of(provider: str, model: str, snapshot: str, usage: Usage) -> int | None:
    if snapshot != "2026-11-20":
        raise LookupError(snapshot)
    return None if model == "new" else usage.input_tokens * 100 + usage.output_tokens * 100


def test_verify_computes_every_row_anew(tmp_path: Path) -> None:
    dated = ENTRY._replace(price_snapshot="2026-11-20")
    ledger = filled(
        tmp_path,
        [
            dated,
            dated._replace(request_id="b", model="new", cost_nanos=None),
            dated._replace(request_id="c", usage=None, cost_nanos=0, status="failed"),
            dated._replace(request_id="d", usage=None, cost_nanos=None, status="cancelled"),
            dated._replace(request_id="e", paid_by="local", cost_nanos=0),
            dated._replace(request_id="f", usage=Usage(1, 1, cost_nanos=77), cost_nanos=77),
            ENTRY._replace(request_id="of another snapshot"),
        ],
    )
    findings = ledger.verify(cost_of)
    assert (findings.rows, findings.recomputed, findings.sound) == (7, 6, True)


def test_verify_tells_each_row_that_was_priced_wrong(tmp_path: Path) -> None:
    dated = ENTRY._replace(price_snapshot="2026-11-20")
    wrong = [
        dated._replace(request_id="a", cost_nanos=1_499),
        dated._replace(request_id="b", cost_nanos=None),
        dated._replace(request_id="c", paid_by="local", cost_nanos=3),
        dated._replace(request_id="d", usage=Usage(1, 1, cost_nanos=77), cost_nanos=78),
    ]
    findings = filled(tmp_path, [dated, *wrong]).verify(cost_of)
    assert [(found.request_id, found.written, found.computed) for found in findings.differences] == [
        ("a", 1_499, 1_500),
        ("b", None, 1_500),
        ("c", 3, 0),
        ("d", 78, 77),
    ]
    assert not findings.sound


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("UPDATE rollup SET nanos = nanos + 1", "sums of a quarter of an hour"),
        ("INSERT INTO rollup VALUES (9, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)", "sums of a quarter of an hour"),
        ("UPDATE budget SET settled = settled + 1", "its charges come to"),
        ("UPDATE budget SET reserved = reserved + 1", "its reservations come to"),
    ],
)
def test_verify_tells_each_sum_that_does_not_agree(tmp_path: Path, harm: str, told: str) -> None:
    ledger = ledger_in(tmp_path)
    budgets = Budgets(ledger, [limit_of(Budget("all", "daily", "5"))])
    held = asyncio.run(budgets.reserve(ENTRY, 7, lasts=60))
    assert held is not None
    ledger.append(ENTRY._replace(reservation=held.id))
    ledger.close()
    book = SQLiteBook(tmp_path / "ledger.db")
    book.roll_up()
    book.close()
    assert ledger.verify(lambda *_: 1_500).sound
    connection = apsw.Connection(str(tmp_path / "ledger.db"))
    connection.execute(harm)
    connection.close()
    assert told in "".join(ledger.verify(lambda *_: 1_500).problems)


def test_a_reader_sees_the_same_while_a_writer_goes_on(tmp_path: Path) -> None:
    writer = SQLiteBook(tmp_path / "ledger.db")
    for number in range(50):
        writer.write(Batch([ENTRY._replace(request_id=f"ml-{number}", time=NOON)]))
        reader = open_sqlite(tmp_path / "ledger.db", reading=True)
        assert reader.totals(0.0, FOREVER).attempts == number + 1
        reader.close()
    writer.close()


def test_a_sum_is_of_one_moment_though_rows_are_rolled_up_meanwhile(tmp_path: Path) -> None:
    writer = SQLiteBook(tmp_path / "ledger.db")
    writer.write(Batch([ENTRY._replace(request_id=f"ml-{number}", time=NOON) for number in range(10)]))
    writer.roll_up()
    writer.write(Batch([ENTRY._replace(request_id=f"new-{number}", time=NOON) for number in range(5)]))
    reader = SQLiteBook(tmp_path / "ledger.db", reading=True)
    rolled: list[float] = []

    def day(instant: float) -> int:
        if not rolled:
            rolled.append(instant)
            writer.write(Batch([ENTRY._replace(request_id="later", time=NOON + DAY)]))
            writer.roll_up()
        return day_of(instant, BERLIN).toordinal()

    assert [row.attempts for row in reader.usage("day", 0.0, FOREVER, {}, day)] == [15]
    assert [row.attempts for row in reader.usage("day", 0.0, FOREVER, {}, day)] == [15, 1]
    reader.close()
    writer.close()
