"""people, teams, accounts, invites: who is who, and who may change it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mini_llm.errors import MiniLLMError
from mini_llm.team import accounts, invites, journal, keys, passwords, people, teams
from mini_llm.team.errors import ConflictError, ForbiddenError, InvalidError, MissingError
from mini_llm.team.people import Role
from mini_llm.team.rights import Rights
from mini_llm.team.roles import RANK
from mini_llm.team.teams import Terms
from tests.team.founding import DOLLAR, NOON, founded, newcomer, office, operator

DAY = 86400.0
ROLES: tuple[Role, ...] = ("owner", "admin", "member")


def test_a_new_account_brings_its_grant_once_and_to_its_first_team(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        theirs = founded(ours.db, "Other")
        account = accounts.create(ours.db, "ann@example.com", "Ann", NOON, identity=("https://id.example", "ann"))
        first = people.join(ours.db, ours.team.id, account.id, "member", NOON)
        people.join(ours.db, theirs.team.id, account.id, "member", NOON)
        people.remove(ours.db, ours.owner, first.id, NOON)
        people.join(ours.db, ours.team.id, account.id, "member", NOON)
        assert journal.balance(ours.db, ours.team.id).nanos == 10 * DOLLAR
        assert journal.balance(ours.db, theirs.team.id).nanos == 5 * DOLLAR


def test_who_is_a_member_already_stays_who_they_are(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        again = people.join(ours.db, ours.team.id, ours.owner.account, "member", NOON)
        assert again == ours.owner


def test_the_last_owner_stays(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        for by in (ours.owner, operator(ours)):
            with pytest.raises(ConflictError):
                people.remove(ours.db, by, ours.owner.id, NOON)
            with pytest.raises(ConflictError):
                people.set_role(ours.db, by, ours.owner.id, "member")
        other = newcomer(ours.db, ours.team.id, "owner", "other@acme.example")
        people.remove(ours.db, other, ours.owner.id, NOON)
        with pytest.raises(ConflictError):
            people.set_role(ours.db, other, other.id, "admin")


@pytest.mark.parametrize("by", ROLES)
@pytest.mark.parametrize("whose", ROLES)
@pytest.mark.parametrize("role", ROLES)
def test_nobody_gives_or_takes_more_than_they_have(by: Role, whose: Role, role: Role, tmp_path: Path) -> None:
    rank = RANK
    with office(tmp_path) as ours:
        actor = newcomer(ours.db, ours.team.id, by, "by@acme.example")
        subject = newcomer(ours.db, ours.team.id, whose, "whose@acme.example")
        may = by != "member" and rank[by] >= rank[whose] and rank[by] >= rank[role]
        try:
            changed = people.set_role(ours.db, actor, subject.id, role)
        except ForbiddenError:
            assert not may
            assert people.member(ours.db, ours.team.id, subject.id) == subject
        else:
            assert may and changed.role == role
            assert people.member(ours.db, ours.team.id, subject.id) == changed


def test_who_is_removed_is_out_with_keys_and_invitations(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        admin = newcomer(ours.db, ours.team.id, "admin", "admin@acme.example")
        _, token = keys.mint(ours.db, admin, "laptop", Rights(), admin, NOON)
        _, link = invites.invite(ours.db, admin, "admin", None, NOON)
        people.remove(ours.db, ours.owner, admin.id, NOON)
        assert keys.find(ours.db, token, NOON) is None
        assert invites.look(ours.db, link, NOON) is None
        assert admin.id not in {member.id for member in people.members(ours.db, ours.team.id)}
        with pytest.raises(MissingError):
            people.set_role(ours.db, ours.owner, admin.id, "member")


def test_a_member_may_leave(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        member = newcomer(ours.db, ours.team.id, "member", "member@acme.example")
        people.remove(ours.db, member, member.id, NOON)
        assert people.membership(ours.db, member.account, ours.team.id) is None


def test_an_invitation_makes_a_member_once(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        invite, token = invites.invite(ours.db, ours.owner, "admin", None, NOON)
        assert (invite.team_name, invite.role) == ("Acme", "admin")
        account = accounts.create(ours.db, "new@example.com", "New", NOON, password_hash="x")
        member = invites.accept(ours.db, token, account, NOON)
        assert (member.team, member.role) == (ours.team.id, "admin")
        with pytest.raises(MissingError):
            invites.accept(ours.db, token, account, NOON)
        assert invites.list_of(ours.db, ours.owner, NOON) == []


@pytest.mark.parametrize(("later", "holds"), [(6.9 * DAY, True), (7 * DAY, False)])
def test_an_invitation_ends_after_a_week(later: float, holds: bool, tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        _, token = invites.invite(ours.db, ours.owner, "member", None, NOON)
        assert (invites.look(ours.db, token, NOON + later) is not None) == holds


def test_an_invitation_by_address_is_for_that_account_alone(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        _, token = invites.invite(ours.db, ours.owner, "member", " New@Example.com ", NOON)
        wrong = accounts.create(ours.db, "wrong@example.com", "Wrong", NOON, password_hash="x")
        with pytest.raises(ForbiddenError):
            invites.accept(ours.db, token, wrong, NOON)
        right = accounts.create(ours.db, "new@example.com", "New", NOON, password_hash="x")
        assert invites.accept(ours.db, token, right, NOON).email == "new@example.com"


def test_a_withdrawn_invitation_is_gone(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        invite, token = invites.invite(ours.db, ours.owner, "member", None, NOON)
        assert invites.withdraw(ours.db, ours.owner, invite.id, NOON)
        assert not invites.withdraw(ours.db, ours.owner, invite.id, NOON)
        assert invites.look(ours.db, token, NOON) is None


def test_a_member_neither_invites_nor_sees_invitations_and_an_admin_makes_no_owner(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        member = newcomer(ours.db, ours.team.id, "member", "member@acme.example")
        admin = newcomer(ours.db, ours.team.id, "admin", "admin@acme.example")
        for act in (
            lambda: invites.invite(ours.db, member, "member", None, NOON),
            lambda: invites.invite(ours.db, admin, "owner", None, NOON),
            lambda: invites.list_of(ours.db, member, NOON),
            lambda: invites.withdraw(ours.db, member, "inv_1", NOON),
            lambda: teams.set_terms(ours.db, admin, Terms()),
        ):
            with pytest.raises(ForbiddenError):
                act()


def test_an_account_is_found_however_its_address_is_written(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        made = accounts.create(ours.db, "  Ann.Lee@Example.COM ", "Ann", NOON, password_hash="x")
        assert made.email == "ann.lee@example.com"
        assert accounts.by_email(ours.db, "ANN.LEE@example.com") == made
        with pytest.raises(ConflictError):
            accounts.create(ours.db, "ann.lee@EXAMPLE.com", "Ann", NOON, password_hash="y")


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "ann",
        "@",
        "a@",
        "@b",
        "a b@c",
        "a@b@c",
        "a@b\nc",
        "x" * 250 + "@b.de",
        "\x00@b",
        "\x9b31m@b.de",
        "a\u202e@b.de",
    ],
)
def test_what_is_no_address_makes_no_account(wrong: str, tmp_path: Path) -> None:
    with office(tmp_path) as ours, pytest.raises(InvalidError):
        accounts.create(ours.db, wrong, "Ann", NOON, password_hash="x")


def test_a_password_lets_in_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    stored = passwords.hashed("correct horse battery")
    assert stored.startswith("$argon2id$") and "horse" not in stored
    with office(tmp_path) as ours:
        made = accounts.create(ours.db, "ann@example.com", "Ann", NOON, password_hash=stored)
        assert made.has_password
        assert accounts.sign_in(ours.db, "Ann@example.com", "correct horse battery") == made
        assert accounts.sign_in(ours.db, "ann@example.com", "correct horse batterY") is None
        assert accounts.sign_in(ours.db, "nobody@example.com", "correct horse battery") is None
        accounts.set_password(ours.db, made.id, passwords.hashed("another long one"))
        assert accounts.sign_in(ours.db, "ann@example.com", "correct horse battery") is None


def test_an_account_without_a_password_is_let_in_by_none(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        assert accounts.sign_in(ours.db, "owner@acme.example", "") is None
        assert accounts.sign_in(ours.db, "owner@acme.example", "nobody's password") is None


@pytest.mark.parametrize("password", ["", "short", "nine char", "x" * 257])
def test_a_password_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(InvalidError):
        passwords.hashed(password)


def test_an_identity_belongs_to_one_account(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        issuer = "https://login.example"
        one = accounts.create(ours.db, "one@example.com", "One", NOON, identity=(issuer, "1"))
        two = accounts.create(ours.db, "two@example.com", "Two", NOON, password_hash="x")
        accounts.link(ours.db, two.id, issuer, "2", NOON)
        accounts.link(ours.db, two.id, issuer, "2", NOON)
        assert accounts.by_identity(ours.db, issuer, "1") == one
        assert accounts.by_identity(ours.db, issuer, "2") == two
        assert accounts.by_identity(ours.db, "https://other.example", "1") is None
        with pytest.raises(ConflictError):
            accounts.link(ours.db, two.id, issuer, "1", NOON)


def test_an_account_has_a_password_or_an_identity(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        with pytest.raises(InvalidError):
            accounts.create(ours.db, "a@example.com", "A", NOON)
        with pytest.raises(InvalidError):
            accounts.create(ours.db, "a@example.com", "A", NOON, password_hash="x", identity=("i", "s"))


@pytest.mark.parametrize(
    "terms", [Terms(discount_percent=101), Terms(discount_percent=-1), Terms(grant=-1), Terms(access_token_seconds=59)]
)
def test_terms_that_make_no_sense_are_refused(terms: Terms, tmp_path: Path) -> None:
    with office(tmp_path) as ours, pytest.raises(InvalidError):
        teams.set_terms(ours.db, ours.owner, terms)


def test_an_owner_changes_the_terms(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        changed = teams.set_terms(ours.db, ours.owner, Terms(DOLLAR, 20, 3600), name="Acme Ltd")
        assert teams.find(ours.db, ours.team.id) == changed
        assert (changed.name, changed.terms) == ("Acme Ltd", Terms(DOLLAR, 20, 3600))


@pytest.mark.parametrize("error", [ConflictError, ForbiddenError, InvalidError, MissingError])
def test_every_refusal_says_what_and_has_a_status(error: type[MiniLLMError]) -> None:
    assert 400 <= error("why").status < 500


@pytest.mark.parametrize(("before", "after", "role"), [("admin", "member", "admin"), ("owner", "admin", "owner")])
def test_an_invitation_ends_when_who_made_it_may_make_it_no_more(
    before: Role, after: Role, role: Role, tmp_path: Path
) -> None:
    with office(tmp_path) as ours:
        maker = newcomer(ours.db, ours.team.id, before, "maker@acme.example")
        _, token = invites.invite(ours.db, maker, role, None, NOON)
        _, lesser = invites.invite(ours.db, maker, "member", None, NOON)
        people.set_role(ours.db, ours.owner, maker.id, after)
        account = accounts.create(ours.db, "eve@example.com", "", NOON, identity=("https://id.example", "eve"))
        with pytest.raises(MissingError):
            invites.accept(ours.db, token, account, NOON)
        assert (invites.look(ours.db, lesser, NOON) is not None) == (after == "admin")
        assert [one.role for one in invites.list_of(ours.db, ours.owner, NOON)] == ["member"] * (after == "admin")
