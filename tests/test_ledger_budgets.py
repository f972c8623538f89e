"""budgets: money is set aside before an attempt is sent, and the figures stay true whatever becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from mini_llm.config.settings import Budget
from mini_llm.errors import BudgetError, LedgerError, PriceUnknownError
from mini_llm.ledger import Book, Entry, Ledger, open_sqlite
from mini_llm.ledger.budgets import Budgets, limit_of
from mini_llm.ledger.entries import Held, Limit, Period
from mini_llm.ledger.windows import zone_named
from mini_llm.types import Usage
from tests.test_ledger import ENTRY, ledger_in, rows

DOLLAR = 10**9
EVENING = 1_774_731_600.0  # 2026-03-28 22:00 in Berlin, two hours before midnight
MIDNIGHT = EVENING + 2 * 3600
BERLIN = zone_named("Europe/Berlin")


def budgets_in(folder: Path, *limits: Limit, clock: Callable[[], float] = lambda: EVENING) -> tuple[Ledger, Budgets]:
    ledger = ledger_in(folder)
    return ledger, Budgets(ledger, limits, zone=BERLIN, clock=clock)


def daily(dollars: str, scope: str = "all", *, hard: bool = True, period: Period = "daily") -> Limit:
    return limit_of(Budget(scope, period, dollars, hard))


def attempt(name: str, *, time: float = EVENING, tool: str = "", caller: str = "") -> Entry:
    guess = Usage(input_tokens=10, output_tokens=5, estimated=True)
    return ENTRY._replace(
        request_id=name, time=time, status="unknown", tool=tool, caller=caller, usage=guess, cost_nanos=DOLLAR // 2
    )


def settled(entry: Entry, held: Held | None, cost: int | None) -> Entry:
    assert held is not None
    return entry._replace(status="ok", usage=Usage(20, 9), cost_nanos=cost, reservation=held.id)


def figures(folder: Path) -> list[tuple[object, ...]]:
    return rows(folder, "SELECT scope, period, settled, reserved FROM budget ORDER BY id")


def test_without_limits_nothing_is_asked_and_no_file_is_made(tmp_path: Path) -> None:
    ledger, budgets = budgets_in(tmp_path)
    assert asyncio.run(budgets.reserve(attempt("a"), 10**15, lasts=60)) is None
    ledger.close()
    assert list(tmp_path.iterdir()) == []


def test_what_was_set_aside_becomes_what_it_cost(tmp_path: Path) -> None:
    ledger, budgets = budgets_in(tmp_path, daily("5.00"))

    async def ask() -> None:
        held = await budgets.reserve(attempt("a"), 2 * DOLLAR, lasts=60)
        assert figures(tmp_path) == [("all", "daily", 0, 2 * DOLLAR)]  # on disk before anything is sent
        ledger.append(settled(attempt("a"), held, DOLLAR))

    asyncio.run(ask())
    ledger.close()
    assert figures(tmp_path) == [("all", "daily", DOLLAR, 0)]
    assert rows(tmp_path, "SELECT status, cost_nanos FROM attempt") == [("ok", DOLLAR)]


def test_a_request_over_the_budget_is_refused_with_the_facts(tmp_path: Path) -> None:
    ledger, budgets = budgets_in(tmp_path, daily("5.00"))

    async def ask() -> None:
        held = await budgets.reserve(attempt("a"), 3 * DOLLAR, lasts=60)
        ledger.append(settled(attempt("a"), held, 3 * DOLLAR))
        await budgets.reserve(attempt("b"), DOLLAR, lasts=60)
        await budgets.reserve(attempt("c"), DOLLAR + 1, lasts=60)

    with pytest.raises(BudgetError, match=r"\$5\.00 a day is spent: \$3\.00 and \$1\.00 held") as caught:
        asyncio.run(ask())
    error = caught.value
    assert (error.limit, error.spent, error.held) == (5 * DOLLAR, 3 * DOLLAR, DOLLAR)
    assert error.resets_at == MIDNIGHT
    assert "2026-03-29 00:00 CET" in error.message
    assert (error.status, error.exit_code) == (402, 6)
    ledger.close()


def test_all_budgets_of_a_request_are_taken_or_none(tmp_path: Path) -> None:
    ledger, budgets = budgets_in(tmp_path, daily("9"), daily("1", "key:ann"), daily("5", "tool:codex", period="total"))
    with pytest.raises(BudgetError, match="for the key ann"):
        asyncio.run(budgets.reserve(attempt("a", caller="ann", tool="codex"), 2 * DOLLAR, lasts=60))
    asyncio.run(budgets.reserve(attempt("b", caller="bob", tool="codex"), 2 * DOLLAR, lasts=60))
    assert figures(tmp_path) == [
        ("all", "daily", 0, 2 * DOLLAR),
        ("key:ann", "daily", 0, 0),
        ("tool:codex", "total", 0, 2 * DOLLAR),
    ]
    ledger.close()


def test_what_is_left_is_given_where_less_will_do(tmp_path: Path) -> None:
    ledger, budgets = budgets_in(tmp_path, daily("5"))

    async def ask(name: str, least: int) -> int:
        held = await budgets.reserve(attempt(name), 4 * DOLLAR, least=least, lasts=60)
        assert held is not None
        return held.nanos

    assert asyncio.run(ask("a", DOLLAR)) == 4 * DOLLAR
    assert asyncio.run(ask("b", DOLLAR)) == DOLLAR
    with pytest.raises(BudgetError):
        asyncio.run(ask("c", 1))
    ledger.close()


def test_a_limit_that_only_warns_warns_and_counts(tmp_path: Path) -> None:
    ledger, budgets = budgets_in(tmp_path, daily("1", hard=False))
    held = asyncio.run(budgets.reserve(attempt("a"), 2 * DOLLAR, lasts=60))
    assert held is not None and [warning.limit.nanos for warning in held.warnings] == [DOLLAR]
    assert figures(tmp_path) == [("all", "daily", 0, 2 * DOLLAR)]
    assert asyncio.run(budgets.reserve(attempt("b"), None, lasts=60)) is not None
    ledger.close()


def test_an_unknown_price_is_refused_where_a_hard_limit_binds(tmp_path: Path) -> None:
    ledger, budgets = budgets_in(tmp_path, daily("5", "tool:codex"))
    with pytest.raises(PriceUnknownError, match="groq/llama has no known price") as caught:
        asyncio.run(budgets.reserve(attempt("a", tool="codex"), None, lasts=60))
    assert (caught.value.status, caught.value.code) == (400, "price_unknown")
    assert asyncio.run(budgets.reserve(attempt("b", tool="claude"), None, lasts=60)) is None
    ledger.close()


def test_what_was_never_sent_is_given_back(tmp_path: Path) -> None:
    ledger, budgets = budgets_in(tmp_path, daily("5"))
    budgets.void(asyncio.run(budgets.reserve(attempt("a"), DOLLAR, lasts=60)))
    ledger.close()
    assert figures(tmp_path) == [("all", "daily", 0, 0)]
    assert rows(tmp_path, "SELECT * FROM attempt") == []


def test_who_stops_waiting_for_a_reservation_holds_nothing(tmp_path: Path) -> None:
    ledger, budgets = budgets_in(tmp_path, daily("5"))

    async def give_up() -> None:
        for number in range(20):
            waiting = asyncio.create_task(budgets.reserve(attempt(f"a{number}"), DOLLAR // 10, lasts=60))
            await asyncio.sleep(number / 10_000)
            waiting.cancel()
            await asyncio.wait([waiting])
            if not waiting.cancelled():  # it was quicker
                budgets.void(waiting.result())

    asyncio.run(give_up())
    asyncio.run(budgets.reserve(attempt("b"), 5 * DOLLAR, lasts=60))
    ledger.close()
    assert figures(tmp_path) == [("all", "daily", 0, 5 * DOLLAR)]


def test_a_cost_nobody_knows_is_charged_as_it_was_set_aside(tmp_path: Path) -> None:
    ledger, budgets = budgets_in(tmp_path, daily("5"))
    held = asyncio.run(budgets.reserve(attempt("a"), DOLLAR, lasts=60))
    ledger.append(settled(attempt("a"), held, None))
    ledger.close()
    assert figures(tmp_path) == [("all", "daily", DOLLAR, 0)]
    assert rows(tmp_path, "SELECT cost_nanos FROM attempt") == [(None,)]


def test_a_budget_set_at_noon_knows_what_was_spent_in_the_morning(tmp_path: Path) -> None:
    before = ledger_in(tmp_path)
    before.append(ENTRY._replace(time=EVENING - 3600, cost_nanos=3 * DOLLAR))
    before.append(ENTRY._replace(request_id="yesterday", time=EVENING - 23 * 3600, cost_nanos=DOLLAR))
    before.close()
    ledger, budgets = budgets_in(tmp_path, daily("5"))
    assert budgets.standings()[0].spent == 3 * DOLLAR
    with pytest.raises(BudgetError, match=r"\$3\.00"):
        asyncio.run(budgets.reserve(attempt("a"), 3 * DOLLAR, lasts=60))
    ledger.close()


def test_who_spends_without_asking_is_counted_all_the_same(tmp_path: Path) -> None:
    ledger, budgets = budgets_in(tmp_path, daily("5"), daily("5", "tool:codex"))
    budgets.void(asyncio.run(budgets.reserve(attempt("a"), 1, lasts=60)))
    ledger.append(ENTRY._replace(request_id="b", time=EVENING, cost_nanos=2 * DOLLAR))
    ledger.append(ENTRY._replace(request_id="b", time=EVENING, cost_nanos=2 * DOLLAR))
    ledger.close()
    assert budgets.standings()[0].spent == 2 * DOLLAR
    assert budgets.standings()[1].spent == 0


def test_a_request_belongs_to_the_day_it_was_reserved_in(tmp_path: Path) -> None:
    now = [EVENING]
    ledger, budgets = budgets_in(tmp_path, daily("5"), clock=lambda: now[0])

    async def ask() -> None:
        held = await budgets.reserve(attempt("late"), DOLLAR, lasts=7200)
        now[0] = MIDNIGHT + 60
        ledger.append(settled(attempt("late", time=now[0]), held, DOLLAR - 7))
        ledger.append(ENTRY._replace(request_id="unasked", time=now[0], cost_nanos=2 * DOLLAR))
        await budgets.reserve(attempt("early", time=now[0]), DOLLAR, lasts=60)

    asyncio.run(ask())
    ledger.close()
    assert figures(tmp_path) == [("all", "daily", DOLLAR - 7, 0), ("all", "daily", 2 * DOLLAR, DOLLAR)]


def test_a_clock_set_back_stays_in_the_later_window(tmp_path: Path) -> None:
    now = [MIDNIGHT + 60]
    ledger, budgets = budgets_in(tmp_path, daily("5"), clock=lambda: now[0])
    asyncio.run(budgets.reserve(attempt("a"), 4 * DOLLAR, lasts=60))
    now[0] = EVENING
    with pytest.raises(BudgetError, match="held for requests under way"):
        asyncio.run(budgets.reserve(attempt("b"), 2 * DOLLAR, lasts=60))
    ledger.close()
    assert len(figures(tmp_path)) == 1


def test_a_reservation_nobody_settles_is_charged_at_its_estimate_after_its_time(tmp_path: Path) -> None:
    ticks = [0.0]
    ledger = Ledger(lambda: open_sqlite(tmp_path / "ledger.db"), now=lambda: ticks[0])
    budgets = Budgets(ledger, [daily("5")], clock=lambda: EVENING)

    async def ask() -> None:
        held = await budgets.reserve(attempt("a"), 2 * DOLLAR, lasts=30)
        ticks[0] = 89.0
        await budgets.reserve(attempt("b"), 1, lasts=30)
        assert figures(tmp_path)[0][2:] == (0, 2 * DOLLAR + 1)
        ticks[0] = 91.0
        await budgets.reserve(attempt("c"), 1, lasts=30)
        assert figures(tmp_path)[0][2:] == (DOLLAR // 2, 2)
        assert [row.request_id for row in ledger.unsettled() if not row.open] == ["a"]
        ledger.append(settled(attempt("a"), held, DOLLAR))  # told late: a row of its own puts it right
        ledger.append(settled(attempt("a"), held, DOLLAR))

    asyncio.run(ask())
    ledger.close()
    found = rows(tmp_path, "SELECT status, correction, cost_nanos, input_tokens FROM attempt WHERE request_id = 'a'")
    assert found == [("unknown", 0, DOLLAR // 2, 10), ("ok", 1, DOLLAR // 2, 10)]
    assert figures(tmp_path)[0][2] == DOLLAR
    assert ledger.totals().cost_nanos == DOLLAR
    assert ledger.totals().requests == 1
    assert ledger.verify(lambda *_: DOLLAR).sound


def test_what_a_process_leaves_open_the_next_one_settles(tmp_path: Path) -> None:
    ledger, budgets = budgets_in(tmp_path, daily("5"))
    asyncio.run(budgets.reserve(attempt("a"), 4 * DOLLAR, lasts=60))
    ledger.close()  # without a word on how "a" ended
    later, budgets = budgets_in(tmp_path, daily("5"))
    asyncio.run(budgets.reserve(attempt("b"), 4 * DOLLAR, lasts=60))
    later.close()
    assert figures(tmp_path) == [("all", "daily", DOLLAR // 2, 4 * DOLLAR)]
    assert rows(tmp_path, "SELECT request_id, status, estimated FROM attempt") == [("a", "unknown", 1)]
    assert list(tmp_path.glob("*owner*")) == []


def test_a_budget_is_closed_while_the_database_is_stuck(tmp_path: Path) -> None:
    def open_never() -> Book:
        raise LedgerError("the disk is full")

    ledger = Ledger(open_never)
    budgets = Budgets(ledger, [daily("5")])
    with pytest.raises(LedgerError, match="the disk is full") as caught:
        asyncio.run(budgets.reserve(attempt("a"), 1, lasts=60))
    assert caught.value.status == 503
    with pytest.raises(LedgerError):
        ledger.close()


def test_strange_texts_of_a_caller_stop_no_budget(tmp_path: Path) -> None:
    ledger, budgets = budgets_in(tmp_path, daily("5"))
    strange = attempt("\udcff", tool="\ud800", caller="\udcff")
    held = asyncio.run(budgets.reserve(strange, DOLLAR, lasts=60))
    ledger.append(settled(strange, held, DOLLAR))
    ledger.append(ENTRY._replace(request_id="b\udcfe", tool="\ud800", time=EVENING, cost_nanos=DOLLAR))
    ledger.close()
    assert figures(tmp_path) == [("all", "daily", 2 * DOLLAR, 0)]


def test_two_hundred_at_once_get_what_ten_can_pay(tmp_path: Path) -> None:
    ledger, budgets = budgets_in(tmp_path, daily("10"))

    async def ask() -> list[Held | BaseException | None]:
        asked = (budgets.reserve(attempt(f"r{number}"), DOLLAR, lasts=60) for number in range(200))
        return await asyncio.gather(*asked, return_exceptions=True)

    outcomes = asyncio.run(ask())
    ledger.close()
    assert sum(isinstance(outcome, Held) for outcome in outcomes) == 10
    assert sum(isinstance(outcome, BudgetError) for outcome in outcomes) == 190
    assert figures(tmp_path) == [("all", "daily", 0, 10 * DOLLAR)]


def test_charges_can_neither_be_changed_nor_deleted(tmp_path: Path) -> None:
    ledger, budgets = budgets_in(tmp_path, daily("5"))
    held = asyncio.run(budgets.reserve(attempt("a"), DOLLAR, lasts=60))
    ledger.append(settled(attempt("a"), held, DOLLAR))
    ledger.close()
    connection = apsw.Connection(str(tmp_path / "ledger.db"))
    for statement in ("UPDATE charge SET nanos = 0", "DELETE FROM charge", "DELETE FROM entry", "DELETE FROM origin"):
        with pytest.raises(apsw.ConstraintError):
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(("told", "nanos"), [("5.00", 5 * DOLLAR), ("0.000000001", 1), ("999999999999", 4 * 10**18)])
def test_amounts_are_exact(told: str, nanos: int) -> None:
    assert limit_of(Budget("all", "daily", told)).nanos == nanos
