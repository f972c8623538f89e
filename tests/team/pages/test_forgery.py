"""Forms that no page of ours sent, and texts that want to be more than text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from markupsafe import escape

from mini_llm.team import audit, devices, invites, journal, keys
from mini_llm.team.pages import PAGES
from mini_llm.team.roles import Operator
from mini_llm.team.store import Db
from tests.team.browsing import PASSWORD, Browser, House, house

POSTS = sorted(path for path, found in PAGES.items() if "POST" in found)
TAGS = re.compile(
    "html|head|meta|title|link|body|a|header|div|img|nav|ul|li|form|input|button|main|footer|h1|h2|p|section|dl|dt|dd"
    "|small|code|span|label|select|option|table|caption|thead|tbody|tfoot|tr|th|td|time|strong|details|summary|figure"
    "|figcaption|svg|rect|line|text"
)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "</title><svg/onload=alert(1)>",
    "&lt;b&gt;&#x3c;i&#x3e;",
    "</textarea><!--",
    "\u202egpj.exe",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("pages") / "home") as server:
        yield server


def forged(server: House, path: str, browser: Browser, **headers: str) -> int:
    """Send the form as it is sent by our own page, but with *headers*; return the status."""
    on = path if "GET" in PAGES[path] and not path.startswith("/members/") else "/keys"
    return browser.post(
        path, {"csrf": browser.csrf(on if on != "/signin" else "/keys"), "name": "x"}, **headers
    ).status_code


@pytest.mark.parametrize("path", [path for path in POSTS if not path.startswith("/invite")])
def test_a_form_needs_a_token_of_this_very_session(server: House, path: str) -> None:
    browser, other = server.browser(server.owner), server.browser(server.admin)
    visitor = server.browser()
    tokens = ["", "x", other.csrf("/keys"), visitor.csrf("/signin"), server.browser(server.owner).csrf("/keys")]
    for token in tokens:
        answer = browser.post(path, {"csrf": token} if token else {"name": "x"})
        assert answer.status_code == 403, (path, token)


@pytest.mark.parametrize("path", [path for path in POSTS if not path.startswith("/invite")])
def test_a_form_of_another_site_is_refused(server: House, path: str) -> None:
    browser = server.browser(server.owner)
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "https://chat.example.com"},
        {"origin": "null"},
        {"origin": f"{server.url}.evil.example"},
        {"origin": server.url.replace("127.0.0.1", "localhost")},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        assert forged(server, path, browser, **headers) == 403, (path, headers)


def test_nothing_was_done_by_a_forged_form(server: House) -> None:
    browser = server.browser(server.member)
    forged(server, "/keys", browser, origin="https://evil.example")
    browser.post("/keys", {"name": "x"})
    assert server.write(lambda db: keys.list_of(db, server.member, revoked=True)) == []


def test_somebody_cannot_be_signed_in_by_a_form_without_their_own_cookie(server: House) -> None:
    attacker, victim = server.browser(), server.browser()
    fields = {"csrf": attacker.csrf("/signin"), "email": "ada@example.com", "password": PASSWORD}
    assert victim.post("/signin", fields).status_code == 403
    assert server.cookie("session") not in victim.client.cookies
    assert attacker.post("/signin", fields).status_code == 303


def test_a_field_that_came_twice_is_refused(server: House) -> None:
    browser = server.browser(server.owner)
    body = f"csrf={browser.csrf('/keys')}&name=a&name=b"
    headers = {"origin": server.url, "content-type": "application/x-www-form-urlencoded"}
    assert browser.client.post("/keys", content=body.encode(), headers=headers).status_code == 400


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_stays_a_text_wherever_it_is_shown(server: House, text: str) -> None:
    ada, now = server.owner, server.clock.now
    person = server.join(ada.team, f"p{abs(hash(text))}@example.com", "admin", name=text)

    def plant(db: Db) -> str:
        keys.mint(db, person, text, person.ceiling._replace(models=(text,)), person, now)
        invites.invite(db, person, "member", None, now)
        journal.top_up(db, Operator(ada.team), 1, text, now, note=text)
        audit.note(db, ada.team, text, text, text, text, now, x=text)
        return devices.begin(db, "mini-llm-cli", text, text, "", now).user_code

    code = server.write(plant)
    browser = server.browser(person, agent=text)
    shown = [
        browser.get(path).text
        for path in ("/dashboard", "/keys", "/members", "/credits", "/audit", "/account", "/usage")
    ]
    shown.append(browser.get(f"/members/remove?member={server.member.id}").text)
    shown.append(browser.submit("/auth", code=code).text)
    shown.append(browser.submit("/keys", name=text, models=text, budget=text, period=text, expires=text).text)
    shown.append(browser.submit("/members/invite", on="/members", email=text, role=text).text)
    shown.append(browser.submit("/budgets", scope=text, amount=text, period=text).text)
    words = ("next", "days", "by", "of", "search", "done", "user_code", "fill", "before", "member")
    for path in ("/signin", "/usage", "/audit", "/auth", "/credits", "/members/remove", "/keys"):
        shown.append(browser.get(path, params=dict.fromkeys(words, text)).text)
    for page in shown:
        Strict().feed(page)
        assert "\u202e" not in page
    visible = text.replace("\u202e", "�" if text.startswith("\u202e") else "")
    assert sum(str(escape(visible)) in page for page in shown) > 5


class Strict(HTMLParser):
    """Reads a page as browsers do, and fails where it holds what our templates do not."""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert TAGS.fullmatch(tag), tag
        for name, value in attributes:
            assert not name.startswith("on") and name not in ("style", "srcdoc", "formaction", "background"), (
                tag,
                name,
            )
            if name in ("src", "href", "action"):
                assert value is not None and value[:1] in ("/", "#") and value[:2] != "//", (tag, name, value)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")
