"""Invitations: a link becomes an account or a membership, once; also by the company's sign-in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mini_llm.team import accounts, invites, people
from mini_llm.team.roles import Role
from mini_llm.team.settings import OpenIdConnect, Settings
from mini_llm.team.store import Db
from tests.team.browsing import PASSWORD, START, Browser, House, house
from tests.team.issuer import Issuer

NEW = {"act": "create", "name": "Dora", "email": "dora@example.com", "password": PASSWORD}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "home") as server:
        yield server


def invited(server: House, role: Role = "member", email: str | None = None) -> str:
    return server.write(lambda db: invites.invite(db, server.owner, role, email, server.clock.now))[1]


def followed(browser: Browser, token: str) -> None:
    """Follow an invitation link."""
    answer = browser.get(f"/invite?token={token}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/invite")


def role_of(server: House, email: str) -> str:
    def look(db: Db) -> str:
        account = accounts.by_email(db, email)
        found = people.membership(db, account.id, server.owner.team) if account else None
        return found.role if found else ""

    return server.write(look)


def test_a_link_makes_an_account_that_is_signed_in_and_has_the_role(server: House) -> None:
    browser = server.browser()
    followed(browser, invited(server, "admin"))
    assert "Join Lovelace" in browser.get("/invite").text
    answer = browser.submit("/invite", **NEW)
    assert answer.headers["location"] == "/dashboard?done=welcome"
    assert "Hello, Dora" in browser.get("/dashboard").text
    assert role_of(server, "dora@example.com") == "admin"
    assert server.browser().submit("/signin", email=NEW["email"], password=PASSWORD).status_code == 303


def test_the_token_does_not_stay_in_the_address(server: House) -> None:
    browser, token = server.browser(), invited(server)
    followed(browser, token)
    assert token not in browser.get("/invite").text
    assert "HttpOnly" in browser.get(f"/invite?token={token}").headers["set-cookie"]


def test_a_link_is_good_once(server: House) -> None:
    token, first, second = invited(server), server.browser(), server.browser()
    followed(first, token)
    followed(second, token)
    csrf = second.csrf("/invite")
    first.submit("/invite", **NEW)
    answer = second.post("/invite", {**NEW, "email": "eve@example.com", "csrf": csrf})
    assert answer.status_code == 404
    assert server.write(lambda db: accounts.by_email(db, "eve@example.com")) is None
    assert server.browser().get(f"/invite?token={token}").status_code == 404


@pytest.mark.parametrize("token", ["", "pi-x", "pi-" + "A" * 43, "ps-" + "A" * 43])
def test_a_link_that_is_none_says_so(server: House, token: str) -> None:
    answer = server.browser().get(f"/invite?token={token}")
    assert answer.status_code == 404
    assert "This invitation does not hold any more" in answer.text


def test_an_old_or_withdrawn_link_is_none(server: House) -> None:
    token = invited(server)
    server.clock.jump(8 * 86400)
    assert server.browser().get(f"/invite?token={token}").status_code == 404


def test_an_invitation_for_one_address_is_for_no_other(server: House) -> None:
    browser = server.browser()
    followed(browser, invited(server, email="dora@example.com"))
    assert browser.submit("/invite", **{**NEW, "email": "eve@example.com"}).status_code == 403
    assert server.write(lambda db: accounts.by_email(db, "eve@example.com")) is None
    assert browser.submit("/invite", **NEW).status_code == 303


def test_nobody_without_an_invitation_learns_who_has_an_account(server: House) -> None:
    token, browser = invited(server), server.browser()
    followed(browser, token)
    csrf = browser.csrf("/invite")
    server.write(lambda db: invites.withdraw(db, server.owner, invites.list_of(db, server.owner, START)[0].id, START))
    answers = [
        browser.post("/invite", {**NEW, "email": one, "csrf": csrf}) for one in ("ada@example.com", "x@y.example")
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].text == answers[1].text


def test_who_holds_anothers_invitation_does_not_learn_who_has_an_account(server: House) -> None:
    browser = server.browser()
    followed(browser, invited(server, email="dora@example.com"))
    answers = [browser.submit("/invite", **{**NEW, "email": one}) for one in ("ada@example.com", "x@y.example")]
    assert [answer.status_code for answer in answers] == [403, 403]


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"password": "short"}, 422),
        ({"password": "x" * 300}, 422),
        ({"name": ""}, 422),
        ({"email": "no address"}, 422),
        ({"email": "ada@example.com"}, 409),
    ],
)
def test_what_is_wrong_is_told_and_the_invitation_holds(server: House, wrong: dict[str, str], status: int) -> None:
    browser = server.browser()
    followed(browser, invited(server))
    assert browser.submit("/invite", **{**NEW, **wrong}).status_code == status
    assert browser.submit("/invite", **NEW).status_code == 303


def test_who_is_signed_in_joins_with_that_account_and_sees_the_new_team(server: House) -> None:
    browser = server.browser(server.other)
    followed(browser, invited(server))
    assert "Join as grace@example.org" in browser.get("/invite").text
    answer = browser.submit("/invite", act="join")
    assert answer.headers["location"] == "/dashboard?done=joined"
    page = browser.get("/dashboard").text
    assert "You are member of Lovelace" in page
    assert "Go to Hopper" in page
    browser.submit("/account/team", on="/account", team=server.other.team)
    assert "You are owner of Hopper" in browser.get("/dashboard").text


def test_who_signs_in_to_join_has_joined(server: House) -> None:
    browser = server.browser()
    followed(browser, invited(server))
    answer = browser.submit("/signin", email="grace@example.org", password=PASSWORD, next="/invite")
    assert answer.headers["location"] == "/dashboard?done=joined"
    assert role_of(server, "grace@example.org") == "member"


def test_an_invitation_in_the_browser_does_nothing_when_somebody_just_signs_in(server: House) -> None:
    browser = server.browser()
    followed(browser, invited(server))
    browser.submit("/signin", email="grace@example.org", password=PASSWORD)
    assert role_of(server, "grace@example.org") == ""


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
def company(tmp_path: Path, issuer: Issuer) -> Iterator[House]:
    issuer.lies = ""
    issuer.says()
    (tmp_path / "secret").write_text(issuer.client_secret)
    (tmp_path / "secret").chmod(0o600)
    reference = f"file:{tmp_path / 'secret'}"
    with house(tmp_path / "home", Settings(oidc=OpenIdConnect(issuer.url, issuer.client_id, reference))) as server:
        issuer.now = server.clock
        yield server


def vouched(browser: Browser, issuer: Issuer, next: str = "/keys") -> httpx.Response:
    """Go to the company's sign-in and come back; return the answer."""
    led = browser.get(f"/signin/company?next={next}")
    assert led.status_code == 303
    return browser.get(issuer.visit(led.headers["location"]))


