"""Every room of a team server: nobody comes in who may not, and nobody sees another team's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from mini_llm.team import budgets, invites, keys, usage
from mini_llm.team.rights import Allowance, Rights
from mini_llm.team.roles import Member, Operator
from mini_llm.team.server import Table
from tests.gateway.running import wait_for
from tests.team.serving import Clock, Serving, now, serving
from tests.upstream import Provider, Say

# What anybody may ask. Whatever is new and not here fails below.
OPEN = {
    ("GET", "/livez"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("POST", "/oauth/device/code"),
    ("POST", "/oauth/token"),
    ("POST", "/oauth/revoke"),
    *((method, path) for path in ("/", "/signin", "/invite") for method in ("GET", "HEAD")),
    *((method, path) for path in ("/signin/company", "/signin/company/callback") for method in ("GET", "HEAD")),
    *((method, path) for path in ("/static/style.css", "/static/icon.svg") for method in ("GET", "HEAD")),
    ("POST", "/signin"),
    ("POST", "/signout"),
    ("POST", "/invite"),
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


class Room(NamedTuple):
    method: str
    path: str
    access: str
    body: str


@pytest.fixture(scope="module")
def upstream() -> Iterator[Provider]:
    with Provider(Say("Hello")) as provider:
        yield provider


@pytest.fixture(scope="module")
def server(upstream: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    home = tmp_path_factory.mktemp("rooms") / "home"
    with serving(home, {"lab": upstream}, {"aliases": {"fast": "lab/m"}}, clock=Clock()) as begun:
        yield begun


def rooms(server: Serving) -> list[Room]:
    table = server.service.gateway.table
    assert isinstance(table, Table)
    found = [(path, table.find(path) or {}) for path in [*table.rooms, "/v1beta/models/m:generateContent"]]
    return [Room(method, path, room.access, room.body) for path, all in found for method, room in all.items()]


def ask(server: Serving, room: Room, token: str = "", **more: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    body: dict[str, Any] = {"data": {"a": "b"}} if room.body == "form" else {"json": {"model": "m"}}
    sent = body if room.method == "POST" else {}
    return server.client.request(room.method, room.path, headers=headers, **{**sent, **more})


def test_only_these_rooms_are_open(server: Serving) -> None:
    found = rooms(server)
    assert {room.access for room in found} <= {"open", "session", "caller"}
    assert {(room.method, room.path) for room in found if room.access == "open"} <= OPEN
    assert {room.path for room in found if room.access == "caller"} >= {"/v1/account", "/v1/models", "/v1/messages"}


def test_nobody_comes_in_without_a_key(server: Serving, upstream: Provider) -> None:
    before = len(upstream.seen)
    wrong = ["", "wrong", server.token[:-1], server.token[:-1] + "!", "pk-" + "x" * 43, f" {server.token[:40]}"]
    for room in rooms(server):
        if room.access == "caller":
            for token in wrong:
                answer = ask(server, room, token)
                assert (answer.status_code, room) == (401, room)
                if room.method != "HEAD":
                    assert answer.json()["error"].get("type", "invalid_api_key") == "invalid_api_key"
    assert len(upstream.seen) == before


def test_nobody_comes_in_without_a_session_and_no_key_takes_its_place(server: Serving) -> None:
    for room in rooms(server):
        if room.access == "session":
            for token in ("", server.token):
                answer = ask(server, room, token)
                assert answer.status_code in (303, 400, 401, 403), room
                if answer.status_code == 303:
                    assert answer.headers["location"].startswith("/signin"), room


def test_no_room_answers_to_another_method(server: Serving) -> None:
    listed: dict[str, set[str]] = {}
    for room in rooms(server):
        listed.setdefault(room.path, set()).add(room.method)
    for path, known in listed.items():
        for method in set(METHODS) - known:
            answer = server.client.request(method, path, headers=server.headers)
            assert (answer.status_code, path, method) == (405, path, method)


def test_there_is_nothing_of_the_gateway_that_a_member_has_no_use_for(server: Serving) -> None:
    for path in ("/metrics", "/control/v1/status", "/control/v1/providers", "/v1/moderations", "/docs", "/v1/keys"):
        assert server.client.get(path, headers=server.headers).status_code == 404


def test_every_spelling_of_the_key_is_the_same_key(server: Serving) -> None:
    for name, value in {
        "authorization": f"Bearer {server.token}",
        "x-api-key": server.token,
        "api-key": server.token,
        "x-goog-api-key": server.token,
    }.items():
        assert server.client.get("/v1/account", headers={name: value}).status_code == 200
    two = {"authorization": f"Bearer {server.token}", "x-api-key": server.key()}
    assert server.client.get("/v1/account", headers=two).status_code == 400
    assert server.client.get("/v1/account", params={"api_key": server.token}).status_code == 400


def test_injections_find_nothing(server: Serving) -> None:
    for token in (
        "pk-' OR '1'='1",
        "pk-" + "'" * 43,
        "pk-" + "%" * 43,
        "x' UNION SELECT 1--",
        "pk-\\",
        "pk-" + "_" * 43,
    ):
        for header in ("authorization", "x-api-key"):
            value = f"Bearer {token}" if header == "authorization" else token
            assert server.client.get("/v1/account", headers={header: value}).status_code == 401


def test_an_account_tells_all_that_the_protocol_names(server: Serving) -> None:
    answer = server.client.get("/v1/account", headers=server.headers)
    told = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert told["email"] == "owner@example.com" and told["id"] == server.owner.account
    assert told["team"] == {"id": server.owner.team, "name": "Example", "role": "owner"}
    assert told["key"]["name"] == "laptop" and told["key"]["expires_at"] is None
    credits = told["credits"]
    assert credits["currency"] == "USD" and credits["top_up_url"] == f"{server.url}/credits" and not credits["low"]
    assert set(told["usage"]) == {"today", "month", "requests_today", "time_zone"}
    assert (told["budget"], told["discount"]) == (None, "0.00")
    assert set(told["features"]) == {"fallback", "costOptimization", "discounts"}


def test_models_come_with_prices_and_providers_and_need_not_come_twice(server: Serving) -> None:
    answer = server.client.get("/v1/models", headers=server.headers)
    found = {row["id"]: row for row in answer.json()["data"]}
    assert found["m"]["pricing"] == {"input": "1", "output": "2"}
    assert found["m"]["providers"] == [{"id": "lab", "pricing": {"input": "1", "output": "2"}, "healthy": True}]
    assert found["fast"]["providers"] == found["m"]["providers"]
    again = {**server.headers, "if-none-match": answer.headers["etag"]}
    same = server.client.get("/v1/models", headers=again)
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", answer.headers["etag"])
    token = server.key(models=("fast",))
    few = server.client.get("/v1/models", headers={**again, "authorization": f"Bearer {token}"})
    assert [row["id"] for row in few.json()["data"]] == ["fast"]
    for name, status in {"fast": 200, "m": 404, "nobody": 404}.items():
        one = server.client.get(f"/v1/models/{name}", headers={"authorization": f"Bearer {token}"})
        assert (one.status_code, name) == (status, name)


def test_usage_is_summed_by_what_was_asked(server: Serving) -> None:
    before = server.client.get("/v1/usage", headers=server.headers).json()["total"]["requests"]
    server.chat()
    told = wait_for(
        lambda: (
            found
            if (found := server.client.get("/v1/usage", headers=server.headers).json())["total"]["requests"] > before
            else None
        ),
        "the charge",
    )
    assert set(told["rows"][0]) == {
        "day",
        "requests",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "cost",
        "saved",
    }
    for group in ("model", "provider", "member", "key", "tool"):
        rows = server.client.get("/v1/usage", params={"group_by": group}, headers=server.headers).json()["rows"]
        assert rows and all(group in row for row in rows)
    for query in ({"group_by": "caller"}, {"from": "yesterday"}, {"from": "2026-02-01", "to": "2026-01-01"}):
        assert server.client.get("/v1/usage", params=query, headers=server.headers).status_code == 400
    first = server.client.get("/v1/usage", params={"to": "0001-01-01"}, headers=server.headers)
    assert (first.status_code, first.json()["rows"]) == (200, [])  # before it there are no days to begin with


class Neighbours(NamedTuple):
    """Two teams, and all that the second one has an id for."""

    ours: Member
    theirs: Member
    key: keys.Key
    invite: str


@pytest.fixture(scope="module")
def neighbours(server: Serving) -> Neighbours:
    ours, theirs = server.owner, server.other_team()

    def furnish(db: Any) -> tuple[keys.Key, str]:
        key, _ = keys.mint(db, theirs, "their key", Rights(), theirs, now())
        budgets.set(db, Operator(theirs.team), theirs.team, Allowance(10**9, "monthly"), now())
        made, _ = invites.invite(db, Operator(theirs.team), "member", "new@elsewhere.example", now())
        return key, made.id

    return Neighbours(ours, theirs, *server.write(furnish))


def test_no_team_sees_or_changes_what_is_anothers(server: Serving, neighbours: Neighbours) -> None:
    """Every id of theirs, in every place of every room that our owner's key may ask."""
    theirs = neighbours.theirs
    ids = [theirs.id, theirs.team, theirs.account, neighbours.key.id, neighbours.invite]
    names = [theirs.email, "Elsewhere", "their key", "new@elsewhere.example"]
    for room in rooms(server):
        if room.access != "caller":
            continue
        for id in ids:
            places = {"team": id, "member": id, "key": id, "account": id, "id": id, "group_by": "member"}
            headers = {**server.headers, "x-team": id, "x-mini-llm-tool": "test"}
            body = {"model": "m", "messages": [], **places} if room.method == "POST" else None
            answer = server.client.request(room.method, room.path, params=places, headers=headers, json=body)
            told = answer.text.replace(id, "", answer.text.count(id) if answer.status_code >= 400 else 0)
            assert not [one for one in (*ids, *names) if one in told], (room, answer.text)
    token = server.key(theirs)
    used = server.client.get("/v1/usage", headers={"authorization": f"Bearer {token}"}).json()
    assert used["total"]["requests"] == 0


