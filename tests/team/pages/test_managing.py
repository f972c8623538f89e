"""Keys, members, budgets, credits, usage: what the pages do is done in the books, and the audit tells of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mini_llm.team import audit, budgets, keys, people
from mini_llm.team.rights import Allowance
from mini_llm.team.store import Db
from tests.team.browsing import House, house
from tests.team.filled import fill

DOLLAR = 10**9


@pytest.fixture
def server(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "home") as server:
        yield server


def acts(server: House) -> list[str]:
    return server.write(lambda db: [row.what for row in audit.rows(db, server.owner)])


def test_a_key_is_shown_once_works_and_can_be_taken_away(server: House) -> None:
    browser, now = server.browser(server.member), server.clock.now
    made = browser.submit("/keys", name="laptop", models="openai/*, gpt-5.5", budget="20", expires="30")
    token = re.search(r"pk-[\w-]{43}", made.text)
    assert token, made.text
    key = server.write(lambda db: keys.find(db, token[0], now))
    assert key is not None and key.member == server.member.id
    assert key.rights.models == ("openai/*", "gpt-5.5")
    assert key.rights.budget == Allowance(20 * DOLLAR, "monthly")
    assert key.rights.expires_at == now + 30 * 86400
    shown = browser.get("/keys").text
    assert "laptop" in shown and token[0] not in shown
    assert browser.submit("/keys/revoke", on="/keys", key=key.id).headers["location"] == "/keys?done=revoked"
    assert server.write(lambda db: keys.find(db, token[0], now)) is None
    assert "revoked" in browser.get("/keys").text
    assert acts(server)[:2] == ["key.revoke", "key.mint"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"models": "*"}, "models"),
        ({"models": "gpt-5.5, other"}, "models"),
        ({"budget": "10.01"}, "budget"),
        ({"budget": "5", "period": "daily"}, "budget"),
        ({"budget": "x"}, "budget"),
        ({"period": "hourly"}, "period"),
        ({"expires": "-1"}, "expires"),
        ({"name": ""}, "name"),
        ({"name": "x" * 81}, "name"),
    ],
)
def test_a_key_gets_no_more_than_its_maker_may(server: House, asked: dict[str, str], field: str) -> None:
    def restrict(db: Db) -> None:
        people.set_models(db, server.owner, server.member.id, ("gpt-5.5",))
        budgets.set(db, server.owner, server.member.id, Allowance(10 * DOLLAR, "monthly"), 0.0)

    server.write(restrict)
    browser = server.browser(server.member)
    answer = browser.submit("/keys", **{"name": "laptop", **asked})
    assert answer.status_code == 422
    assert f'id="{field}-wrong"' in answer.text
    assert server.write(lambda db: keys.list_of(db, server.member)) == []
    assert "pk-" in browser.submit("/keys", name="laptop").text
    (key,) = server.write(lambda db: keys.list_of(db, server.member))
    assert key.rights.models == ("gpt-5.5",)


def test_what_was_typed_is_still_there_when_something_is_wrong(server: House) -> None:
    answer = server.browser(server.owner).submit("/keys", name="my laptop", budget="lots", expires="30")
    assert 'value="my laptop"' in answer.text
    assert 'value="lots"' in answer.text
    assert '<option value="30" selected>' in answer.text


def test_an_admin_invites_and_takes_the_invitation_back(server: House) -> None:
    browser = server.browser(server.admin)
    made = browser.submit("/members/invite", on="/members", email="dora@example.com", role="member")
    link = re.search(rf"{re.escape(server.url)}(/invite\?token=pi-[\w-]{{43}})", made.text)
    assert link, made.text
    assert server.browser().get(link[1]).status_code == 303
    invite = re.search(r'value="(inv_[0-9a-f]+)"', browser.get("/members").text)
    assert invite
    browser.submit("/members/withdraw", on="/members", invite=invite[1])
    assert server.browser().get(link[1]).status_code == 404
    assert acts(server)[:2] == ["invite.withdraw", "invite.make"]


def test_nobody_gives_a_role_that_they_have_not(server: House) -> None:
    browser = server.browser(server.admin)
    for path, fields in (
        ("/members/invite", {"role": "owner"}),
        ("/members/invite", {"role": "root"}),
        ("/members/role", {"member": server.member.id, "role": "owner"}),
        ("/members/role", {"member": server.owner.id, "role": "member"}),
        ("/members/remove", {"member": server.owner.id}),
    ):
        assert browser.submit(path, on="/members", **fields).status_code in (403, 422), (path, fields)
    roles = server.write(lambda db: {each.name: each.role for each in people.members(db, server.owner.team)})
    assert roles == {"Ada": "owner", "Ben": "admin", "Cleo": "member"}


def test_a_role_is_given_and_a_member_is_removed_only_after_a_question(server: House) -> None:
    browser = server.browser(server.owner)
    browser.submit("/members/role", on="/members", member=server.member.id, role="admin")
    question = f"/members/remove?member={server.admin.id}"
    assert "Remove Ben?" in browser.get(question).text
    browser.submit("/members/remove", on=question, member=server.admin.id)
    roles = server.write(lambda db: {each.name: each.role for each in people.members(db, server.owner.team)})
    assert roles == {"Ada": "owner", "Cleo": "admin"}
    assert acts(server)[:2] == ["member.remove", "member.role"]


def test_a_member_is_given_models_and_all_of_them_again(server: House) -> None:
    browser, cleo = server.browser(server.admin), server.member
    question = f"/members/models?member={cleo.id}"
    browser.submit("/members/models", on=question, member=cleo.id, models="gpt-5.5, openai/*")
    found = server.write(lambda db: people.member(db, cleo.team, cleo.id))
    assert found is not None and found.models == ("gpt-5.5", "openai/*")
    assert 'value="gpt-5.5, openai/*"' in browser.get(question).text
    browser.submit("/members/models", on=question, member=cleo.id, models=" ")
    found = server.write(lambda db: people.member(db, cleo.team, cleo.id))
    assert found is not None and found.models is None
    assert browser.submit("/members/models", on=question, member=server.owner.id, models="x").status_code == 403
    assert acts(server)[0] == "member.models"


def test_the_last_owner_stays(server: House) -> None:
    browser = server.browser(server.owner)
    answer = browser.submit("/members/remove", on="/members", member=server.owner.id)
    assert answer.status_code == 409
    assert "A team keeps an owner" in answer.text


def test_a_budget_is_set_shown_to_whom_it_binds_and_taken_away(server: House) -> None:
    admin, member = server.browser(server.admin), server.browser(server.member)
    answer = admin.submit("/budgets", scope=server.member.id, amount="12.50", period="weekly")
    assert answer.headers["location"] == "/budgets?done=budget"
    found = server.write(lambda db: budgets.of(db, server.owner.team, server.member.id))
    assert found == Allowance(12_500_000_000, "weekly")
    assert "$12.50 a week" in member.get("/budgets").text
    admin.submit("/budgets/remove", on="/budgets", scope=server.member.id)
    assert server.write(lambda db: budgets.of(db, server.owner.team, server.member.id)) is None
    assert acts(server)[:2] == ["budget.remove", "budget.set"]


@pytest.mark.parametrize("fields", [{"amount": ""}, {"amount": "-1"}, {"amount": "1", "period": "x"}])
def test_a_budget_that_is_none_is_told(server: House, fields: dict[str, str]) -> None:
    browser = server.browser(server.owner)
    assert browser.submit("/budgets", scope=server.owner.team, **fields).status_code == 422


def test_a_member_sees_their_own_usage_and_an_admin_everybodys(server: House) -> None:
    fill(server)
    member = server.browser(server.member).get("/usage?by=member&of=team").text
    assert "What you used" in member and "ada@example.com" not in member
    admin = server.browser(server.admin)
    everybody = admin.get("/usage?by=member").text
    assert all(who in everybody for who in ("ada@example.com", "ben@example.com", "cleo@example.com"))
    assert "ada@example.com" not in admin.get("/usage?by=member&of=me").text
    assert everybody.count('class="bar"') > 20


def test_credits_and_audit_go_on_where_a_page_ends(server: House) -> None:
    fill(server)

    def note(db: Db) -> None:
        for number in range(120):
            audit.note(db, server.owner.team, "server", f"x{number}", "", "", 0.0)

    server.write(note)
    browser = server.browser(server.owner)
    assert "+$250.00" in browser.get("/credits").text
    first = browser.get("/audit").text
    older = re.search(r'href="(/audit\?before=\d+)"', first)
    assert older and "x119" in first and "x69" not in first
    second = browser.get(older[1]).text
    assert "x69" in second and "x119" not in second
    assert "x77" in browser.get("/audit?search=x77").text
    assert "Nothing found" in browser.get("/audit?search=%25").text
