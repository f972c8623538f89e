"""The pages in a real browser, on a phone and on a desk, light and dark: readable by all, nothing loaded, all works.

MINI_LLM_SHOTS=FOLDER keeps a picture of each page.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from mini_llm.team import devices, invites
from mini_llm.team.devices import Issued
from mini_llm.team.roles import Member
from mini_llm.team.settings import OpenIdConnect, Settings
from tests import chromium
from tests.team.browsing import PASSWORD, House, house
from tests.team.filled import fill
from tests.team.issuer import Issuer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.skipif(bool(chromium.missing()), reason=chromium.missing() or "all is there")

SCREENS = {"phone": (375, "light"), "desk": (1280, "dark")}
SHOTS = os.environ.get("MINI_LLM_SHOTS", "")


class Look(NamedTuple):
    """A browser window. `asked` are the addresses it asked for, `said` what its console said."""

    page: Page
    screen: str
    asked: list[str]
    said: list[str]

    def check(self, name: str, origin: str) -> None:
        """Hold the page that is open to what all pages must be."""
        if SHOTS:
            self.page.screenshot(path=str(Path(SHOTS) / f"{name}-{self.screen}.png"), full_page=True)
        assert chromium.violations(self.page) == [], name
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        assert not self.page.evaluate(wide), f"{name} is wider than the screen"
        assert [each for each in self.asked if not each.startswith(f"{origin}/")] == []
        assert [each for each in self.said if "status of 4" not in each] == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.browsing() as browser:
        yield browser


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
def server(tmp_path: Path, issuer: Issuer) -> Iterator[House]:
    company = OpenIdConnect(issuer.url, issuer.client_id)
    with house(tmp_path / "home", Settings(oidc=company)) as server:
        yield server


def window(browser: Browser, server: House, screen: str, who: Member | None = None) -> Look:
    """Open a window of that size, in which *who* is signed in."""
    width, scheme = SCREENS[screen]
    dark = "dark" if scheme == "dark" else "light"
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=dark)  # type: ignore[arg-type]
    chromium.watched(context)
    if who is not None:
        token = server.browser(who).client.cookies[server.cookie("session")]
        context.add_cookies([{"name": server.cookie("session"), "value": token, "url": server.url}])
    look = Look(context.new_page(), screen, [], [])
    look.page.set_default_timeout(60_000)
    look.page.on("request", lambda request: look.asked.append(request.url))
    look.page.on("console", lambda message: look.said.append(message.text))
    return look


@pytest.mark.parametrize("screen", SCREENS)
def test_every_page_of_an_owner_is_in_order(browser: Browser, server: House, screen: str) -> None:
    code = fill(server)
    look = window(browser, server, screen, server.owner)
    page = look.page
    for path in ("dashboard", "keys", "usage", "budgets", "credits", "members", "audit", "account", "auth"):
        page.goto(f"{server.url}/{path}")
        look.check(path, server.url)
    page.goto(f"{server.url}/auth?user_code={code}")
    look.check("auth-link", server.url)
    page.get_by_role("button", name="My terminal shows this code").click()
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("Limit what this key may do").click()
    look.check("consent", server.url)
    page.get_by_role("button", name="Yes, connect it").click()
    look.check("connected", server.url)
    page.goto(f"{server.url}/keys")
    page.get_by_label("Name").fill("laptop")
    page.get_by_label("Budget in US dollars").fill("lots")
    page.get_by_role("button", name="Make key").click()
    look.check("keys-wrong", server.url)
    page.get_by_label("Budget in US dollars").fill("5")
    page.get_by_role("button", name="Make key").click()
    look.check("key-made", server.url)
    page.goto(f"{server.url}/members")
    page.get_by_role("button", name="Make invitation link").click()
    look.check("invited", server.url)
    page.goto(f"{server.url}/members/remove?member={server.member.id}")
    look.check("remove", server.url)
    page.goto(f"{server.url}/members/models?member={server.member.id}")
    look.check("member-models", server.url)
    page.goto(f"{server.url}/members/remove?member=nobody")
    look.check("missing", server.url)
    page.context.close()


@pytest.mark.parametrize("screen", SCREENS)
def test_every_page_of_a_visitor_and_of_a_new_member_is_in_order(browser: Browser, server: House, screen: str) -> None:
    look = window(browser, server, screen)
    page = look.page
    page.goto(f"{server.url}/auth")
    look.check("signin", server.url)
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    look.check("signin-wrong", server.url)
    _, token = server.write(lambda db: invites.invite(db, server.owner, "member", None, server.clock.now))
    page.goto(f"{server.url}/invite?token={token}")
    look.check("invite", server.url)
    page.get_by_label("Your name").fill("Dora")
    page.get_by_label("Email").fill("dora@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account and join").click()
    empty = ("dashboard", "keys", "usage", "budgets", "credits", "members") if screen == "phone" else ("dashboard",)
    for path in empty:
        page.goto(f"{server.url}/{path}")
        look.check(f"new-{path}", server.url)
    page.context.close()


def test_a_person_with_a_keyboard_alone_signs_in_and_connects_a_device(browser: Browser, server: House) -> None:
    now = server.clock.now
    grant = server.write(lambda db: devices.begin(db, "mini-llm-cli", "ada-laptop", "192.0.2.7", "", now))
    look = window(browser, server, "phone")
    page, keyboard = look.page, look.page.keyboard
    page.goto(f"{server.url}/auth")
    page.get_by_label("Email").focus()
    keyboard.type("ada@example.com")
    keyboard.press("Tab")
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    page.get_by_label("Code").focus()
    keyboard.type(grant.user_code.replace("-", "").lower())
    keyboard.press("Enter")
    page.get_by_role("button", name="Yes, connect it").focus()
    keyboard.press("Enter")
    page.get_by_role("heading", name="Connected").wait_for()
    answer = server.write(lambda db: devices.poll(db, grant.device_code, "mini-llm-cli", now + 10))
    assert isinstance(answer, Issued)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You are signed out").wait_for()
    page.context.close()


def test_the_companys_sign_in_is_reached_although_forms_lead_nowhere_else(
    browser: Browser, server: House, issuer: Issuer
) -> None:
    look = window(browser, server, "desk")
    look.page.goto(f"{server.url}/signin")
    look.page.get_by_role("link", name="Continue with 127.0.0.1").click()
    look.page.wait_for_url(f"{issuer.url}/authorize?**")
    look.page.context.close()
