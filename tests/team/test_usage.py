"""usage and audit: sums that are those of the charges, and acts that are told newest first."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from mini_llm.team import audit, credits, keys, people, usage
from mini_llm.team.credits import Ask, Charge, Held
from mini_llm.team.errors import InvalidError
from mini_llm.team.people import Member
from mini_llm.team.rights import Rights
from mini_llm.team.usage import Grouping
from tests.team.founding import DOLLAR, NOON, Office, newcomer, office

CENT = DOLLAR // 100
DAY = 86400.0
SUNDAY, MONDAY = date(2026, 11, 22), date(2026, 11, 23)


def spent(
    ours: Office, who: Member, cents: int, *, now: float = NOON, model: str = "llama", tool: str = "codex"
) -> None:
    """Let a member spend so much, by a key of theirs."""
    key = keys.list_of(ours.db, who, member=who.id)[0]
    count = ours.db.row("SELECT count(*) FROM charge")[0]
    held = credits.reserve(ours.db, Ask(who.team, who.id, key.id, f"r{count}", cents * CENT, 60.0, tool=tool), now)
    assert isinstance(held, Held)
    credits.settle(ours.db, held, Charge("lab", model, cents * CENT, 100, 10, 50))


def peopled(ours: Office) -> Member:
    """Add a member with a key, and let both spend on two days."""
    member = newcomer(ours.db, ours.team.id, "member", "bob@acme.example")
    keys.mint(ours.db, member, "bob's", Rights(), member, NOON)
    spent(ours, ours.owner, 10)
    spent(ours, ours.owner, 20, now=NOON + DAY, model="qwen")
    spent(ours, member, 40, tool="claude")
    return member


@pytest.mark.parametrize(
    ("by", "sums"),
    [
        ("day", {"2026-11-22": 50, "2026-11-23": 20}),
        ("model", {"llama": 50, "qwen": 20}),
        ("provider", {"lab": 70}),
        ("tool", {"codex": 30, "claude": 40}),
        ("member", {"owner@acme.example": 30, "bob@acme.example": 40}),
        ("key", {"laptop": 30, "bob's": 40}),
    ],
)
def test_an_admin_sees_everybodys_sums_by_each_word(by: Grouping, sums: dict[str, int], tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        peopled(ours)
        found = usage.usage(ours.db, ours.owner, SUNDAY, MONDAY, by)
        assert {row.label: row.paid // CENT for row in found.rows} == sums
        assert found.total[2:] == (3, 300, 30, 150, 70 * CENT, 0)


def test_a_member_sees_their_own_sums(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        member = peopled(ours)
        found = usage.usage(ours.db, member, SUNDAY, MONDAY, "member")
        assert [(row.name, row.paid) for row in found.rows] == [(member.id, 40 * CENT)]
        assert found.total.requests == 1
        assert [row.tool for row in usage.charges(ours.db, member)] == ["claude"]


def test_an_admin_may_look_at_one_member(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        member = peopled(ours)
        found = usage.usage(ours.db, ours.owner, SUNDAY, MONDAY, "day", member=member.id)
        assert found.total.paid == 40 * CENT


def test_both_ends_belong_to_the_time_asked_for(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        peopled(ours)
        assert usage.usage(ours.db, ours.owner, SUNDAY, SUNDAY).total.paid == 50 * CENT
        assert usage.usage(ours.db, ours.owner, MONDAY, MONDAY).total.paid == 20 * CENT
        assert usage.usage(ours.db, ours.owner, MONDAY, SUNDAY).rows == []


def test_today_and_this_month_are_told(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        member = peopled(ours)
        assert usage.spending(ours.db, ours.team.id, None, NOON + DAY) == (20 * CENT, 70 * CENT, 1)
        assert usage.spending(ours.db, ours.team.id, member.id, NOON + DAY) == (0, 40 * CENT, 0)
        assert usage.spending(ours.db, ours.team.id, None, NOON + 30 * DAY) == (0, 0, 0)


def test_charges_are_told_newest_first_and_page_by_page(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        peopled(ours)
        first = usage.charges(ours.db, ours.owner, most=2)
        rest = usage.charges(ours.db, ours.owner, before=first[-1].id, most=2)
        assert [row.request for row in (*first, *rest)] == ["r2", "r1", "r0"]
        assert first[0].cached_tokens == 50 and first[0].status == "ok"


def test_a_removed_members_usage_keeps_their_name(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        member = peopled(ours)
        people.remove(ours.db, ours.owner, member.id, NOON)
        found = usage.usage(ours.db, ours.owner, SUNDAY, MONDAY, "member")
        assert {row.label for row in found.rows} == {"owner@acme.example", "bob@acme.example"}


def test_an_unknown_grouping_is_refused(tmp_path: Path) -> None:
    with office(tmp_path) as ours, pytest.raises(InvalidError, match="usage has no"):
        usage.usage(ours.db, ours.owner, SUNDAY, MONDAY, "day; --")  # type: ignore[arg-type]


def test_acts_are_told_newest_first_and_page_by_page(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        for number in range(5):
            audit.note(ours.db, ours.team.id, ours.owner.id, "key.mint", f"key_{number}", "192.0.2.1", NOON, name="x")
        first = audit.rows(ours.db, ours.owner, most=2)
        rest = audit.rows(ours.db, ours.owner, before=first[-1].id)
        assert [row.about for row in (*first, *rest)] == ["key_4", "key_3", "key_2", "key_1", "key_0"]
        assert first[0][1:] == (NOON, ours.owner.id, "key.mint", "key_4", {"name": "x"}, "192.0.2.1")


def test_an_endless_word_in_an_act_is_cut(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        audit.note(ours.db, ours.team.id, "x" * 9999, "w", "a", "i", NOON, agent="y" * 9999)
        row = audit.rows(ours.db, ours.owner)[0]
        assert len(row.who) == 500 and len(row.detail["agent"]) == 500