def test_the_companys_sign_in_makes_an_account_for_an_invitation_and_knows_it_afterwards(
    company: House, issuer: Issuer
) -> None:
    browser = company.browser()
    issuer.says("u-9", "dora@example.com", name="Dora")
    followed(browser, invited(company))
    assert "Continue with 127.0.0.1" in browser.get("/invite").text
    answer = vouched(browser, issuer, "/invite")
    assert answer.headers["location"] == "/dashboard?done=welcome"
    assert "Hello, Dora" in browser.get("/dashboard").text
    again = company.browser()
    issuer.says("u-9", "dora.renamed@example.com")
    assert vouched(again, issuer).headers["location"] == "/keys"
    assert "dora@example.com" in again.get("/dashboard").text


def test_whom_the_company_knows_and_the_team_does_not_stays_outside(company: House, issuer: Issuer) -> None:
    issuer.says("stranger", "eve@example.com")
    browser = company.browser()
    answer = vouched(browser, issuer)
    assert answer.status_code == 403
    assert company.cookie("session") not in browser.client.cookies


def test_an_address_alone_takes_over_no_account(company: House, issuer: Issuer) -> None:
    issuer.says("eve", "ada@example.com")
    assert vouched(company.browser(), issuer).status_code == 403
    holder = company.browser()
    followed(holder, invited(company))
    assert vouched(holder, issuer, "/invite").status_code == 409


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_makes_nobody_join_by_the_companys_sign_in(company: House, issuer: Issuer, site: str) -> None:
    browser = company.browser()
    issuer.says("dora", "dora@example.com")
    followed(browser, invited(company))
    led = browser.get("/signin/company?next=/invite", headers={"sec-fetch-site": site})
    assert led.headers["location"] == "/signin?next=/invite"
    assert role_of(company, "dora@example.com") == ""


def test_an_invitation_in_the_browser_does_nothing_at_the_companys_sign_in_for_another_page(
    company: House, issuer: Issuer
) -> None:
    browser = company.browser()
    issuer.says("dora", "dora@example.com")
    followed(browser, invited(company))
    assert vouched(browser, issuer, "/keys").status_code == 403
    assert role_of(company, "dora@example.com") == ""


def test_an_answer_is_good_only_in_the_browser_that_asked(company: House, issuer: Issuer) -> None:
    mine, theirs = company.browser(), company.browser()
    back = issuer.visit(mine.get("/signin/company").headers["location"])
    assert theirs.get(back).status_code == 502
    theirs.get("/signin/company")
    assert theirs.get(back).status_code == 502
    assert mine.get("/signin/company/callback?state=x&code=y").status_code == 502


def test_an_issuer_that_lies_signs_nobody_in_and_the_page_says_no_more(company: House, issuer: Issuer) -> None:
    issuer.lies = "audience"
    browser = company.browser()
    answer = vouched(browser, issuer)
    assert answer.status_code == 502
    assert "aud" not in answer.text.replace("audit", "")
    assert company.cookie("session") not in browser.client.cookies


def test_without_a_company_there_is_no_such_sign_in(server: House) -> None:
    assert server.browser().get("/signin/company").status_code == 404
    assert server.browser().get("/signin/company/callback").status_code == 404
