"""rights: whatever is minted or edited, a key is never allowed more than its owner and its maker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mini_llm.ledger.entries import Period
from mini_llm.ledger.windows import window_at
from mini_llm.team import budgets, keys, people
from mini_llm.team.errors import RightsError
from mini_llm.team.people import Member
from mini_llm.team.rights import SCOPES, TOUCHING, Allowance, Rights, allows, excess, narrowed, within
from mini_llm.team.store import Db
from tests.team.founding import NOON, newcomer, office

NAMES = st.sampled_from(["*", "openai/*", "openai/gpt*", "openai/gpt-5", "openai/gpt-5-mini", "lab/llama", "lab/*"])
MODELS = st.none() | st.lists(NAMES, max_size=3, unique=True).map(tuple)
PERIODS = st.sampled_from(["daily", "weekly", "monthly", "total"])
BUDGETS = st.none() | st.builds(Allowance, st.integers(0, 70), PERIODS)
RIGHTS = st.builds(
    Rights,
    MODELS,
    BUDGETS,
    st.none() | st.integers(1, 4).map(lambda days: NOON + days * 86400.0),
    st.sets(st.sampled_from(sorted(SCOPES))).map(frozenset),
)
Limits = tuple[tuple[str, ...] | None, Allowance | None]
REAL = ("openai/gpt-5", "openai/gpt-5-mini", "openai/o3", "lab/llama", "other/model")


@given(RIGHTS, RIGHTS)
def test_what_is_narrowed_goes_beyond_neither_the_ceiling_nor_the_wish(wanted: Rights, ceiling: Rights) -> None:
    found = narrowed(wanted, ceiling)
    assert within(found, ceiling) and within(found, wanted)
    for model in REAL:
        assert allows(found, model) == (allows(wanted, model) and allows(ceiling, model))


@given(RIGHTS, RIGHTS)
def test_a_child_within_its_parent_may_use_no_other_model(child: Rights, parent: Rights) -> None:
    if "models" not in excess(child, parent):
        assert [model for model in REAL if allows(child, model) and not allows(parent, model)] == []


@given(RIGHTS, RIGHTS, RIGHTS)
def test_within_is_an_order(one: Rights, two: Rights, three: Rights) -> None:
    assert within(one, one)
    if within(one, two) and within(two, three):
        assert within(one, three)


@given(
    st.builds(Allowance, st.integers(1, 9), PERIODS),
    st.builds(Allowance, st.integers(1, 300), PERIODS),
    st.integers(0, 400),
)
def test_no_spending_that_a_childs_budget_allows_passes_its_parents(
    child: Allowance, parent: Allowance, start: int
) -> None:
    if not within(Rights(budget=child), Rights(budget=parent)):
        return
    spent: dict[tuple[str, int], int] = {}
    day = datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(days=start)
    for offset in range(70):  # as early as it may: a window's whole budget on one day
        instant = (day + timedelta(days=offset)).timestamp()
        own, whole = (
            ("child", window_at(child.period, instant, UTC).id),
            ("parent", window_at(parent.period, instant, UTC).id),
        )
        left = child.nanos - spent.get(own, 0)
        late = offset % 7 == 6 or offset % 31 == 30  # and as late as it may, at other times
        amount = left if start % 2 == 0 or late else 0
        spent[own] = spent.get(own, 0) + amount
        spent[whole] = spent.get(whole, 0) + amount
    assert max(nanos for (kind, _), nanos in spent.items() if kind == "parent") <= parent.nanos


@pytest.mark.parametrize("child", ["daily", "weekly", "monthly"])
@pytest.mark.parametrize("parent", ["daily", "weekly", "monthly"])
def test_as_many_windows_touch_one_of_another_kind_as_the_calendar_has(child: Period, parent: Period) -> None:
    touching: dict[int, set[int]] = {}
    for day in range(28 * 366):  # after so many years the calendar begins anew
        instant = NOON + day * 86400.0
        touching.setdefault(window_at(parent, instant, UTC).id, set()).add(window_at(child, instant, UTC).id)
    assert max(map(len, touching.values())) == TOUCHING.get((child, parent), 1)


@pytest.mark.parametrize(
    ("child", "parent", "part"),
    [
        (Rights(), Rights(models=("lab/*",)), "models"),
        (Rights(models=("lab*",)), Rights(models=("lab/*",)), "models"),
        (Rights(), Rights(budget=Allowance(5)), "budget"),
        (Rights(budget=Allowance(6)), Rights(budget=Allowance(5)), "budget"),
        (Rights(budget=Allowance(1, "daily")), Rights(budget=Allowance(30, "monthly")), "budget"),
        (Rights(budget=Allowance(1, "monthly")), Rights(budget=Allowance(5, "total")), "budget"),
        (Rights(), Rights(expires_at=NOON), "expiry"),
        (Rights(expires_at=NOON + 1), Rights(expires_at=NOON), "expiry"),
        (Rights(), Rights(scopes=frozenset({"usage"})), "scopes"),
    ],
)
def test_each_part_that_goes_beyond_is_named(child: Rights, parent: Rights, part: str) -> None:
    assert excess(child, parent) == (part,)


def test_a_minted_or_edited_key_is_never_allowed_more_than_its_owner_or_its_maker(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        owner = newcomer(ours.db, ours.team.id, "member", "o@acme.example")
        admin = newcomer(ours.db, ours.team.id, "admin", "m@acme.example")

        @settings(max_examples=60)
        @given(st.tuples(MODELS, BUDGETS), st.tuples(MODELS, BUDGETS), st.booleans(), RIGHTS, RIGHTS)
        def holds(owners: Limits, admins: Limits, by_owner: bool, minted: Rights, edited: Rights) -> None:
            _limit(ours.db, owner, *owners)
            _limit(ours.db, admin, *admins)
            _mint_and_edit(ours.db, owner.id, owner.id if by_owner else admin.id, minted, edited)

        holds()


def test_a_key_loses_what_its_member_loses(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        people.set_models(ours.db, ours.owner, ours.owner.id, ("lab/*",))
        found = keys.find(ours.db, ours.token, NOON)
        assert found is not None and found.rights.models == ("lab/*",)


def _mint_and_edit(db: Db, owner_id: str, by_id: str, minted: Rights, edited: Rights) -> None:
    """Make a key and change it, as far as that is allowed; its rights stay within both people's."""
    owner, by = _member(db, owner_id), _member(db, by_id)

    def sound(rights: Rights) -> bool:
        return within(rights, owner.ceiling) and within(rights, by.ceiling)

    try:
        key, token = keys.mint(db, owner, "key", minted, by, NOON)
        assert sound(minted)
    except RightsError:
        assert not sound(minted)
        fitting = narrowed(narrowed(minted, owner.ceiling), by.ceiling)
        key, token = keys.mint(db, owner, "key", fitting, by, NOON)
    try:
        keys.edit(db, by, key.id, NOON, rights=edited)
        assert sound(edited)
    except RightsError:
        assert not sound(edited)
        assert keys.get(db, by, key.id).rights == key.rights
    assert sound(keys.get(db, by, key.id).rights)
    found = keys.find(db, token, NOON)
    assert found is None or within(found.rights, owner.ceiling)


def _limit(db: Db, member: Member, models: tuple[str, ...] | None, budget: Allowance | None) -> None:
    by = people.Operator(member.team)
    people.set_models(db, by, member.id, models)
    budgets.set(db, by, member.id, budget, NOON)


def _member(db: Db, id: str) -> Member:
    team = db.row("SELECT team FROM member WHERE id = ?", (id,))[0]
    found = people.member(db, team, id)
    assert found is not None
    return found
