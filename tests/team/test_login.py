"""Login, tokens and their end, as RFC 8628, RFC 6749 and RFC 7009 have them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mini_llm.team import devices, keys, teams
from mini_llm.team.rights import Rights
from mini_llm.team.roles import Operator
from mini_llm.team.teams import Terms
from tests.gateway.running import wait_for
from tests.team.serving import Clock, Serving, serving
from tests.upstream import Provider

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
CLIENT = {"client_id": "mini-llm-cli"}


class World:
    """A server with a clock that moves; each test has logins of its own."""

    def __init__(self, server: Serving, clock: Clock) -> None:
        self.server = server
        self.clock = clock

    def post(self, path: str, **form: str) -> httpx.Response:
        return self.server.client.post(path, data={**CLIENT, **form})

    def begin(self, **form: str) -> dict[str, Any]:
        answer = self.post("/oauth/device/code", **form)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def poll(self, begun: dict[str, Any]) -> httpx.Response:
        return self.post("/oauth/token", grant_type=DEVICE_GRANT, device_code=begun["device_code"])

    def refusal(self, answer: httpx.Response) -> str:
        assert answer.status_code == 400 and answer.headers["cache-control"] == "no-store"
        told = answer.json()
        assert re.fullmatch(r"[ -~]*", told["error_description"]) and '"' not in told["error_description"]
        return str(told["error"])

    def decide(self, begun: dict[str, Any], *, yes: bool = True) -> None:
        owner = self.server.owner
        now = self.clock()

        def act(db: Any) -> None:
            found = devices.look(db, begun["user_code"].lower().replace("-", ""), owner.account, "test", now)
            assert found is not None
            if yes:
                devices.approve(db, found.id, owner, Rights(), now)
            else:
                devices.deny(db, found.id, now)

        self.server.write(act)

    def pass_time(self, seconds: float) -> None:
        self.clock.ahead += seconds

    def account(self, token: str) -> httpx.Response:
        return self.server.client.get("/v1/account", headers={"authorization": f"Bearer {token}"})

    def issued(self) -> dict[str, Any]:
        begun = self.begin()
        self.decide(begun)
        told: dict[str, Any] = self.poll(begun).json()
        return told


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    clock = Clock()
    with Provider() as lab, serving(tmp_path_factory.mktemp("login") / "home", {"lab": lab}, clock=clock) as server:
        yield World(server, clock)


def test_discovery_names_every_endpoint_under_its_issuer(world: World) -> None:
    told = world.server.client.get("/.well-known/oauth-authorization-server").json()
    assert told["issuer"] == world.server.url
    for name in ("device_authorization_endpoint", "token_endpoint", "revocation_endpoint"):
        assert told[name].startswith(f"{world.server.url}/")
    assert told["grant_types_supported"] == [DEVICE_GRANT, "refresh_token"]
    wallet = told["mini_llm_wallet"]
    assert wallet == {"version": 1, "api": f"{world.server.url}/v1", "dashboard": f"{world.server.url}/dashboard"}


def test_a_login_has_a_code_for_people_and_one_for_the_device(world: World) -> None:
    begun = world.begin(device="ann's laptop")
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", begun["user_code"])
    assert begun["verification_uri"] == f"{world.server.url}/auth"
    assert begun["verification_uri_complete"] == f"{world.server.url}/auth?user_code={begun['user_code']}"
    assert (begun["expires_in"], begun["interval"]) == (600, 5)
    assert begun["device_code"].startswith("pd-")


def test_who_waits_is_told_so_and_who_hurries_to_slow_down(world: World) -> None:
    begun = world.begin()
    assert world.refusal(world.poll(begun)) == "authorization_pending"
    answer = world.poll(begun)
    assert world.refusal(answer) == "slow_down" and answer.json()["interval"] == 10
    world.pass_time(5.0)
    assert world.refusal(world.poll(begun)) == "slow_down"  # 10 were wanted
    world.pass_time(15.0)
    assert world.refusal(world.poll(begun)) == "authorization_pending"


def test_a_yes_gives_a_key_once(world: World) -> None:
    begun = world.begin()
    world.decide(begun)
    answer = world.poll(begun)
    told = answer.json()
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    assert told.pop("access_token").startswith("pk-")
    assert told == {"token_type": "Bearer", "scope": "inference usage"}
    assert world.refusal(world.poll(begun)) == "invalid_grant"


def test_a_no_is_final(world: World) -> None:
    begun = world.begin()
    world.decide(begun, yes=False)
    assert world.refusal(world.poll(begun)) == "access_denied"
    world.pass_time(60.0)
    assert world.refusal(world.poll(begun)) == "access_denied"


def test_a_code_ends_after_ten_minutes(world: World) -> None:
    begun = world.begin()
    world.pass_time(601.0)
    assert world.refusal(world.poll(begun)) == "expired_token"


def test_a_scope_limits_the_key(world: World) -> None:
    begun = world.begin(scope="usage")
    world.decide(begun)
    told = world.poll(begun).json()
    assert told["scope"] == "usage"
    assert world.account(told["access_token"]).status_code == 200
    assert world.server.chat(told["access_token"]).status_code == 403


@pytest.mark.parametrize(
    ("path", "form", "error"),
    [
        ("/oauth/device/code", {"scope": "everything"}, "invalid_scope"),
        ("/oauth/token", {}, "invalid_request"),
        ("/oauth/token", {"grant_type": "password"}, "unsupported_grant_type"),
        ("/oauth/token", {"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ("/oauth/token", {"grant_type": DEVICE_GRANT}, "invalid_request"),
        ("/oauth/token", {"grant_type": DEVICE_GRANT, "device_code": "pd-" + "x" * 43}, "invalid_grant"),
        ("/oauth/token", {"grant_type": DEVICE_GRANT, "device_code": "x" * 300}, "invalid_request"),
        ("/oauth/token", {"grant_type": "refresh_token"}, "invalid_request"),
        ("/oauth/token", {"grant_type": "refresh_token", "refresh_token": "pr-" + "x" * 43}, "invalid_grant"),
        ("/oauth/revoke", {}, "invalid_request"),
    ],
)
def test_what_makes_no_sense_is_refused_in_the_words_of_the_standard(
    world: World, path: str, form: dict[str, str], error: str
) -> None:
    assert world.refusal(world.post(path, **form)) == error


def test_a_program_nobody_knows_is_no_client(world: World) -> None:
    for path, form in (("/oauth/device/code", {}), ("/oauth/token", {"grant_type": DEVICE_GRANT, "device_code": "x"})):
        answer = world.server.client.post(path, data={**form, "client_id": "somebody"})
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_field_that_comes_twice_is_refused(world: World) -> None:
    body = f"client_id=mini-llm-cli&grant_type={DEVICE_GRANT}&device_code=a&device_code=b"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = world.server.client.post("/oauth/token", content=body, headers=headers)
    assert world.refusal(answer) == "invalid_request"


def test_only_a_form_is_taken(world: World) -> None:
    for path in ("/oauth/device/code", "/oauth/token", "/oauth/revoke"):
        answer = world.server.client.post(path, json=CLIENT)
        assert (answer.status_code, answer.json()["error"]) == (415, "invalid_request")


def test_a_web_page_of_others_may_not_log_in(world: World) -> None:
    headers = {"origin": "https://evil.example"}
    answer = world.server.client.post("/oauth/device/code", data=CLIENT, headers=headers)
    assert answer.status_code == 403


def test_a_revoked_key_is_dead_within_seconds(world: World) -> None:
    token = world.issued()["access_token"]
    assert world.account(token).status_code == 200
    assert world.post("/oauth/revoke", token=token).status_code == 200
    assert wait_for(lambda: world.account(token).status_code == 401 or None, "the end of the key", 6.0)
    assert world.post("/oauth/revoke", token=token).status_code == 200  # nobody learns what it was
    assert world.post("/oauth/revoke", token="pk-nonsense").status_code == 200


def test_short_tokens_are_renewed_and_a_stolen_one_ends_the_family(tmp_path: Path) -> None:
    clock = Clock()
    with (
        Provider() as lab,
        serving(tmp_path, {"lab": lab}, terms=Terms(access_token_seconds=60), clock=clock) as server,
    ):
        world = World(server, clock)
        first = world.issued()
        assert first["expires_in"] == 60 and first["refresh_token"].startswith("pr-")
        assert world.account(first["access_token"]).status_code == 200
        clock.ahead += 61.0
        assert wait_for(lambda: world.account(first["access_token"]).status_code == 401 or None, "its end", 6.0)
        second = world.post("/oauth/token", grant_type="refresh_token", refresh_token=first["refresh_token"]).json()
        assert world.account(second["access_token"]).status_code == 200
        replayed = world.post("/oauth/token", grant_type="refresh_token", refresh_token=first["refresh_token"])
        assert world.refusal(replayed) == "invalid_grant"
        last = world.post("/oauth/token", grant_type="refresh_token", refresh_token=second["refresh_token"])
        assert world.refusal(last) == "invalid_grant"
        assert wait_for(
            lambda: world.account(second["access_token"]).status_code == 401 or None, "the family's end", 6.0
        )


def test_every_kind_of_token_opens_its_own_door_alone(world: World) -> None:
    server = world.server
    server.write(lambda db: teams.set_terms(db, Operator(server.owner.team), Terms(access_token_seconds=600)))
    tokens = world.issued()
    device = world.begin()["device_code"]
    kinds = {
        "key": tokens["access_token"],
        "refresh": tokens["refresh_token"],
        "device": device,
        "session": server.write(lambda db: db.tokens.new("session")),
        "invite": server.write(lambda db: db.tokens.new("invite")),
    }
    server.write(lambda db: teams.set_terms(db, Operator(server.owner.team), Terms()))
    swapped = {f"pk-{token[3:]}" for kind, token in kinds.items() if kind != "key"}
    for token in {*kinds.values(), *swapped} - {kinds["key"]}:
        assert world.account(token).status_code == 401
    for kind, token in kinds.items():
        if kind != "device":
            told = world.post("/oauth/token", grant_type=DEVICE_GRANT, device_code=token)
            assert world.refusal(told) == "invalid_grant"
        if kind != "refresh":
            told = world.post("/oauth/token", grant_type="refresh_token", refresh_token=token)
            assert world.refusal(told) == "invalid_grant"
    assert world.account(kinds["key"]).status_code == 200  # none of it did any harm
    forged = kinds["key"][:-1] + ("A" if kinds["key"][-1] != "A" else "B")
    assert world.account(forged).status_code == 401
    assert server.write(lambda db: keys.find(db, kinds["key"], world.clock())) is not None


def test_who_asks_for_too_many_codes_waits(tmp_path: Path) -> None:
    with Provider() as lab, serving(tmp_path, {"lab": lab}) as server:
        world = World(server, Clock())
        answers = [world.post("/oauth/device/code") for _ in range(31)]
        assert {answer.status_code for answer in answers[:30]} == {200}
        assert answers[30].status_code == 429 and int(answers[30].headers["retry-after"]) > 0
