"""The demo, whole: a company's server is up, a laptop signs in to it, asks, looks, falls back, and signs out.

Real processes: `mini-llm team start` on one side, the command line on a terminal on the other, and between them a
browser that says yes: one without script that posts forms, and headless Chromium where that is installed.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.cli.process import Result, Terminal, inside, on_terminal, run, start
from tests.gateway.running import PATIENCE, wait_for
from tests.team.browsing import Browser
from tests.upstream import Provider, Say, Status

pytest.importorskip("argon2")
if sys.platform == "win32":
    pytest.skip("there is no pseudo-terminal", allow_module_level=True)

EMAIL, PASSWORD = "olga@example.com", "correct horse battery"
PRICES = {"input": "1000.00", "output": "2000.00"}  # so that an answer costs two cents
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""


class Company(NamedTuple):
    """A team server that runs, the provider behind it, and its operator's home."""

    url: str
    provider: Provider
    home: Path

    def key_works(self, key: str) -> bool:
        headers = {"authorization": f"Bearer {key}"}
        answer = httpx.get(f"{self.url}/v1/account", headers=headers, timeout=PATIENCE, trust_env=False)
        assert answer.status_code in (200, 401)
        return answer.status_code == 200

    def wait_until_dead(self, key: str) -> None:
        """Wait until the key is refused: a server may know a key for five seconds more."""
        wait_for(lambda: not self.key_works(key), "the end of the key")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    home = tmp_path_factory.mktemp("company")
    made = run(
        *(home, "team", "init", "--name", "Acme", "--email", EMAIL, "--password-stdin", "--json"),
        stdin=f"{PASSWORD}\n".encode(),
        timeout=PATIENCE,
    )
    assert made.code == 0, made.err
    with Provider(Say("Hello from Acme")) as provider:
        lab = {"baseUrl": provider.url, "models": ["m"], "apiKey": "sk-lab-0123456789"}
        settings = {"providers": {"lab": lab}, "prices": {"lab/m": PRICES}, "wallet": {"type": "none"}}
        Path(json.loads(made.out)["config"]).write_text(json.dumps(settings))
        server = start(home, "team", "start", "--port", "0", "--json")
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line, server.stderr.read().decode() if server.stderr else ""
            yield Company(json.loads(line)["url"], provider, home)
        finally:
            server.terminate()
            server.communicate(timeout=PATIENCE)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


def test_a_laptop_signs_in_asks_looks_and_signs_out(company: Company, home: Path) -> None:
    signed_in(company, home, by_forms)
    key = key_of(home)
    assert company.key_works(key)
    before = status(home)
    assert before["service"] == company.url.removeprefix("http://")
    assert (before["account"]["email"], before["team"]["name"]) == (EMAIL, "Acme")

    answered = chat(home)
    assert answered == Result(0, "Hello from Acme\n", "")
    asked = before["usage"]["requests_today"] + 1
    after = wait_for(
        lambda: found if (found := status(home))["usage"]["requests_today"] == asked else None, "the charge"
    )
    assert before["credits"]["balance_nanos"] - after["credits"]["balance_nanos"] == 20_000_000
    assert after["usage"]["today_nanos"] - before["usage"]["today_nanos"] == 20_000_000
    code, screen = on_terminal(home, "status", timeout=PATIENCE)
    assert code == 0
    assert f"Connected to {before['service']} as {EMAIL}" in screen
    assert re.search(rf"credits \$4\.[0-9]+ · today \$[0-9.]+ in {asked} request", screen)

    code, screen = on_terminal(home, "logout", timeout=PATIENCE)
    assert (code, "revoked and forgotten" in screen) == (0, True)
    company.wait_until_dead(key)
    assert chat(home, "-m", "passy/m").code == 4


def test_the_wallet_answers_when_the_user_s_own_key_is_broken_and_only_once_it_may(
    company: Company, home: Path
) -> None:
    with Provider(Status(401, {"error": {"message": "bad key", "type": "invalid_api_key"}})) as own:
        mine = {"baseUrl": own.url, "models": ["m"], "apiKey": "sk-mine-0123456789"}
        (home / "config.json").write_text(json.dumps({"providers": {"mine": mine}, "default": "mine/m"}))
        told = signed_in(company, home, by_forms)
        assert "mini-llm config set wallet.features.fallback true" in told
        assert chat(home).code == 4
        assert inside(home, "config", "set", "wallet.features.fallback", "true").code == 0
        assert chat(home).out == "Hello from Acme\n"
        payers = json.loads(inside(home, "usage", "--by", "payer", "--json").out)
        assert "wallet" in json.dumps(payers)
    assert inside(home, "logout").code == 0


