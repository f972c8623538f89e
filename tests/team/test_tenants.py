"""Two teams on one server: nobody reads or changes the other's, whatever id or text they send."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import pytest

from mini_llm.errors import MiniLLMError
from mini_llm.team import accounts, audit, budgets, credits, devices, invites, journal, keys, people, teams, usage
from mini_llm.team.credits import Ask, Charge, Held
from mini_llm.team.people import Actor, Operator
from mini_llm.team.rights import Allowance, Rights
from mini_llm.team.store import Db
from mini_llm.team.teams import Terms
from tests.team.founding import DOLLAR, NOON, Office, founded, newcomer, office

FIRST, LAST = date(2026, 1, 1), date(2027, 1, 1)

# Every function that takes an id, called by somebody of one team with the ids of the other.
ASKED: Mapping[str, Callable[[Db, Actor, Office], object]] = {
    "people.member": lambda db, by, other: people.member(db, by.team, other.owner.id),
    "people.membership": lambda db, by, other: people.membership(db, other.owner.account, by.team),
    "people.set_role": lambda db, by, other: people.set_role(db, by, other.owner.id, "member"),
    "people.set_models": lambda db, by, other: people.set_models(db, by, other.owner.id, ()),
    "people.remove": lambda db, by, other: people.remove(db, by, other.owner.id, NOON),
    "keys.get": lambda db, by, other: keys.get(db, by, other.key.id),
    "keys.list_of": lambda db, by, other: keys.list_of(db, by, member=other.owner.id),
    "keys.edit": lambda db, by, other: keys.edit(db, by, other.key.id, NOON, name="taken"),
    "keys.revoke": lambda db, by, other: keys.revoke(db, by, other.key.id, NOON),
    "keys.mint": lambda db, by, other: keys.mint(db, other.owner, "mine", Rights(), by, NOON),
    "keys.touch": lambda db, by, other: keys.touch(db, by.team, other.key.id, NOON),
    "invites.withdraw": lambda db, by, other: invites.withdraw(db, by, _invite_of(other), NOON),
    "budgets.set": lambda db, by, other: budgets.set(db, by, other.owner.id, Allowance(0), NOON),
    "budgets.set key": lambda db, by, other: budgets.set(db, by, other.key.id, Allowance(0), NOON),
    "budgets.set team": lambda db, by, other: budgets.set(db, by, other.team.id, Allowance(0), NOON),
    "budgets.put": lambda db, by, other: budgets.put(db, by.team, other.owner.id, Allowance(0), NOON),
    "budgets.take": lambda db, by, other: budgets.put(db, by.team, other.key.id, None, NOON),
    "budgets.of": lambda db, by, other: budgets.of(db, by.team, other.key.id),
    "budgets.standing": lambda db, by, other: budgets.standing(db, by.team, other.key.id, NOON),
    "budgets.tightest": lambda db, by, other: budgets.tightest(db, by.team, other.owner.id, other.key.id, NOON),
    "credits.void": lambda db, by, other: credits.void_request(db, by.team, "theirs", 1),
    "usage.usage": lambda db, by, other: usage.usage(db, by, FIRST, LAST, "key", member=other.owner.id).rows,
    "usage.charges": lambda db, by, other: usage.charges(db, by, member=other.owner.id),
    "usage.spending": lambda db, by, other: usage.spending(db, by.team, other.owner.id, NOON).month or None,
    "audit.rows": lambda db, by, other: audit.rows(db, by, search=other.owner.id),
}


@pytest.mark.parametrize("act", ASKED)
def test_nobody_reaches_into_another_team(act: str, tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        other = _busy(founded(ours.db, "Other"))
        before = _everything(other)
        for by in (ours.owner, Operator(ours.team.id)):
            try:
                assert ASKED[act](ours.db, by, other) in (None, [], False)
            except MiniLLMError as refusal:
                assert refusal.status in (403, 404)
                assert "Other" not in refusal.message and "other.example" not in refusal.message
        assert _everything(other) == before


def test_each_team_lists_its_own_alone(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        other = _busy(founded(ours.db, "Other"))
        by = ours.owner
        assert [member.id for member in people.members(ours.db, by.team)] == [ours.owner.id]
        assert [key.id for key in keys.list_of(ours.db, by)] == [ours.key.id]
        assert invites.list_of(ours.db, by, NOON) == []
        assert budgets.standings(ours.db, by.team, NOON) == []
        assert audit.rows(ours.db, by) == [] and usage.charges(ours.db, by) == []
        assert usage.usage(ours.db, by, FIRST, LAST, "key").total.requests == 0
        assert [transfer.source for transfer in journal.transfers(ours.db, by.team)] == ["grant"]
        assert len(journal.transfers(ours.db, other.team.id)) == 2


def test_a_request_of_the_same_name_in_two_teams_is_two_requests(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        other = founded(ours.db, "Other")
        held = [each.held("same", DOLLAR) for each in (ours, other)]
        credits.void(ours.db, held[0])
        assert (ours.available(), other.available()) == (5 * DOLLAR, 4 * DOLLAR)


def test_a_member_sees_their_own_usage_and_no_audit(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        _busy(ours)
        member = newcomer(ours.db, ours.team.id, "member", "member@acme.example")
        assert usage.usage(ours.db, member, FIRST, LAST, "member", member=ours.owner.id).rows == []
        assert usage.charges(ours.db, member, member=ours.owner.id) == []
        with pytest.raises(MiniLLMError):
            audit.rows(ours.db, member)


CORPUS = (
    "' OR '1'='1",
    "'; DROP TABLE member; --",
    '" OR ""="',
    "x' UNION SELECT password FROM account --",
    "1; DELETE FROM purse",
    "\\'; --",
    "%",
    "_",
    "%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%",
    "\x00",
    "\udce9",
    "🦙" * 400,
    "a" * 100_000,
)

# Every argument that is text, filled with what is not meant well.
TEXTS: Mapping[str, Callable[[Office, str], object]] = {
    "teams.create": lambda ours, text: teams.create(ours.db, text, NOON),
    "teams.find": lambda ours, text: teams.find(ours.db, text),
    "teams.set_terms": lambda ours, text: teams.set_terms(ours.db, ours.owner, Terms(), name=text),
    "accounts.create": lambda ours, text: accounts.create(ours.db, text, text, NOON, password_hash=text),
    "accounts.create name": lambda ours, text: accounts.create(
        ours.db, f"{len(text)}@x.example", text, NOON, password_hash="x"
    ),
    "accounts.find": lambda ours, text: accounts.find(ours.db, text),
    "accounts.by_email": lambda ours, text: accounts.by_email(ours.db, text),
    "accounts.password_of": lambda ours, text: accounts.password_of(ours.db, text),
    "accounts.by_identity": lambda ours, text: accounts.by_identity(ours.db, text, text),
    "accounts.link": lambda ours, text: accounts.link(ours.db, ours.owner.account, text, text, NOON),
    "people.join": lambda ours, text: people.join(ours.db, ours.team.id, text, "member", NOON),
    "people.member": lambda ours, text: people.member(ours.db, ours.team.id, text),
    "people.membership": lambda ours, text: people.membership(ours.db, text, text),
    "people.set_role": lambda ours, text: people.set_role(ours.db, ours.owner, text, text),  # type: ignore[arg-type]
    "people.set_models": lambda ours, text: people.set_models(ours.db, ours.owner, text, (text,)),
    "people.members": lambda ours, text: people.members(ours.db, ours.team.id, search=text),
    "people.remove": lambda ours, text: people.remove(ours.db, ours.owner, text, NOON),
    "invites.invite": lambda ours, text: invites.invite(ours.db, ours.owner, text, text, NOON),  # type: ignore[arg-type]
    "invites.look": lambda ours, text: invites.look(ours.db, text, NOON),
    "invites.withdraw": lambda ours, text: invites.withdraw(ours.db, ours.owner, text, NOON),
    "keys.mint": lambda ours, text: keys.mint(
        ours.db, ours.owner, text, Rights(models=(text[:200],)), ours.owner, NOON
    ),
    "keys.find": lambda ours, text: keys.find(ours.db, text, NOON),
    "keys.rotate": lambda ours, text: keys.rotate(ours.db, text, NOON),
    "keys.revoke_token": lambda ours, text: keys.revoke_token(ours.db, text, NOON),
    "keys.get": lambda ours, text: keys.get(ours.db, ours.owner, text),
    "keys.edit": lambda ours, text: keys.edit(ours.db, ours.owner, ours.key.id, NOON, name=text),
    "devices.begin": lambda ours, text: devices.begin(ours.db, "mini-llm-cli", text, text, "usage", NOON),
    "devices.begin client": lambda ours, text: devices.begin(ours.db, text, "", "", text, NOON),
    "devices.look": lambda ours, text: devices.look(ours.db, text, text, text, NOON),
    "devices.poll": lambda ours, text: devices.poll(ours.db, text, text, NOON),
    "devices.approve": lambda ours, text: devices.approve(ours.db, text, ours.owner, Rights(), NOON),
    "devices.deny": lambda ours, text: devices.deny(ours.db, text, NOON),
    "budgets.set": lambda ours, text: budgets.set(ours.db, ours.owner, text, Allowance(1, text), NOON),  # type: ignore[arg-type]
    "budgets.of": lambda ours, text: budgets.of(ours.db, ours.team.id, text),
    "journal.top_up": lambda ours, text: journal.top_up(ours.db, Operator(ours.team.id), 1, text, NOON, note=text),
    "credits.reserve": lambda ours, text: _spend(ours, text),
    "usage.usage": lambda ours, text: usage.usage(ours.db, ours.owner, FIRST, LAST, text),  # type: ignore[arg-type]
    "usage.member": lambda ours, text: usage.usage(ours.db, ours.owner, FIRST, LAST, "day", member=text),
    "audit.note": lambda ours, text: audit.note(ours.db, ours.team.id, text, text, text, text, NOON, text=text),
    "audit.rows": lambda ours, text: audit.rows(ours.db, ours.owner, search=text),
}


@pytest.mark.parametrize("act", TEXTS)
def test_no_text_becomes_a_statement(act: str, tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        tables = ours.db.rows("SELECT name, sql FROM sqlite_schema ORDER BY name")
        for text in CORPUS:
            try:
                TEXTS[act](ours, text)
            except MiniLLMError as refusal:
                assert 400 <= refusal.status < 500, refusal
            except UnicodeEncodeError:  # the store tells it as an InvalidError
                assert text == "\udce9"
        assert ours.db.rows("SELECT name, sql FROM sqlite_schema ORDER BY name") == tables
        assert people.member(ours.db, ours.team.id, ours.owner.id) is not None


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("100%", ["100% Ann"]),
        ("_", ["Bob_B"]),
        ("\\", ["C\\D"]),
        ("%", ["100% Ann"]),
        ("bob", ["Bob_B"]),
        ("  ", ["100% Ann", "Bob_B", "C\\D", "Owner"]),
    ],
)
def test_a_search_finds_what_is_written_and_nothing_else(search: str, found: list[str], tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        for number, name in enumerate(("100% Ann", "Bob_B", "C\\D")):
            account = accounts.create(ours.db, f"{number}@example.com", name, NOON, password_hash="x")
            people.join(ours.db, ours.team.id, account.id, "member", NOON)
            audit.note(ours.db, ours.team.id, "mem_1", "member.join", name, "192.0.2.1", NOON)
        names = [member.name for member in people.members(ours.db, ours.team.id, search=search)]
        assert sorted(names) == found
        about = [row.about for row in audit.rows(ours.db, ours.owner, search=search)]
        assert sorted(about) == [name for name in found if name != "Owner"]


def _spend(ours: Office, text: str) -> None:
    ask = Ask(ours.team.id, text, text, text, 1, 60.0, provider=text, model=text, tool=text)
    held = credits.reserve(ours.db, ask, NOON)
    assert isinstance(held, Held)
    credits.settle(ours.db, held, Charge(text, text, 1, price=text))


def _busy(office: Office) -> Office:
    """Let a team have some of everything."""
    db = office.db
    held = office.held("theirs", DOLLAR)
    credits.settle(db, held, Charge("lab", "llama", DOLLAR // 2, 10, 20))
    office.held("theirs too", DOLLAR)
    budgets.set(db, office.owner, office.owner.id, Allowance(3 * DOLLAR), NOON)
    invites.invite(db, office.owner, "member", "new@other.example", NOON)
    audit.note(db, office.team.id, office.owner.id, "key.mint", office.key.id, "192.0.2.1", NOON)
    return office


def _invite_of(office: Office) -> str:
    return invites.list_of(office.db, office.owner, NOON)[0].id


def _everything(office: Office) -> list[object]:
    """Return all that a team has."""
    db, by = office.db, office.owner
    return [
        people.members(db, by.team),
        keys.list_of(db, by, revoked=True),
        invites.list_of(db, by, NOON),
        budgets.standings(db, by.team, NOON),
        journal.balance(db, by.team),
        journal.transfers(db, by.team),
        usage.usage(db, by, FIRST, LAST, "key"),
        usage.charges(db, by),
        audit.rows(db, by),
    ]
