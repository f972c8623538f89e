"""The wallet's client and the team server, face to face on a real socket: both sides of the protocol agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mini_llm.credentials import Secret
from mini_llm.errors import AuthError
from mini_llm.team import devices
from mini_llm.team.rights import Rights
from mini_llm.team.teams import Terms
from mini_llm.wallet import account, device, models, tokens
from mini_llm.wallet.device import DeclinedError, Event, ExpiredError, Grant
from mini_llm.wallet.discovery import discover
from mini_llm.wallet.service import Service
from mini_llm.wallet.tokens import SignedOutError, Tokens
from tests.gateway.running import wait_for
from tests.team.serving import Clock, Serving, serving
from tests.upstream import Provider, Say
from tests.wallet.asking import ask


class Laptop:
    """A client of the server. Its waits move the server's clock, so that no time passes."""

    def __init__(self, server: Serving, clock: Clock) -> None:
        self.server = server
        self.clock = clock
        self.endpoints = ask(lambda service: discover(service, server.url))
        self.events: list[Event] = []
        self.decide: Callable[[], None] = lambda: None

    def begin(self) -> Grant:
        return ask(lambda service: device.begin(service, self.endpoints, device="laptop"))

    def wait(self, grant: Grant, *, hurry: float = 1.0) -> Tokens:
        """Poll until there is an end; *hurry* is how fast this clock goes beside the server's."""

        async def sleep(seconds: float) -> None:
            self.clock.ahead += seconds / hurry
            self.decide()

        async def poll(service: Service) -> Tokens:
            return await device.poll(
                *(service, self.endpoints, grant),
                until=self.clock() + grant.expires_in * hurry + 60,
                now=self.clock,
                sleep=sleep,
                tell=self.events.append,
            )

        return ask(poll)

    def say(self, grant: Grant, *, yes: bool = True) -> None:
        """Decide as somebody in a browser does."""
        owner, now = self.server.owner, self.clock()

        def act(db: Any) -> None:
            found = devices.look(db, grant.user_code.replace("-", ""), owner.account, "test", now)
            assert found is not None
            devices.approve(db, found.id, owner, Rights(), now) if yes else devices.deny(db, found.id, now)

        self.server.write(act)

    def signed_in(self) -> Tokens:
        grant = self.begin()
        self.say(grant)
        return self.wait(grant)

    def key(self, access: str) -> Secret:
        return Secret(access, origin=self.server.url, reference="test")

    def account(self, access: str) -> account.Account:
        return ask(lambda service: account.fetch(service, self.endpoints.api, self.key(access)))

    def renew(self, refresh: str) -> Tokens:
        return ask(lambda service: tokens.renew(service, self.endpoints.token, refresh))


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Laptop]:
    clock = Clock()
    with Provider(Say("Hello")) as lab, serving(tmp_path / "home", {"lab": lab}, clock=clock) as server:
        yield Laptop(server, clock)


@pytest.fixture
def careful(tmp_path: Path) -> Iterator[Laptop]:
    """Return a client of a server whose tokens run out after an hour."""
    clock, terms = Clock(), Terms(access_token_seconds=3600)
    with Provider() as lab, serving(tmp_path / "home", {"lab": lab}, clock=clock, terms=terms) as server:
        yield Laptop(server, clock)


def test_a_login_a_look_and_an_end(laptop: Laptop, tmp_path: Path) -> None:
    got = laptop.signed_in()
    assert got.access.startswith("pk-")
    assert (got.refresh, got.expires_in) == ("", None)
    found = laptop.account(got.access)
    assert (found.email, found.team, found.role) == ("owner@example.com", "Example", "owner")
    assert found.balance == 5_000_000_000

    assert laptop.server.chat(got.access).status_code == 200
    laptop.server.charges()

    async def look(service: Service) -> tuple[models.Offers, models.Offers, list[dict[str, Any]]]:
        api, key = laptop.endpoints.api, laptop.key(got.access)
        first = await models.fetch(service, api, key, tmp_path, now=lambda: 1.0)
        second = await models.fetch(service, api, key, tmp_path, now=lambda: 2.0)
        used = await account.usage(service, api, key, since="2020-01-01", until="2029-12-31", by="model")
        return first, second, used

    first, second, used = ask(look)
    assert first.etag
    assert second == first._replace(seen_at=2.0)
    assert first.prices()["passy/m"].input == 1_000_000_000
    assert [(row["model"], row["requests"]) for row in used] == [("m", 1)]

    ask(lambda service: tokens.revoke_all(service, laptop.endpoints, got))
    wait_for(lambda: _is_dead(laptop, got.access), "the end of the key")


def test_polls_that_keep_their_distance_are_never_too_early(laptop: Laptop) -> None:
    grant = laptop.begin()
    laptop.decide = lambda: laptop.say(grant) if len(laptop.events) == 5 else None
    assert laptop.wait(grant).access
    assert {event.state for event in laptop.events} == {"waiting"}


def test_a_clock_that_runs_ahead_is_noticed(laptop: Laptop) -> None:
    grant = laptop.begin()
    with pytest.raises(tokens.LoginError, match="clock drifts"):
        laptop.wait(grant, hurry=10.0)
    assert [event.state for event in laptop.events].count("slow_down") == 1


def test_a_no_and_a_code_that_nobody_answered(laptop: Laptop) -> None:
    grant = laptop.begin()
    laptop.say(grant, yes=False)
    with pytest.raises(DeclinedError):
        laptop.wait(grant)
    with pytest.raises(ExpiredError):
        laptop.wait(laptop.begin())


def test_a_code_is_good_for_one_key(laptop: Laptop) -> None:
    grant = laptop.begin()
    laptop.say(grant)
    laptop.wait(grant)
    with pytest.raises(ExpiredError):
        laptop.wait(grant)


def test_a_replayed_refresh_token_ends_its_family(careful: Laptop) -> None:
    first = careful.signed_in()
    assert first.expires_in == 3600
    second = careful.renew(first.refresh)
    assert careful.account(second.access).email == "owner@example.com"
    with pytest.raises(SignedOutError):
        careful.renew(first.refresh)
    with pytest.raises(SignedOutError):
        careful.renew(second.refresh)
    wait_for(lambda: _is_dead(careful, second.access), "the end of the family")


def test_no_kind_of_token_does_another_s_work(careful: Laptop) -> None:
    grant, got = careful.begin(), careful.signed_in()
    for wrong in (got.refresh, grant.device_code, "pk-" + "x" * 43):
        with pytest.raises(AuthError):
            careful.account(wrong)
    for wrong in (got.access, grant.device_code):
        with pytest.raises(SignedOutError):
            careful.renew(wrong)
    for wrong in (got.access, got.refresh):
        forged = Grant(wrong, grant.user_code, grant.uri, "", 60, 1)
        with pytest.raises(ExpiredError):
            careful.wait(forged)
    assert careful.account(got.access)


def _is_dead(laptop: Laptop, access: str) -> bool:
    try:
        laptop.account(access)
    except AuthError:
        return True
    return False