def test_a_no_leaves_nothing(company: Company, home: Path) -> None:
    terminal = Terminal(home, "login", "--url", company.url)
    by_forms(company.url, code_on(terminal), decision="no")
    assert terminal.end(PATIENCE) == 4
    assert "you declined the request in the browser" in terminal.plain
    assert list(home.glob("*.json")) == []


def test_a_token_that_runs_out_is_renewed_and_its_family_dies_with_the_logout(company: Company, home: Path) -> None:
    assert inside(company.home, "team", "set", "--token-seconds", "3600").code == 0
    try:
        signed_in(company, home, by_forms)
    finally:
        assert inside(company.home, "team", "set", "--token-seconds", "0").code == 0
    first = key_of(home)
    record = json.loads((home / "wallets.json").read_text())
    (login,) = record["logins"].values()
    login["renew_at"] = 1.0  # long ago
    (home / "wallets.json").write_text(json.dumps(record))
    assert chat(home).out == "Hello from Acme\n"
    second = key_of(home)
    assert second != first
    assert inside(home, "logout").code == 0
    company.wait_until_dead(second)
    company.wait_until_dead(first)


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: apt-get install chromium")
def test_somebody_says_yes_in_a_real_browser(company: Company, home: Path) -> None:
    pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install playwright")
    signed_in(company, home, in_chromium)
    assert chat(home).out == "Hello from Acme\n"
    assert inside(home, "logout").code == 0


def signed_in(company: Company, home: Path, approve: Any) -> str:
    """Sign in on a terminal while *approve* says yes elsewhere; return what the terminal showed."""
    terminal = Terminal(home, "login", "--url", company.url)
    approve(company.url, code_on(terminal))
    assert terminal.end(PATIENCE) == 0, terminal.plain
    assert key_of(home) not in terminal.screen
    return terminal.plain


def code_on(terminal: Terminal) -> str:
    """Return the code that the terminal shows."""
    terminal.until("waiting for your yes", PATIENCE)
    found = re.search(r"code  ([A-Z]{4}-[A-Z]{4})", terminal.plain)
    assert found, terminal.plain
    return found[1]


def by_forms(url: str, code: str, decision: str = "yes") -> None:
    """Say yes or no as a browser without script does."""
    browser = Browser(url)
    with contextlib.closing(browser.client):
        assert browser.submit("/signin", email=EMAIL, password=PASSWORD).status_code == 303
        consent = browser.submit("/auth", code=code)
        assert "Connect this device?" in consent.text
        answer = browser.post(
            "/auth/decide", {**_fields(consent.text), "code": code.lower().replace("-", ""), "decision": decision}
        )
        assert answer.status_code == 200, answer.text


def in_chromium(url: str, code: str) -> None:
    """Say yes in headless Chromium, from the link with the code in it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=60_000)
        try:
            page = browser.new_page()
            page.set_default_timeout(60_000)
            page.goto(f"{url}/auth?user_code={code}")
            page.get_by_label("Email").fill(EMAIL)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.get_by_role("button", name="My terminal shows this code").click()
            page.get_by_role("button", name="Continue").click()
            assert code in page.inner_text("main")
            page.get_by_role("button", name="Yes, connect it").click()
            page.get_by_role("heading", name="Connected").wait_for()
        finally:
            browser.close()


def chat(home: Path, *args: str) -> Result:
    """Ask for an answer."""
    return run(home, "chat", "Hi", "--no-stream", *args, timeout=PATIENCE)


def _fields(html: str) -> dict[str, str]:
    """Return the hidden fields of a page's forms."""
    return dict(re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)"', html))


def key_of(home: Path) -> str:
    """Return the key that a login left in a home without a keyring."""
    secrets = json.loads((home / "secrets.json").read_text())
    (key,) = (entry["secret"] for entry in secrets.values() if entry["secret"].startswith("pk-"))
    return str(key)


def status(home: Path) -> dict[str, Any]:
    """Return what `mini-llm status` knows of the wallet."""
    result = inside(home, "status", "--json")
    found: dict[str, Any] = json.loads(result.out)["wallet"]
    assert found["connected"], result
    return found
