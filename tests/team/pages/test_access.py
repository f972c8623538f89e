"""Who sees what: every page for nobody, for each role, for another team; and the same strict head on every answer."""

from __future__ import annotations

import html
import re
import socket
from collections.abc import Iterator

import pytest

from mini_llm.team import budgets, invites, keys, people, sessions
from mini_llm.team.pages import PAGES, forms
from mini_llm.team.pages.answers import POLICY
from mini_llm.team.rights import Allowance
from mini_llm.team.roles import Member
from tests.gateway.running import PATIENCE
from tests.team.browsing import House, house
from tests.team.filled import fill

SIGNED_IN = sorted(path for path, found in PAGES.items() if any(page.role != "anyone" for page in found.values()))
ALL = [(method, path) for path, found in PAGES.items() for method in found]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("pages") / "home") as server:
        fill(server)
        yield server


@pytest.mark.parametrize("path", SIGNED_IN)
def test_nobody_is_led_to_the_sign_in(server: House, path: str) -> None:
    browser = server.browser()
    for method in PAGES[path]:
        if method == "GET":
            answer = browser.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, f"/signin?next={path}")
        else:
            answer = browser.submit(path, on="/signin")
            assert (answer.status_code, answer.headers["location"]) == (303, "/signin")


@pytest.mark.parametrize("who", ["owner", "admin", "member"])
def test_each_page_is_shown_to_those_it_is_for(server: House, who: str) -> None:
    browser = server.browser(getattr(server, who))
    for path, found in PAGES.items():
        page = found.get("GET")
        if page is None or path.startswith(("/signin", "/invite", "/members/")) or path == "/":
            continue
        allowed = page.role != "admin" or who != "member"
        assert browser.get(path).status_code == (200 if allowed else 403), path
        assert browser.client.head(path).status_code == (200 if allowed else 403), path


def test_a_member_does_nothing_that_is_for_admins(server: House) -> None:
    browser = server.browser(server.member)
    fields = {"member": server.owner.id, "role": "member", "scope": server.member.team, "amount": "", "email": "x@y.z"}
    for path, found in PAGES.items():
        if "POST" in found and found["POST"].role == "admin":
            assert browser.submit(path, on="/keys", **fields).status_code == 403, path
    roles = server.write(lambda db: [member.role for member in people.members(db, server.owner.team)])
    assert sorted(roles) == ["admin", "member", "owner"]


def test_a_member_sees_only_the_places_they_may_go_to(server: House) -> None:
    shown = server.browser(server.member).get("/dashboard").text
    assert 'href="/members"' not in shown
    assert 'href="/audit"' not in shown


def test_nothing_of_one_team_is_seen_or_touched_from_another(server: House) -> None:
    grace = server.browser(server.other)
    key, _ = server.write(lambda db: keys.mint(db, server.owner, "spare", server.owner.ceiling, server.owner, 0.0))
    invite, _ = server.write(lambda db: invites.invite(db, server.owner, "member", None, server.clock.now))
    session = server.write(lambda db: sessions.of_account(db, server.owner.account, server.clock.now))
    sent = {
        "/keys/revoke": {"key": key.id},
        "/members/withdraw": {"invite": invite.id},
        "/members/role": {"member": server.member.id, "role": "admin"},
        "/members/remove": {"member": server.member.id},
        "/members/models": {"member": server.member.id, "models": "x"},
        "/budgets": {"scope": server.member.id, "amount": "1", "period": "daily"},
        "/budgets/remove": {"scope": server.member.id},
        "/account/sessions/end": {"session": session[0].id if session else "ses_x"},
        "/account/team": {"team": server.owner.team},
    }
    for path, fields in sent.items():
        assert grace.submit(path, on="/keys", **fields).status_code == 404, path
    for question in ("remove", "models"):
        assert grace.get(f"/members/{question}?member={server.member.id}").status_code == 404
    for path, found in PAGES.items():
        if "GET" in found and found["GET"].role != "anyone":
            text = grace.get(path).text
            for theirs in ("example.com", "Lovelace", "old phone", server.owner.id, server.owner.team, key.id):
                assert theirs not in text, (path, theirs)
    shown = server.browser(server.owner).get("/keys").text
    assert "spare" in shown
    assert server.write(lambda db: keys.get(db, server.owner, key.id)).revoked_at is None


def test_a_budget_of_another_team_is_not_set_by_its_id(server: House) -> None:
    grace = server.browser(server.other)
    assert grace.submit("/budgets", scope=server.owner.team, amount="1", period="daily").status_code == 404
    found = server.write(lambda db: budgets.of(db, server.owner.team, server.owner.team))
    assert found == Allowance(150 * 10**9, "monthly")


