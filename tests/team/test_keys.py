"""keys: found by their token while they hold, refreshed once, revoked for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from mini_llm.team import audit, budgets, keys, people
from mini_llm.team.errors import ForbiddenError, InvalidError, MissingError
from mini_llm.team.rights import Allowance, Rights
from mini_llm.team.store import Db
from mini_llm.team.teams import Terms, set_terms
from tests.team.founding import DOLLAR, NOON, TOKENS, newcomer, office

HOUR = 3600


def test_a_key_is_found_by_its_token_until_it_is_revoked(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        found = keys.find(ours.db, ours.token, NOON)
        assert found == ours.key and found is not None
        assert ours.token.endswith(found.hint) and len(found.hint) == 4
        keys.revoke(ours.db, ours.owner, ours.key.id, NOON)
        assert keys.find(ours.db, ours.token, NOON) is None
        assert keys.list_of(ours.db, ours.owner) == []
        assert keys.list_of(ours.db, ours.owner, revoked=True)[0].revoked_at == NOON


@pytest.mark.parametrize("cut", [3, 20, 45])
def test_a_token_that_only_begins_the_same_lets_nobody_in(cut: int, tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        other = TOKENS.new("key")
        assert keys.find(ours.db, ours.token[:cut] + other[cut:], NOON) is None
        assert keys.find(ours.db, ours.token[:cut], NOON) is None


def test_a_key_ends_when_it_was_to_end(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        _, token = keys.mint(ours.db, ours.owner, "trial", Rights(expires_at=NOON + HOUR), ours.owner, NOON)
        assert keys.find(ours.db, token, NOON + HOUR - 1) is not None
        assert keys.find(ours.db, token, NOON + HOUR) is None


def test_members_see_and_change_their_own_keys_and_admins_everybodys(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        member = newcomer(ours.db, ours.team.id, "member", "member@acme.example")
        mine, _ = keys.mint(ours.db, member, "mine", Rights(), member, NOON)
        assert [key.id for key in keys.list_of(ours.db, member)] == [mine.id]
        assert [key.id for key in keys.list_of(ours.db, member, member=ours.owner.id)] == [mine.id]
        assert {key.id for key in keys.list_of(ours.db, ours.owner)} == {mine.id, ours.key.id}
        assert [key.id for key in keys.list_of(ours.db, ours.owner, member=member.id)] == [mine.id]
        with pytest.raises(MissingError):
            keys.get(ours.db, member, ours.key.id)
        with pytest.raises(MissingError):
            keys.revoke(ours.db, member, ours.key.id, NOON)
        with pytest.raises(ForbiddenError):
            keys.mint(ours.db, ours.owner, "not mine", Rights(), member, NOON)
        assert keys.edit(ours.db, ours.owner, mine.id, NOON, name="theirs").name == "theirs"


def test_the_budget_of_a_key_or_a_member_that_is_gone_is_listed_no_more(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        allowance = Allowance(2 * DOLLAR, "daily")
        member = newcomer(ours.db, ours.team.id, "member", "member@acme.example")
        kept, _ = keys.mint(ours.db, ours.owner, "kept", Rights(budget=allowance), ours.owner, NOON)
        lost, _ = keys.mint(ours.db, ours.owner, "lost", Rights(budget=allowance), ours.owner, NOON)
        budgets.set(ours.db, ours.owner, member.id, allowance, NOON)
        listed = {one.scope for one in budgets.standings(ours.db, ours.team.id, NOON)}
        assert {kept.id, lost.id, member.id} <= listed
        keys.revoke(ours.db, ours.owner, lost.id, NOON)
        people.remove(ours.db, ours.owner, member.id, NOON)
        assert {one.scope for one in budgets.standings(ours.db, ours.team.id, NOON)} == listed - {lost.id, member.id}


def test_an_admin_does_not_touch_an_owners_keys(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        admin = newcomer(ours.db, ours.team.id, "admin", "admin@acme.example")
        with pytest.raises(ForbiddenError):
            keys.mint(ours.db, ours.owner, "backdoor", Rights(), admin, NOON)
        with pytest.raises(ForbiddenError):
            keys.edit(ours.db, admin, ours.key.id, NOON, name="x")


def test_what_is_edited_holds_at_once(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        rights = Rights(("lab/*",), Allowance(DOLLAR, "daily"), NOON + HOUR, frozenset({"usage"}))
        changed = keys.edit(ours.db, ours.owner, ours.key.id, NOON, name="small", rights=rights)
        assert (changed.name, changed.rights) == ("small", rights)
        assert keys.find(ours.db, ours.token, NOON) == changed
        assert keys.edit(ours.db, ours.owner, ours.key.id, NOON, rights=Rights()).rights == Rights()


def test_a_revoked_key_stays_revoked(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        keys.revoke(ours.db, ours.owner, ours.key.id, NOON)
        with pytest.raises(InvalidError):
            keys.edit(ours.db, ours.owner, ours.key.id, NOON, rights=Rights())
        assert keys.revoke(ours.db, ours.owner, ours.key.id, NOON + 1).revoked_at == NOON


@pytest.mark.parametrize("name", ["", "   ", "\x00\x1b"])
def test_a_key_needs_a_name_that_can_be_read(name: str, tmp_path: Path) -> None:
    with office(tmp_path) as ours, pytest.raises(InvalidError):
        keys.mint(ours.db, ours.owner, name, Rights(), ours.owner, NOON)


def test_a_key_names_no_endless_list_of_models(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        for models in (("m",) * 201, ("m" * 201,), ("",)):
            with pytest.raises(InvalidError):
                keys.mint(ours.db, ours.owner, "key", Rights(models=models), ours.owner, NOON)


def test_a_refresh_token_gives_new_tokens_once_for_the_same_key(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        first = _short(ours.db, ours.owner)
        second = _rotated(ours.db, first, NOON + 60)
        assert second.key.id == first.key.id
        assert len({first.access_token, second.access_token, first.refresh_token, second.refresh_token}) == 4
        assert keys.find(ours.db, first.access_token, NOON + 61) is not None  # who holds it may still end a request
        assert keys.find(ours.db, first.access_token, NOON + HOUR) is None
        assert keys.find(ours.db, second.access_token, NOON + HOUR) is not None


def test_an_old_refresh_token_shown_again_ends_the_whole_family(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        first = _short(ours.db, ours.owner)
        second = _rotated(ours.db, first, NOON + 1)
        third = _rotated(ours.db, second, NOON + 2)
        assert keys.rotate(ours.db, first.refresh_token or "", NOON + 3) is None
        for issued in (first, second, third):
            assert keys.find(ours.db, issued.access_token, NOON + 4) is None
            assert keys.rotate(ours.db, issued.refresh_token or "", NOON + 4) is None
        assert keys.find(ours.db, ours.token, NOON + 4) is not None  # another family
        assert [(row.what, row.about) for row in audit.rows(ours.db, ours.owner)] == [("key.reuse", first.key.id)]


def test_a_family_ends_after_its_time_however_often_it_was_refreshed(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        issued, day = _short(ours.db, ours.owner), 86400
        for days in (30, 60, 89):
            issued = _rotated(ours.db, issued, NOON + days * day)
        assert keys.rotate(ours.db, issued.refresh_token or "", NOON + 90 * day) is None


def test_no_token_outlives_its_key(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        rights = Rights(expires_at=NOON + 600)
        issued = keys.issue(ours.db, ours.owner, "short", rights, ours.owner, NOON, seconds=HOUR)
        assert issued.expires_in == 600
        assert keys.find(ours.db, issued.access_token, NOON + 600) is None
        assert keys.rotate(ours.db, issued.refresh_token or "", NOON + 600) is None


def test_who_was_removed_refreshes_nothing(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        member = newcomer(ours.db, ours.team.id, "member", "member@acme.example")
        issued = _short(ours.db, member)
        people.remove(ours.db, ours.owner, member.id, NOON)
        assert keys.rotate(ours.db, issued.refresh_token or "", NOON + 1) is None


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_either_token_revokes_the_key(which: str, tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        issued = _short(ours.db, ours.owner)
        revoked = keys.revoke_token(ours.db, getattr(issued, which), NOON)
        assert revoked is not None and revoked.id == issued.key.id
        assert keys.find(ours.db, issued.access_token, NOON) is None
        assert keys.rotate(ours.db, issued.refresh_token or "", NOON) is None
        assert keys.find(ours.db, ours.token, NOON) is not None


def test_revoking_what_is_no_token_of_ours_changes_nothing(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        for token in ("", "x", TOKENS.new("key"), TOKENS.new("refresh"), ours.key.id):
            assert keys.revoke_token(ours.db, token, NOON) is None
        assert keys.find(ours.db, ours.token, NOON) == ours.key


def test_the_last_use_only_grows(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        for now in (NOON, NOON + 9, NOON + 5):
            keys.touch(ours.db, ours.team.id, ours.key.id, now)
        assert keys.get(ours.db, ours.owner, ours.key.id).last_used_at == NOON + 9


def _short(db: Db, owner: people.Member) -> keys.Issued:
    set_terms(db, people.Operator(owner.team), Terms(access_token_seconds=HOUR))
    issued = keys.issue(db, owner, "short", Rights(), owner, NOON, seconds=HOUR)
    assert issued.expires_in == HOUR and issued.refresh_token is not None
    return issued


def _rotated(db: Db, issued: keys.Issued, now: float) -> keys.Issued:
    found = keys.rotate(db, issued.refresh_token or "", now)
    assert found is not None
    return found
