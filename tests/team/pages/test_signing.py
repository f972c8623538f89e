"""Sign in and out: what is told, what is remembered, what is limited, and how sessions end."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Iterator
from pathlib import Path

import pytest

from mini_llm.team import accounts, people, sessions
from mini_llm.team.limits import Rule
from mini_llm.team.pages import signing
from mini_llm.team.settings import Settings
from tests.team.browsing import MANY, PASSWORD, House, house, wait


@pytest.fixture
def server(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "home") as server:
        yield server


def test_who_has_the_password_comes_in_and_is_led_on(server: House) -> None:
    browser = server.browser()
    answer = browser.submit("/signin", email=" ADA@example.com ", password=PASSWORD, next="/keys")
    assert (answer.status_code, answer.headers["location"]) == (303, "/keys")
    assert "Ada" in browser.get("/dashboard").text


def test_a_wrong_password_and_an_unknown_address_sound_the_same(server: House) -> None:
    browser = server.browser()
    wrong = browser.submit("/signin", email="ada@example.com", password="wrong")
    unknown = browser.submit("/signin", email="bob@example.com", password="wrong")
    assert wrong.status_code == unknown.status_code == 401
    assert "Email or password is wrong" in wrong.text
    assert wrong.text == unknown.text.replace("bob@", "ada@")
    assert server.cookie("session") not in browser.client.cookies


def test_an_unknown_address_costs_as_much_work_as_a_known_one(server: House) -> None:
    now = server.clock.now
    server.write(lambda db: accounts.create(db, "vouched@example.com", "V", now, identity=("https://i", "u")))
    server.write(lambda db: accounts.sign_in(db, "warm@up", "x"))  # the stand-in's own hash is made once
    for email in ("ada@example.com", "nobody@example.com", "vouched@example.com", "", "x" * 9000):
        assert verified(server, email) == 1, email


def verified(server: House, email: str) -> int:
    """Return how many passwords are verified when somebody tries to sign in."""
    profile = cProfile.Profile()
    server.write(lambda db: profile.runcall(accounts.sign_in, db, email, "wrong"))
    calls = pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]  # it is there since ever
    return sum(counts[0] for (_, _, name), counts in calls if name == "verify_secret")


def test_a_session_cookie_is_out_of_reach_and_bound_to_the_port(server: House) -> None:
    told = server.browser().submit("/signin", email="ada@example.com", password=PASSWORD)
    cookie = next(each for each in told.headers.get_list("set-cookie") if server.cookie("session") in each)
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie


def test_behind_https_cookies_are_secure_and_bound_to_the_host(tmp_path: Path) -> None:
    with house(tmp_path / "home", Settings(url="https://ai.example.com")) as server:
        told = server.browser().get("/signin")
        cookie = told.headers["set-cookie"]
        assert cookie.startswith("__Host-mini_llm_visit=")
        assert "; Secure" in cookie
        assert told.headers["strict-transport-security"].startswith("max-age=")


def test_signing_in_changes_the_session_and_ends_the_one_before(server: House) -> None:
    browser = server.browser()
    browser.submit("/signin", email="ada@example.com", password=PASSWORD)
    first = browser.client.cookies[server.cookie("session")]
    browser.submit("/signin", on="/keys", email="ben@example.com", password=PASSWORD)
    assert browser.client.cookies[server.cookie("session")] != first
    assert "ben@example.com" in browser.get("/dashboard").text
    assert is_over(server, first)


@pytest.mark.parametrize(
    "place",
    ["https://evil.example", "//evil.example", "/\\evil.example", "/signout", "keys", "/auth?user_code=BCDFGHJK&x=1",
     "/keys?done=revoked", "", "/keys\r\nset-cookie: a=b", "javascript:alert(1)"],
)  # fmt: skip
def test_nobody_is_led_elsewhere(place: str) -> None:
    assert signing.next_place(place) == "/dashboard"


def test_who_is_signed_in_already_is_led_on_to_our_own_pages_alone(server: House) -> None:
    browser = server.browser(server.owner)
    assert browser.get("/signin?next=/keys").headers["location"] == "/keys"
    assert browser.get("/signin?next=https://evil.example").headers["location"] == "/dashboard"


def test_who_came_with_a_devices_code_still_has_it_after_signing_in(server: House) -> None:
    browser = server.browser()
    led = browser.get("/auth?user_code=wdjb-mjht").headers["location"]
    page = browser.get(led).text
    assert 'name="next" value="/auth?user_code=WDJBMJHT"' in page
    answer = browser.submit("/signin", email="ada@example.com", password=PASSWORD, next="/auth?user_code=WDJBMJHT")
    assert "WDJB-MJHT" in browser.get(answer.headers["location"]).text


def test_signing_out_ends_the_session_at_the_server(server: House) -> None:
    browser = server.browser()
    browser.submit("/signin", email="ada@example.com", password=PASSWORD)
    token = browser.client.cookies[server.cookie("session")]
    answer = browser.submit("/signout", on="/keys")
    assert answer.headers["location"] == "/signin?done=signed-out"
    assert server.cookie("session") not in browser.client.cookies
    assert is_over(server, token)


def test_a_session_ends_when_nobody_comes_for_twelve_hours(server: House) -> None:
    browser = server.browser(server.owner)
    for _ in range(3):
        server.clock.jump(sessions.IDLE_SECONDS - 120)
        assert browser.get("/keys").status_code == 200
        wait(lambda: seen(server) == server.clock.now, "the note that somebody was here")
    server.clock.jump(sessions.IDLE_SECONDS)
    assert browser.get("/keys").status_code == 303


def test_a_session_ends_after_a_week_however_busy_it_was(server: House) -> None:
    browser = server.browser(server.owner)
    spent = 0
    while spent + sessions.IDLE_SECONDS // 2 < sessions.LONGEST_SECONDS:
        spent += sessions.IDLE_SECONDS // 2
        server.clock.jump(sessions.IDLE_SECONDS // 2)
        assert browser.get("/keys").status_code == 200
        wait(lambda: seen(server) == server.clock.now, "the note that somebody was here")
    server.clock.jump(sessions.IDLE_SECONDS // 2)
    assert browser.get("/keys").status_code == 303


def test_signing_out_everywhere_ends_every_other_session(server: House) -> None:
    here, there, other = (server.browser(who) for who in (server.owner, server.owner, server.admin))
    assert here.submit("/account/sessions/end-all", on="/account").headers["location"] == "/account?done=sessions-ended"
    assert (here.get("/keys").status_code, there.get("/keys").status_code) == (200, 303)
    assert other.get("/keys").status_code == 200


def test_one_other_browser_can_be_signed_out(server: House) -> None:
    here, there = server.browser(server.owner), server.browser(server.owner)
    found = server.write(lambda db: sessions.of_account(db, server.owner.account, server.clock.now))
    token = there.client.cookies[server.cookie("session")]
    session = server.write(lambda db: sessions.find(db, token, server.clock.now))
    assert session is not None and len(found) == 2
    here.submit("/account/sessions/end", on="/account", session=session.id)
    assert (here.get("/keys").status_code, there.get("/keys").status_code) == (200, 303)


def test_a_new_password_signs_the_other_browsers_out(server: House) -> None:
    here, there = server.browser(server.owner), server.browser(server.owner)
    fields = {"current": PASSWORD, "password": "a new and longer one"}
    assert here.submit("/account/password", on="/account", **{**fields, "current": "wrong"}).status_code == 422
    assert here.submit("/account/password", on="/account", **{**fields, "password": "short"}).status_code == 422
    assert there.get("/keys").status_code == 200
    assert here.submit("/account/password", on="/account", **fields).headers["location"] == "/account?done=password"
    assert (here.get("/keys").status_code, there.get("/keys").status_code) == (200, 303)
    assert server.browser().submit("/signin", email="ada@example.com", password=PASSWORD).status_code == 401
    assert server.browser().submit("/signin", email="ada@example.com", password=fields["password"]).status_code == 303


def test_who_is_removed_from_the_team_is_out_at_once(server: House) -> None:
    browser = server.browser(server.member)
    assert browser.get("/keys").status_code == 200
    server.write(lambda db: people.remove(db, server.owner, server.member.id, server.clock.now))
    assert browser.get("/keys").status_code == 303
    answer = browser.submit("/signin", email="cleo@example.com", password=PASSWORD)
    assert answer.status_code == 403
    assert "You are in no team here" in answer.text


def test_guessing_is_limited_for_an_account_and_the_right_password_does_not_help_then(tmp_path: Path) -> None:
    with house(tmp_path / "home", limits={**MANY, "sign_in_as": Rule(2, 60.0)}) as server:
        browser = server.browser()
        tries = [browser.submit("/signin", email="ada@example.com", password="wrong").status_code for _ in range(2)]
        assert tries == [401, 401]
        limited = browser.submit("/signin", email="ADA@example.com", password=PASSWORD)
        assert limited.status_code == 429
        assert limited.headers["retry-after"] == "60"
        assert browser.submit("/signin", email="nobody@example.com", password="wrong").status_code == 401
        server.clock.jump(60)
        assert browser.submit("/signin", email="ada@example.com", password=PASSWORD).status_code == 303


def test_guessing_is_limited_from_one_place_whichever_account_is_tried(tmp_path: Path) -> None:
    with house(tmp_path / "home", limits={**MANY, "sign_in_here": Rule(1, 60.0)}) as server:
        browser = server.browser()
        assert browser.submit("/signin", email="a@example.com", password="wrong").status_code == 401
        assert browser.submit("/signin", email="b@example.com", password="wrong").status_code == 429


@pytest.mark.parametrize("token", ["ps-", "ps-" + "A" * 43, "pk-" + "A" * 43, "A" * 43, "%00", "'; DROP TABLE session"])
def test_a_token_that_is_none_is_nobody(server: House, token: str) -> None:
    browser = server.browser()
    answer = browser.get("/keys", headers={"cookie": f"{server.cookie('session')}={token}"})
    assert answer.status_code == 303


def test_two_session_cookies_are_none(server: House) -> None:
    one = server.browser(server.owner).client.cookies[server.cookie("session")]
    other = server.browser(server.member).client.cookies[server.cookie("session")]
    name = server.cookie("session")
    assert server.browser().get("/keys", headers={"cookie": f"{name}={one}; {name}={other}"}).status_code == 303


def is_over(server: House, token: str) -> bool:
    return server.write(lambda db: sessions.find(db, token, server.clock.now)) is None


def seen(server: House) -> float:
    found = server.write(lambda db: sessions.of_account(db, server.owner.account, server.clock.now))
    return found[0].seen_at
