"""`/auth`: a code, a question, a yes or a no. Nothing is connected that nobody asked for and nobody approved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mini_llm.team import audit, devices, keys
from mini_llm.team.devices import Denied, Grant, Issued, Waiting
from mini_llm.team.rights import Allowance
from tests.team.browsing import House, house


@pytest.fixture
def server(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "home") as server:
        yield server


def begun(server: House, device: str = "ada-laptop") -> Grant:
    return server.write(lambda db: devices.begin(db, "mini-llm-cli", device, "192.0.2.7", "", server.clock.now))


def polled(server: House, grant: Grant) -> devices.Answer:
    server.clock.jump(30)
    return server.write(lambda db: devices.poll(db, grant.device_code, "mini-llm-cli", server.clock.now))


def test_a_code_leads_to_a_question_that_names_who_asks_and_a_yes_to_a_key(server: House) -> None:
    grant, browser = begun(server), server.browser(server.member)
    asked = browser.submit("/auth", code=grant.user_code.lower().replace("-", " "))
    for words in (
        "Mini-LLM, the command line",
        "ada-laptop",
        "192.0.2.7",
        "cleo@example.com",
        "Lovelace",
        grant.user_code,
    ):
        assert words in asked.text
    assert isinstance(polled(server, grant), Waiting)
    told = browser.submit("/auth/decide", on="/auth", code=grant.user_code, decision="yes")
    assert "Connected" in told.text
    issued = polled(server, grant)
    assert isinstance(issued, Issued)
    found = server.write(lambda db: keys.find(db, issued.access_token, server.clock.now))
    assert found is not None and found.member == server.member.id
    acts = server.write(lambda db: [row.what for row in audit.rows(db, server.owner)])
    assert "device.approve" in acts


def test_a_no_gives_no_key(server: House) -> None:
    grant, browser = begun(server), server.browser(server.member)
    told = browser.submit("/auth/decide", on="/auth", code=grant.user_code, decision="no")
    assert "Refused" in told.text
    assert isinstance(polled(server, grant), Denied)
    assert "device.deny" in server.write(lambda db: [row.what for row in audit.rows(db, server.owner)])


@pytest.mark.parametrize("decision", ["", "maybe", "YES", "yes no"])
def test_only_an_explicit_yes_is_one(server: House, decision: str) -> None:
    grant, browser = begun(server), server.browser(server.member)
    answer = browser.submit("/auth/decide", on="/auth", code=grant.user_code, decision=decision)
    assert answer.status_code == 422
    assert isinstance(polled(server, grant), Waiting)


def test_a_link_with_the_code_fills_in_and_approves_nothing_by_itself(server: House) -> None:
    grant, browser = begun(server), server.browser(server.member)
    page = browser.get(f"/auth?user_code={grant.user_code}").text
    assert "The link you followed carries a code" in page
    assert f'value="{grant.user_code}" required' not in page
    filled = browser.get(f"/auth?fill={grant.user_code}").text
    assert f'value="{grant.user_code}" required' in filled
    assert isinstance(polled(server, grant), Waiting)


def test_nobody_who_is_not_signed_in_sees_what_waits(server: House) -> None:
    grant, browser = begun(server), server.browser()
    assert browser.get(f"/auth?user_code={grant.user_code}").status_code == 303
    answer = browser.submit("/auth", on="/signin", code=grant.user_code)
    assert answer.status_code == 303
    assert browser.submit("/auth/decide", on="/signin", code=grant.user_code, decision="yes").status_code == 303
    assert isinstance(polled(server, grant), Waiting)


def test_the_key_may_be_limited_and_never_more_than_its_maker(server: House) -> None:
    grant, browser = begun(server), server.browser(server.member)
    limits = {"models": "gpt-5.5", "budget": "2.50", "period": "weekly", "expires": "7"}
    browser.submit("/auth/decide", on="/auth", code=grant.user_code, decision="yes", **limits)
    now = server.clock.now
    issued = polled(server, grant)
    assert isinstance(issued, Issued)
    assert issued.key.rights.models == ("gpt-5.5",)
    assert issued.key.rights.budget == Allowance(2_500_000_000, "weekly")
    assert issued.key.rights.expires_at == now + 7 * 86400


@pytest.mark.parametrize("limits", [{"budget": "lots"}, {"period": "yearly"}, {"expires": "99999"}])
def test_a_limit_that_is_none_connects_nothing(server: House, limits: dict[str, str]) -> None:
    grant, browser = begun(server), server.browser(server.member)
    answer = browser.submit("/auth/decide", on="/auth", code=grant.user_code, decision="yes", **limits)
    assert answer.status_code == 422
    assert "<details open>" in answer.text
    assert isinstance(polled(server, grant), Waiting)


def test_five_wrong_codes_a_minute_are_enough_also_for_the_right_one(server: House) -> None:
    grant, browser = begun(server), server.browser(server.member)
    wrong = ["BBBB-BBBB", "", "x", "BBBB-BBBC", "not a code"]
    assert [browser.submit("/auth", code=code).status_code for code in wrong] == [422] * 5
    limited = browser.submit("/auth", code=grant.user_code)
    assert limited.status_code == 429
    assert int(limited.headers["retry-after"]) <= 60
    decided = browser.submit("/auth/decide", on="/auth", code=grant.user_code, decision="yes")
    assert decided.status_code == 429
    server.clock.jump(61)
    assert browser.submit("/auth", code=grant.user_code).status_code == 200


def test_a_code_that_is_over_says_so_and_can_be_tried_anew(server: House) -> None:
    grant, browser = begun(server), server.browser(server.member)
    server.clock.jump(601)
    answer = browser.submit("/auth", code=grant.user_code)
    assert answer.status_code == 422
    assert "It may have expired" in answer.text
    assert "csrf" in answer.text


def test_a_decision_cannot_be_taken_twice(server: House) -> None:
    grant, browser = begun(server), server.browser(server.member)
    browser.submit("/auth/decide", on="/auth", code=grant.user_code, decision="no")
    assert browser.submit("/auth/decide", on="/auth", code=grant.user_code, decision="yes").status_code == 422
    assert isinstance(polled(server, grant), Denied)