def test_what_a_team_spends_is_charged_to_it_alone(server: Serving, neighbours: Neighbours) -> None:
    theirs = neighbours.theirs
    before = server.settled()
    answer = server.chat(server.key(theirs))
    assert answer.status_code == 200
    paid = wait_for(
        lambda: server.write(lambda db: usage.spending(db, theirs.team, None, now()).month) or None, "the charge"
    )
    assert paid > 0 and server.settled() == before


def test_a_member_sees_their_own_use_alone_and_an_admin_all(server: Serving) -> None:
    ann, bob = server.member("ann@example.com"), server.member("bob@example.com", "admin")
    token = server.key(ann)
    before = server.settled()
    server.chat()
    wait_for(lambda: server.settled() != before or None, "the charge")
    assert server.client.get("/v1/usage", headers={"authorization": f"Bearer {token}"}).json()["rows"] == []
    rows = server.client.get(
        "/v1/usage", params={"group_by": "member"}, headers={"authorization": f"Bearer {server.key(bob)}"}
    ).json()["rows"]
    assert [row["member"] for row in rows] == [server.owner.id]


def test_a_member_who_leaves_is_out_within_seconds(server: Serving) -> None:
    from mini_llm.team import people

    carl = server.member("carl@example.com")
    token = server.key(carl)
    headers = {"authorization": f"Bearer {token}"}
    assert server.client.get("/v1/account", headers=headers).status_code == 200
    server.write(lambda db: people.remove(db, Operator(carl.team), carl.id, now()))
    wait_for(lambda: server.client.get("/v1/account", headers=headers).status_code == 401 or None, "the end", 6.0)


def test_nothing_secret_is_ever_answered(server: Serving) -> None:
    for room in rooms(server):
        for token in ("", server.token):
            text = ask(server, room, token).text
            assert "sk-lab-0123456789" not in text and server.token not in text
    assert "sk-lab" not in json.dumps(server.client.get("/v1/models", headers=server.headers).json())
