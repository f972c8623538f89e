"""`mini-llm logout`: revoked at the service, forgotten here, and told honestly where one of both fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.process import Result, inside
from tests.hostile import Script, answer, reset, stall
from tests.upstream import Provider
from tests.wallet.server import ACCOUNT, DISCOVERY, KEY, REFRESH, Served, grant, told, wallet

OTHER = "pk-" + "o" * 43


@pytest.fixture
def server() -> Iterator[Served]:
    with wallet() as running:
        yield running


def signed_in(home: Path, server: Served, key: str = KEY) -> None:
    """Sign in with a key that is at hand, which takes no waiting."""
    result = inside(home, "login", "--url", server.url, "--with-token", stdin=key)
    assert result.code == 0, result.err


def revoked(server: Served) -> list[str]:
    return [form["token"] for form in server.forms("/oauth/revoke")]


def leftovers(home: Path) -> str:
    """Return what the files of a home still say."""
    return "".join(path.read_text() for path in home.rglob("*") if path.is_file() and path.suffix == ".json")


def test_the_key_is_revoked_and_nothing_of_the_login_is_left(home: Path, server: Served) -> None:
    signed_in(home, server)
    result = inside(home, "logout")
    host = server.url[7:]
    told_ = f"Signed out of {host} (a@example.com): its key is revoked and forgotten\n"
    assert result == Result(0, "", told_)
    assert revoked(server) == [KEY]
    assert json.loads((home / "config.json").read_text()) == {}
    for trace in (KEY, "acc_1", "a@example.com", host):
        assert trace not in leftovers(home)
    assert inside(home, "logout") == Result(0, "", "nobody is signed in\n")
    assert revoked(server) == [KEY]


def test_of_a_token_that_is_renewed_the_family_is_revoked(home: Path, server: Served) -> None:
    server.scripts["/oauth/token"] = grant(refresh_token=REFRESH, expires_in=3600)
    assert inside(home, "login", "--url", server.url).code == 0
    assert inside(home, "logout").code == 0
    assert revoked(server) == [REFRESH, KEY]
    assert json.loads((home / "secrets.json").read_text()) == {}


@pytest.mark.parametrize("script", [answer(b"", status=503), reset(), stall(), answer(b"", status=302)])
def test_a_key_that_could_not_be_revoked_is_forgotten_and_told(home: Path, server: Served, script: Script) -> None:
    signed_in(home, server)
    server.scripts["/oauth/revoke"] = script
    result = inside(home, "logout")
    assert result.code == 5
    assert "could not be revoked" in result.err
    assert f"hint: revoke it there: {server.url}/dashboard" in result.err
    assert KEY not in leftovers(home)


def test_local_asks_nobody_and_says_that_the_key_lives_on(home: Path, server: Served) -> None:
    signed_in(home, server)
    result = inside(home, "logout", "--local")
    assert result.code == 0
    assert f"warning: the key is still good; revoke it at {server.url}/dashboard" in result.err
    assert revoked(server) == []
    assert KEY not in leftovers(home)


def test_a_service_without_revocation_is_told(home: Path, server: Served) -> None:
    server.scripts[DISCOVERY] = told(server.document(revocation_endpoint=None))
    signed_in(home, server)
    result = inside(home, "logout")
    assert (result.code, "offers no way to revoke a key" in result.err) == (5, True)


def test_all_ends_every_login_and_what_was_begun(home: Path, server: Served) -> None:
    signed_in(home, server)
    server.scripts["/v1/account"] = told({**ACCOUNT, "id": "acc_2", "email": "b@example.com"})
    signed_in(home, server, OTHER)
    assert inside(home, "login", "--url", server.url, "--json", "--no-wait").code == 0
    assert inside(home, "logout", "--all").code == 0
    assert sorted(revoked(server)) == sorted([KEY, OTHER])
    assert json.loads((home / "secrets.json").read_text()) == {}
    assert json.loads((home / "wallets.json").read_text()) == {"logins": {}}


def test_one_account_of_two_is_signed_out_and_the_other_stays(home: Path, server: Served) -> None:
    signed_in(home, server)
    server.scripts["/v1/account"] = told({**ACCOUNT, "id": "acc_2", "email": "b@example.com"})
    signed_in(home, server, OTHER)
    assert inside(home, "logout", "a@example.com").code == 0
    assert revoked(server) == [KEY]
    assert json.loads((home / "config.json").read_text())["wallet"]["apiKey"].endswith("/acc_2")
    result = inside(home, "logout", "c@example.com")
    assert (result.code, "no login is called c@example.com" in result.err) == (2, True)


def test_what_the_user_wrote_stays(home: Path, server: Served, configure: Callable[..., Path]) -> None:
    configure('{"wallet": {"features": {"fallback": false}}, "default": "lab/m"} // mine\n')
    signed_in(home, server)
    assert inside(home, "logout").code == 0
    text = (home / "config.json").read_text()
    assert "// mine" in text
    assert '"default": "lab/m"' in text
    assert '"features": {"fallback": false}' in text
    assert "apiKey" not in text
    assert "endpoint" not in text


def test_a_key_of_the_user_s_own_is_left_alone(home: Path, lab: Callable[..., Provider]) -> None:
    lab(wallet={"apiKey": "${PASSY_API_KEY}"})
    result = inside(home, "logout", environ={"PASSY_API_KEY": KEY})
    assert result.code == 0
    assert result.err == (
        "nobody is signed in; the wallet's key comes from environment PASSY_API_KEY: take it out there\n"
    )
