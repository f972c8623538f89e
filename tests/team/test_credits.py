"""credits: what a request may take, what it pays, and what comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mini_llm.errors import PriceUnknownError
from mini_llm.team import budgets, checking, credits, journal, keys, teams
from mini_llm.team.credits import Charge, Held, Refused, Settled
from mini_llm.team.errors import ConflictError, ForbiddenError, InvalidError, MissingError
from mini_llm.team.rights import Allowance, Rights
from mini_llm.team.store import Store
from mini_llm.team.teams import Terms
from tests.team.founding import DOLLAR, NOON, TOKENS, founded, newcomer, office, opened, operator

DAY = 86400.0
CENT = DOLLAR // 100


def charge(cost: int | None) -> Charge:
    return Charge("lab", "llama", cost, 10, 20, 5)


def test_a_request_holds_credits_and_pays_what_it_cost(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        held = ours.held(nanos=2 * DOLLAR)
        assert journal.balance(ours.db, ours.team.id) == (5 * DOLLAR, 2 * DOLLAR)
        assert credits.settle(ours.db, held, charge(50 * CENT)) == Settled(50 * CENT, 0, 450 * CENT)
        assert journal.balance(ours.db, ours.team.id) == (450 * CENT, 0)


def test_the_discount_is_taken_off_and_told(tmp_path: Path) -> None:
    with office(tmp_path, discount_percent=10) as ours:
        held = ours.held(nanos=DOLLAR)
        assert (held.nanos, held.covers) == (90 * CENT, DOLLAR)
        assert credits.settle(ours.db, held, charge(50 * CENT)) == Settled(45 * CENT, 5 * CENT, 455 * CENT)


def test_a_request_keeps_the_discount_it_began_with(tmp_path: Path) -> None:
    with office(tmp_path, discount_percent=10) as ours:
        held = ours.held(nanos=DOLLAR)
        teams.set_terms(ours.db, ours.owner, Terms(discount_percent=50))
        assert credits.settle(ours.db, held, charge(DOLLAR)).paid == 90 * CENT


@pytest.mark.parametrize(("cost", "paid"), [(1, 1), (9, 9), (11, 10), (19, 18), (0, 0)])
def test_amounts_are_rounded_up_once(cost: int, paid: int, tmp_path: Path) -> None:
    with office(tmp_path, discount_percent=10) as ours:
        settled = credits.settle(ours.db, ours.held(), charge(cost))
        assert (settled.paid, settled.saved) == (paid, cost - paid)


def test_a_team_that_pays_nothing_needs_no_credits(tmp_path: Path) -> None:
    with office(tmp_path, grant=0, discount_percent=100) as ours:
        held = ours.held(nanos=DOLLAR)
        assert held.covers == DOLLAR
        assert credits.settle(ours.db, held, charge(DOLLAR)) == Settled(0, DOLLAR, 0)


def test_too_little_left_refuses_and_says_how_much_there_is(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        ours.held("first", 3 * DOLLAR)
        assert ours.refused("second", 3 * DOLLAR) == Refused("credits", 2 * DOLLAR)
        assert ours.held("third", 2 * DOLLAR).nanos == 2 * DOLLAR


def test_less_is_taken_where_that_is_enough(tmp_path: Path) -> None:
    with office(tmp_path, discount_percent=50) as ours:
        ask = ours.ask(nanos=20 * DOLLAR)._replace(least=8 * DOLLAR)
        held = credits.reserve(ours.db, ask, NOON)
        assert isinstance(held, Held) and (held.nanos, held.covers) == (5 * DOLLAR, 10 * DOLLAR)
        again = credits.reserve(ours.db, ask._replace(request="r2"), NOON)
        assert again == Refused("credits", 0)


def test_nothing_is_free_because_nobody_knows_its_price(tmp_path: Path) -> None:
    with office(tmp_path) as ours, pytest.raises(PriceUnknownError):
        credits.reserve(ours.db, ours.ask(nanos=None), NOON)


def test_an_unknown_cost_is_charged_as_much_as_was_set_aside(tmp_path: Path) -> None:
    with office(tmp_path, discount_percent=10) as ours:
        assert credits.settle(ours.db, ours.held(nanos=DOLLAR), charge(None)).paid == 90 * CENT


def test_more_than_was_set_aside_is_paid_too_and_no_new_request_passes(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        held = ours.held(nanos=5 * DOLLAR)
        assert credits.settle(ours.db, held, charge(6 * DOLLAR)).balance == -DOLLAR
        assert ours.refused("next", 1) == Refused("credits", -DOLLAR)


def test_what_was_given_back_may_be_taken_again(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        held = ours.held(nanos=5 * DOLLAR)
        credits.void(ours.db, held)
        credits.void(ours.db, held)
        assert ours.held("next", 5 * DOLLAR).nanos == 5 * DOLLAR


def test_what_was_given_back_and_used_all_the_same_is_charged(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        budgets.set(ours.db, ours.owner, ours.owner.id, Allowance(DOLLAR), NOON)
        held = ours.held(nanos=DOLLAR)
        credits.void(ours.db, held)
        assert credits.settle(ours.db, held, charge(DOLLAR)).balance == 4 * DOLLAR
        assert ours.refused("next", 1).reason == "budget"


def test_a_request_that_ended_is_not_begun_again(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        credits.settle(ours.db, ours.held(), charge(1))
        with pytest.raises(ConflictError):
            ours.held()
        ours.held("lost")
        credits.sweep(ours.db, NOON + DAY / 2)
        with pytest.raises(ConflictError):
            ours.held("lost")


def test_two_attempts_of_a_request_are_two_charges_and_one_request(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        first = ours.held()
        second = credits.reserve(ours.db, ours.ask()._replace(attempt=2), NOON)
        assert isinstance(second, Held)
        for held in (first, second):
            credits.settle(ours.db, held, charge(DOLLAR))
        counted = ours.db.row("SELECT sum(requests), sum(paid) FROM daily")
        assert counted == (1, 2 * DOLLAR)


def test_nobody_reserves_for_a_team_that_is_not_there(tmp_path: Path) -> None:
    with office(tmp_path) as ours, pytest.raises(MissingError):
        credits.reserve(ours.db, ours.ask()._replace(team="team_1"), NOON)


def test_an_overdue_request_is_charged_its_estimate_and_put_right_when_it_is_told(tmp_path: Path) -> None:
    with office(tmp_path, discount_percent=10) as ours:
        ask = ours.ask(nanos=2 * DOLLAR)._replace(estimate=DOLLAR)
        held = credits.reserve(ours.db, ask, NOON)
        assert isinstance(held, Held)
        assert credits.sweep(ours.db, NOON + 119) == 0
        assert credits.sweep(ours.db, NOON + 120) == 1
        assert journal.balance(ours.db, ours.team.id) == (410 * CENT, 0)
        assert checking.problems(ours.db) == []
        assert credits.settle(ours.db, held, charge(20 * CENT)) == Settled(18 * CENT, 2 * CENT, 482 * CENT)
        assert credits.settle(ours.db, held, charge(20 * CENT)).balance == 482 * CENT
        credits.void(ours.db, held)
        rows = ours.db.rows("SELECT correction, status, paid, input_tokens FROM charge ORDER BY id")
        assert rows == [(0, "unknown", 90 * CENT, 0), (1, "ok", -72 * CENT, 10)]


def test_every_budget_is_taken_or_none(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        budgets.set(ours.db, ours.owner, ours.team.id, Allowance(4 * DOLLAR, "monthly"), NOON)
        budgets.set(ours.db, ours.owner, ours.owner.id, Allowance(3 * DOLLAR, "weekly"), NOON)
        rights = Rights(budget=Allowance(2 * DOLLAR, "total"))
        keys.edit(ours.db, operator(ours), ours.key.id, NOON, rights=rights)
        ours.held("first", 2 * DOLLAR)
        refused = ours.refused("second", 1)
        assert refused.reason == "budget" and refused.standing is not None
        assert (refused.standing.scope, refused.standing.left) == (ours.key.id, 0)
        left = {each.scope: each.left for each in budgets.standings(ours.db, ours.team.id, NOON)}
        assert left == {ours.team.id: 2 * DOLLAR, ours.owner.id: DOLLAR, ours.key.id: 0}
        tightest = budgets.tightest(ours.db, ours.team.id, ours.owner.id, ours.key.id, NOON)
        assert tightest is not None and tightest.scope == ours.key.id


def test_a_budget_counts_what_was_spent_and_held_before_it_was_set(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        credits.settle(ours.db, ours.held("first", DOLLAR), charge(DOLLAR))
        second = ours.held("second", DOLLAR)
        budgets.set(ours.db, ours.owner, ours.team.id, Allowance(3 * DOLLAR, "daily"), NOON)
        standing = budgets.standing(ours.db, ours.team.id, ours.team.id, NOON)
        assert standing is not None and (standing.spent, standing.held, standing.left) == (DOLLAR, DOLLAR, DOLLAR)
        credits.settle(ours.db, second, charge(DOLLAR // 2))
        assert ours.refused("third", 2 * DOLLAR).reason == "budget"


def test_a_request_belongs_to_the_day_on_which_it_was_reserved(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        budgets.set(ours.db, ours.owner, ours.team.id, Allowance(2 * DOLLAR, "daily"), NOON)
        evening = NOON + DAY / 2 - 1
        held = ours.held("late", 2 * DOLLAR, now=evening)
        assert ours.refused("more", 1, now=evening).standing is not None
        morning = ours.held("early", 2 * DOLLAR, now=evening + 2)
        credits.settle(ours.db, held, charge(2 * DOLLAR))
        credits.settle(ours.db, morning, charge(DOLLAR))
        standing = budgets.standing(ours.db, ours.team.id, ours.team.id, evening + 3)
        assert standing is not None and standing.spent == DOLLAR
        assert [row[0] for row in ours.db.rows("SELECT day FROM daily ORDER BY day")] == ["2026-11-22", "2026-11-23"]


def test_a_budget_that_starts_anew_says_when(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        for period, ends in (("daily", 0.5), ("weekly", 0.5), ("monthly", 8.5), ("total", None)):
            budgets.set(ours.db, ours.owner, ours.team.id, Allowance(DOLLAR, period), NOON)  # type: ignore[arg-type]
            standing = budgets.standing(ours.db, ours.team.id, ours.team.id, NOON)
            assert standing is not None
            assert standing.resets_at == (None if ends is None else NOON + ends * DAY)  # a Sunday's noon


def test_a_budget_that_is_taken_away_binds_no_more(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        budgets.set(ours.db, ours.owner, ours.team.id, Allowance(0), NOON)
        assert ours.refused().reason == "budget"
        budgets.set(ours.db, ours.owner, ours.team.id, None, NOON)
        held = ours.held()
        budgets.set(ours.db, ours.owner, ours.team.id, Allowance(0), NOON)
        credits.settle(ours.db, held, charge(DOLLAR))
        standing = budgets.standing(ours.db, ours.team.id, ours.team.id, NOON)
        assert standing is not None and standing.left == -DOLLAR


def test_members_set_no_budgets_and_none_is_nonsense(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        member = newcomer(ours.db, ours.team.id, "member", "member@acme.example")
        for scope in (ours.team.id, member.id):
            with pytest.raises(ForbiddenError):
                budgets.set(ours.db, member, scope, Allowance(DOLLAR), NOON)
        with pytest.raises(InvalidError):
            budgets.set(ours.db, ours.owner, member.id, Allowance(-1), NOON)


def test_a_payment_is_booked_once(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        by = operator(ours)
        assert journal.top_up(ours.db, by, 20 * DOLLAR, "evt_1", NOON)
        assert not journal.top_up(ours.db, by, 20 * DOLLAR, "evt_1", NOON)
        with pytest.raises(ConflictError):
            journal.top_up(ours.db, by, 21 * DOLLAR, "evt_1", NOON)
        with pytest.raises(ConflictError):
            journal.top_up(ours.db, operator(founded(ours.db, "Other")), 20 * DOLLAR, "evt_1", NOON)
        assert journal.balance(ours.db, ours.team.id).nanos == 25 * DOLLAR


def test_no_member_adds_credits_not_even_an_owner(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        for add in (journal.top_up, journal.refund):
            with pytest.raises(ForbiddenError):
                add(ours.db, ours.owner, DOLLAR, "evt_1", NOON)  # type: ignore[arg-type]
        assert ours.available() == 5 * DOLLAR


@pytest.mark.parametrize(("nanos", "reference"), [(0, "e"), (-1, "e"), (10**18, "e"), (1, ""), (1, "e" * 201)])
def test_credits_that_make_no_sense_are_refused(nanos: int, reference: str, tmp_path: Path) -> None:
    with office(tmp_path) as ours, pytest.raises(InvalidError):
        journal.top_up(ours.db, operator(ours), nanos, reference, NOON)


def test_a_refund_comes_back_to_the_wallet_and_stands_in_the_journal(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        credits.settle(ours.db, ours.held(), charge(DOLLAR))
        assert journal.refund(ours.db, operator(ours), DOLLAR, "r1", NOON, note="it was our fault")
        assert not journal.refund(ours.db, operator(ours), DOLLAR, "r1", NOON)
        told = [(row.source, row.target, row.nanos) for row in journal.transfers(ours.db, ours.team.id)]
        assert told == [
            ("refund", "wallet", DOLLAR),
            ("wallet", "revenue", DOLLAR),
            ("grant", "wallet", 5 * DOLLAR),
        ]
        assert len(journal.transfers(ours.db, ours.team.id, charges=False)) == 2


def test_a_caller_who_goes_away_holds_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        store = Store(tmp_path / "team.db", TOKENS, durability="process", now=lambda: NOON)
        ours = await store.write(lambda db: founded(db, "Acme"))
        waiting = asyncio.ensure_future(credits.hold(store, ours.ask()))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.to_thread(store.close)
        db = opened(tmp_path / "team.db")
        assert journal.balance(db, ours.team.id) == (5 * DOLLAR, 0)
        assert checking.problems(db) == []
        db.close()

    asyncio.run(story())


def test_a_late_word_counts_in_a_budget_that_was_set_meanwhile(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        held = ours.held(nanos=DOLLAR)
        credits.sweep(ours.db, NOON + 120)
        budgets.set(ours.db, ours.owner, ours.team.id, Allowance(DOLLAR, "daily"), NOON + 130)
        credits.settle(ours.db, held, charge(DOLLAR // 4))
        standing = budgets.standing(ours.db, ours.team.id, ours.team.id, NOON + 140)
        assert standing is not None and (standing.spent, standing.held) == (DOLLAR // 4, 0)
