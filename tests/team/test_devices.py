"""devices: every answer of RFC 8628, each at its moment, and codes that can't be guessed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mini_llm.team import budgets, devices, keys, people, teams
from mini_llm.team.devices import Denied, Expired, Grant, Invalid, Issued, Pending, SlowDown, Waiting
from mini_llm.team.errors import InvalidClientError, InvalidScopeError, MissingError, TooManyTriesError
from mini_llm.team.people import Member
from mini_llm.team.rights import Allowance, Rights, within
from mini_llm.team.store import Db
from mini_llm.team.teams import Terms
from mini_llm.team.tokens import new_code
from tests.team.founding import DOLLAR, NOON, newcomer, office

CLIENT = "mini-llm-cli"
ALL = Rights()


def begun(db: Db, scope: str = "inference usage", *, now: float = NOON) -> Grant:
    return devices.begin(db, CLIENT, "anns-laptop", "192.0.2.7", scope, now)


def looked(db: Db, grant: Grant, *, now: float = NOON) -> Pending:
    found = devices.look(db, grant.user_code, "acc_1", "192.0.2.1", now)
    assert found is not None
    return found


def polled(db: Db, grant: Grant, now: float) -> devices.Answer:
    return devices.poll(db, grant.device_code, CLIENT, now)


def approved(db: Db, member: Member, grant: Grant, rights: Rights = ALL) -> None:
    devices.approve(db, looked(db, grant).id, member, rights, NOON)


def issued(db: Db, grant: Grant, now: float) -> Issued:
    answer = polled(db, grant, now)
    assert isinstance(answer, Issued)
    return answer


def test_a_login_is_asked_shown_approved_and_gets_its_key(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        grant = begun(ours.db)
        assert (grant.expires_in, grant.interval) == (600, 5)
        assert polled(ours.db, grant, NOON + 5) == Waiting()
        pending = looked(ours.db, grant)
        assert pending[1:] == (CLIENT, "anns-laptop", "192.0.2.7", "inference usage", NOON + 600)
        approved(ours.db, ours.owner, grant)
        answer = issued(ours.db, grant, NOON + 10)
        assert (answer.refresh_token, answer.expires_in, answer.scope) == (None, None, "inference usage")
        key = keys.find(ours.db, answer.access_token, NOON + 10)
        assert key is not None and (key.member, key.name) == (ours.owner.id, "anns-laptop")


def test_a_code_gets_one_key(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        grant = begun(ours.db)
        approved(ours.db, ours.owner, grant)
        issued(ours.db, grant, NOON + 5)
        assert polled(ours.db, grant, NOON + 10) == Invalid()
        assert devices.look(ours.db, grant.user_code, "acc_1", "192.0.2.1", NOON) is None


def test_short_lives_come_with_a_refresh_token(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        teams.set_terms(ours.db, ours.owner, Terms(access_token_seconds=900))
        grant = begun(ours.db)
        approved(ours.db, ours.owner, grant)
        answer = issued(ours.db, grant, NOON + 5)
        assert answer.expires_in == 900 and answer.refresh_token is not None
        assert keys.rotate(ours.db, answer.refresh_token, NOON + 10) is not None


def test_who_asks_too_often_is_slowed_down_and_stays_slow(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        grant = begun(ours.db)
        assert polled(ours.db, grant, NOON + 5) == Waiting()
        assert polled(ours.db, grant, NOON + 6) == SlowDown(10)
        assert polled(ours.db, grant, NOON + 14) == SlowDown(15)
        assert polled(ours.db, grant, NOON + 29) == Waiting()
        assert polled(ours.db, grant, NOON + 43) == SlowDown(20)


def test_a_poll_that_is_a_moment_early_is_taken(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        grant = begun(ours.db)
        assert polled(ours.db, grant, NOON + 5) == Waiting()
        assert polled(ours.db, grant, NOON + 9.7) == Waiting()


def test_a_clock_set_back_slows_nobody_down(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        grant = begun(ours.db)
        assert polled(ours.db, grant, NOON + 300) == Waiting()
        assert polled(ours.db, grant, NOON + 100) == Waiting()


def test_who_asks_too_often_gets_no_key_by_it(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        grant = begun(ours.db)
        assert polled(ours.db, grant, NOON + 5) == Waiting()
        approved(ours.db, ours.owner, grant)
        assert isinstance(polled(ours.db, grant, NOON + 6), SlowDown)
        issued(ours.db, grant, NOON + 16)


def test_a_login_that_was_denied_stays_denied(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        grant = begun(ours.db)
        pending = looked(ours.db, grant)
        devices.deny(ours.db, pending.id, NOON)
        assert polled(ours.db, grant, NOON + 5) == Denied()
        with pytest.raises(MissingError):
            devices.approve(ours.db, pending.id, ours.owner, Rights(), NOON)


@pytest.mark.parametrize("yes", [False, True])
def test_a_login_ends_after_ten_minutes(yes: bool, tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        grant = begun(ours.db)
        pending = looked(ours.db, grant, now=NOON + 599)
        if yes:
            devices.approve(ours.db, pending.id, ours.owner, Rights(), NOON + 599)
        assert polled(ours.db, grant, NOON + 600) == Expired()
        assert devices.look(ours.db, grant.user_code, "acc_1", "192.0.2.1", NOON + 600) is None
        with pytest.raises(MissingError):
            devices.approve(ours.db, pending.id, ours.owner, Rights(), NOON + 600)


def test_another_programs_code_or_none_is_invalid(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        grant = begun(ours.db)
        assert devices.poll(ours.db, grant.device_code, "other", NOON) == Invalid()
        for code in ("", "pd-x", grant.user_code, ours.token, ours.db.tokens.new("device")):
            assert devices.poll(ours.db, code, CLIENT, NOON) == Invalid()


def test_an_unknown_program_and_an_unknown_scope_are_refused(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        with pytest.raises(InvalidClientError):
            devices.begin(ours.db, "evil", "", "", "usage", NOON)
        with pytest.raises(InvalidScopeError):
            devices.begin(ours.db, CLIENT, "", "", "usage admin", NOON)


def test_a_key_has_no_more_than_member_and_scope_allow(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        member = newcomer(ours.db, ours.team.id, "member", "member@acme.example")
        people.set_models(ours.db, ours.owner, member.id, ("lab/*",))
        limited = people.member(ours.db, ours.team.id, member.id)
        assert limited is not None
        grant = begun(ours.db, "usage")
        approved(ours.db, limited, grant, Rights(models=("lab/llama", "openai/gpt-5")))
        budgets.set(ours.db, ours.owner, member.id, Allowance(DOLLAR), NOON)  # less than when they said yes
        answer = issued(ours.db, grant, NOON + 5)
        assert answer.scope == "usage"
        assert answer.key.rights == Rights(("lab/llama",), Allowance(DOLLAR), None, frozenset({"usage"}))
        now = people.member(ours.db, ours.team.id, member.id)
        assert now is not None and within(answer.key.rights, now.ceiling)


def test_who_was_removed_meanwhile_gets_no_key(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        member = newcomer(ours.db, ours.team.id, "member", "member@acme.example")
        grant = begun(ours.db)
        approved(ours.db, member, grant)
        people.remove(ours.db, ours.owner, member.id, NOON)
        assert polled(ours.db, grant, NOON + 5) == Denied()


def test_a_device_that_says_nothing_of_itself_is_called_one(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        grant = devices.begin(ours.db, CLIENT, "\x1b[31m\n" + "x" * 300, "", "", NOON)
        shown = looked(ours.db, grant)
        assert shown.device.startswith("[31mx") and len(shown.device) < 101
        nameless = devices.begin(ours.db, CLIENT, "\x00", "", "", NOON)
        approved(ours.db, ours.owner, nameless)
        assert issued(ours.db, nameless, NOON + 5).key.name == "device"


def test_five_wrong_codes_a_minute_are_enough_for_one_account(tmp_path: Path) -> None:
    _five_are_enough(tmp_path, lambda number: ("acc_1", f"192.0.2.{number}"))


def test_five_wrong_codes_a_minute_are_enough_from_one_address(tmp_path: Path) -> None:
    _five_are_enough(tmp_path, lambda number: (f"acc_{number}", "192.0.2.1"))


def _five_are_enough(folder: Path, who: Callable[[int], tuple[str, str]]) -> None:
    with office(folder) as ours:
        grant = begun(ours.db)
        for number in range(5):
            code = ("", new_code(), "AAAA-AAAA", "' OR 1=1", "x" * 9999)[number]
            assert devices.look(ours.db, code, *who(number), NOON + number) is None
        with pytest.raises(TooManyTriesError) as failure:
            devices.look(ours.db, grant.user_code, *who(5), NOON + 5)
        assert failure.value.retry_after == 55
        with pytest.raises(TooManyTriesError):
            devices.look(ours.db, grant.user_code, *who(6), NOON + 59.9)
        assert devices.look(ours.db, grant.user_code, *who(7), NOON + 60) is not None
        assert devices.look(ours.db, grant.user_code, "acc_77", "198.51.100.1", NOON + 5) is not None


def test_right_codes_are_not_counted(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        grant = begun(ours.db)
        for _ in range(9):
            looked(ours.db, grant)


def test_a_code_is_known_however_it_is_typed(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        grant = begun(ours.db)
        typed = grant.user_code.lower().replace("-", " ")
        assert devices.look(ours.db, typed, "acc_1", "192.0.2.1", NOON) == looked(ours.db, grant)


def test_old_logins_are_forgotten(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        for number in range(20):
            begun(ours.db, now=NOON + number)
        begun(ours.db, now=NOON + 3 * 86400)
        assert ours.db.row("SELECT count(*) FROM device_grant")[0] == 1