def test_only_those_who_manage_its_owner_take_a_key_away(server: House) -> None:
    for owner, others in ((server.owner, (server.member, server.admin)), (server.admin, (server.member, server.other))):
        key = minted(server, owner)
        for who in others:
            browser = server.browser(who)
            assert f'value="{key}"' not in browser.get("/keys").text
            assert browser.submit("/keys/revoke", on="/keys", key=key).status_code in (403, 404)
        assert not is_revoked(server, key)
    browser = server.browser(server.owner)
    assert f'value="{key}"' in browser.get("/keys").text
    assert browser.submit("/keys/revoke", on="/keys", key=key).status_code == 303
    assert is_revoked(server, key)


def minted(server: House, owner: Member) -> str:
    return server.write(lambda db: keys.mint(db, owner, "mine", owner.ceiling, owner, 0.0))[0].id


def is_revoked(server: House, key: str) -> bool:
    return server.write(lambda db: keys.get(db, server.owner, key)).revoked_at is not None


@pytest.mark.parametrize(("method", "path"), ALL)
def test_every_answer_has_the_same_strict_head(server: House, method: str, path: str) -> None:
    for browser in (server.browser(), server.browser(server.owner)):
        answer = browser.get(path) if method == "GET" else browser.post(path)
        told = answer.headers
        assert told["content-security-policy"] == POLICY
        assert told["x-content-type-options"] == "nosniff"
        assert told["x-frame-options"] == "DENY"
        assert told["referrer-policy"] == "same-origin"
        assert told["cross-origin-opener-policy"] == "same-origin"
        assert told["cache-control"] == "no-store"
        assert "server" not in told


def test_files_are_the_same_for_everybody_and_may_be_kept(server: House) -> None:
    browser = server.browser(server.owner)
    browser.client.cookies.set(server.cookie("session"), "ps-over", domain="127.0.0.1", path="/")
    for address in re.findall(r'"(/static/[^"]+)"', browser.get("/signin").text):
        answer = browser.get(address)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-security-policy"] == POLICY
        assert "set-cookie" not in answer.headers


def test_pages_load_nothing_from_elsewhere_and_hold_no_script_or_style(server: House) -> None:
    browser = server.browser(server.owner)
    for path, found in PAGES.items():
        if "GET" not in found:
            continue
        text = browser.get(path).text
        loaded = re.findall(r'<(?:link|img|script|iframe)[^>]*?(?:src|href)="([^"]*)"', text)
        assert all(html.unescape(each).startswith("/static/") for each in loaded), loaded
        assert not re.search(r"<script|<style|\son\w+=|\sstyle=|javascript:", text, re.IGNORECASE), path


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
def test_a_body_of_another_type_is_refused_as_a_page(server: House, kind: str) -> None:
    browser = server.browser(server.owner)
    answer = browser.client.post("/keys", content=b'{"name":"x"}', headers={"origin": server.url, "content-type": kind})
    assert answer.status_code == 415
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-length": "65537"}, 413),
        ({"content-length": "30000000"}, 413),
        ({"transfer-encoding": "chunked"}, 411),
        ({"content-length": "2", "content-encoding": "gzip"}, 411),
    ],
)
def test_a_form_that_is_none_is_refused_before_it_is_read(server: House, headers: dict[str, str], status: int) -> None:
    told = {"host": server.url.removeprefix("http://"), "origin": server.url, "content-type": forms.TYPE, **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), PATIENCE) as sock:
        sock.sendall(f"POST /signin HTTP/1.1\r\n{head}\r\n".encode())
        answer = sock.recv(65536).decode()
    assert answer.startswith(f"HTTP/1.1 {status} "), answer
    assert f"content-security-policy: {POLICY}" in answer


def test_what_is_sent_in_another_way_is_not_taken(server: House) -> None:
    browser = server.browser(server.owner)
    assert browser.client.put("/keys").status_code == 405
    assert browser.client.get("/signout").status_code == 405
    assert browser.client.get("/keys/revoke").status_code == 405


@pytest.mark.parametrize("query", ["x=%FF", "&".join(f"a{number}=1" for number in range(100))])
def test_an_address_that_no_page_has_is_told_as_a_page(server: House, query: str) -> None:
    for browser in (server.browser(), server.browser(server.owner)):
        answer = browser.get(f"/signin?{query}")
        assert answer.status_code == 400
        assert "This was not understood" in answer.text
        assert answer.headers["content-security-policy"] == POLICY
