"""Tokens that run out: renewed in time, once for all processes of a machine, never lost."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mini_llm.config import Paths, origin_of
from mini_llm.credentials import Credentials
from mini_llm.errors import CredentialError, MiniLLMError, NetworkError
from mini_llm.wallet.logins import Login, Logins, name_of
from mini_llm.wallet.renewal import Renewal
from mini_llm.wallet.tokens import SignedOutError, Tokens
from tests.hostile import Script, answer, html, reset
from tests.keyrings import safe
from tests.wallet.server import KEY, REFRESH, Served, grant, refusal, told, wallet

NEW, NEWER = "pk-" + "n" * 43, "pk-" + "w" * 43
NEW_REFRESH = "pr-" + "n" * 43


class Home:
    """A home with one login at *server* whose token runs out at 1000; `time` is the clock."""

    def __init__(self, folder: Path, server: Served) -> None:
        environ = {"MINI_LLM_HOME": str(folder), "HOME": str(folder), "DBUS_SESSION_BUS_ADDRESS": "unix:path=/no"}
        self.time = 0.0
        self.paths = Paths.find(environ)
        self.backend = safe()
        self.logins = Logins(folder)
        self.name = name_of(server.url, "acc_1")
        self.reference = f"wallet:{self.name}"
        self.server = server
        self.environ = environ
        first = self.process()
        key = first.store(self.name, KEY, origin=server.url)
        refresh = first.store(f"{self.name}/renews", REFRESH, origin=server.url)
        self.logins.put(
            Login(
                *(self.name, server.url, server.api, f"{server.url}/oauth/token", f"{server.url}/oauth/revoke", ""),
                *("acc_1", "a@example.com", 0.0, key.reference, refresh.reference),
                expires_at=1000.0,
                renew_at=800.0,
            )
        )

    def process(self) -> Credentials:
        """Return the secrets of one more process."""
        return Credentials(
            environ=self.environ,
            paths=self.paths,
            keyring=lambda: self.backend,
            renews=lambda known: Renewal(known, self.paths, {}, now=lambda: self.time),
        )

    def token(self, credentials: Credentials) -> str:
        return credentials.find(self.reference, origin=self.server.url).reveal(self.server.url)

    @property
    def login(self) -> Login:
        found = self.logins.get(self.name)
        assert found is not None
        return found


def renewed(key: str = NEW, refresh: str = NEW_REFRESH) -> bytes:
    return grant(key, refresh_token=refresh, expires_in=1000)


def test_a_token_that_holds_is_used_as_it_is(tmp_path: Path) -> None:
    with wallet() as server:
        home = Home(tmp_path, server)
        home.time = 799.0
        process = home.process()
        assert home.token(process) == KEY
        assert process.known(home.reference, origin=server.url) is not None
        assert server.peer.requests == []


def test_at_four_fifths_of_its_life_it_is_renewed_and_the_new_refresh_token_kept(tmp_path: Path) -> None:
    with wallet() as server:
        server.scripts["/oauth/token"] = [renewed(), renewed(NEWER)]
        home = Home(tmp_path, server)
        process = home.process()
        assert home.token(process) == KEY
        home.time = 800.0
        assert process.known(home.reference, origin=server.url) is None
        assert home.token(process) == NEW
        assert (home.login.renew_at, home.login.expires_at) == (1600.0, 1800.0)
        assert process.known(home.reference, origin=server.url) is not None
        home.time = 1600.0
        assert home.token(home.process()) == NEWER
        assert [form["refresh_token"] for form in server.forms("/oauth/token")] == [REFRESH, NEW_REFRESH]
    assert KEY not in (tmp_path / "wallets.json").read_text()


def test_what_another_process_renewed_is_used(tmp_path: Path) -> None:
    with wallet() as server:
        server.scripts["/oauth/token"] = renewed()
        home = Home(tmp_path, server)
        one, other = home.process(), home.process()
        assert home.token(one) == home.token(other) == KEY
        home.time = 900.0
        assert home.token(one) == home.token(other) == NEW
        assert len(server.asked("/oauth/token")) == 1


@pytest.mark.parametrize("fault", [reset(), answer(b"", status=503), html(502), answer(b"nonsense"), told([1])])
def test_while_the_service_is_away_the_old_token_serves_until_it_ends(fault: Script, tmp_path: Path) -> None:
    with wallet() as server:
        server.scripts["/oauth/token"] = fault
        home = Home(tmp_path, server)
        home.time = 900.0
        process = home.process()
        assert home.token(process) == KEY
        home.time = 1000.0
        with pytest.raises(MiniLLMError):
            home.token(process)
        server.scripts["/oauth/token"] = renewed()
        assert home.token(process) == NEW


def test_a_login_that_is_over_is_told_once_and_not_asked_for_again(tmp_path: Path) -> None:
    with wallet() as server:
        server.scripts["/oauth/token"] = refusal("invalid_grant")
        home = Home(tmp_path, server)
        home.time = 900.0
        for process in (home.process(), home.process()):
            with pytest.raises(SignedOutError) as raised:
                home.token(process)
            assert (raised.value.exit_code, raised.value.hint) == (4, "run `mini-llm login`")
        assert len(server.asked("/oauth/token")) == 1


def test_a_token_that_is_refused_before_its_time_is_renewed(tmp_path: Path) -> None:
    with wallet() as server:
        server.scripts["/oauth/token"] = renewed()
        home = Home(tmp_path, server)
        process = home.process()
        assert home.token(process) == KEY
        process.refresh(home.reference)
        assert process.known(home.reference, origin=server.url) is None
        assert home.token(process) == NEW
        assert process.known(home.reference, origin=server.url) is not None


def test_a_token_goes_to_its_own_service_only(tmp_path: Path) -> None:
    with wallet() as server:
        home = Home(tmp_path, server)
        with pytest.raises(CredentialError, match=r"is not sent to https://evil\.com"):
            home.process().find(home.reference, origin="https://evil.com")


def test_a_keyring_that_stops_working_does_not_lose_the_login(tmp_path: Path) -> None:
    with wallet() as server:
        server.scripts["/oauth/token"] = renewed()
        home = Home(tmp_path, server)

        def fails(service: str, name: str, value: str) -> None:
            raise OSError("locked")

        home.backend.set_password = fails
        home.time = 900.0
        assert home.token(home.process()) == NEW
        assert home.login.refresh.startswith("file:")
        assert home.token(home.process()) == NEW


def test_what_ends_between_two_writes_loses_no_refresh_token(tmp_path: Path) -> None:
    with wallet() as server:
        home = Home(tmp_path, server)
        asked: list[str] = []
        answers = [Tokens("no key can be stored like this", NEW_REFRESH, 1000), Tokens(NEW, NEW_REFRESH, 1000)]

        def ask(endpoint: str, refresh: str) -> Tokens:
            asked.append(refresh)
            return answers[len(asked) - 1]

        def fails(service: str, name: str, value: str) -> None:
            raise OSError("locked")

        home.backend.set_password = fails  # so what is new lies elsewhere than what was
        home.time = 900.0
        process = home.process()
        renewal = Renewal(process, home.paths, {}, now=lambda: home.time, ask=ask)
        with pytest.raises(CredentialError):
            renewal.find(home.name)
        assert renewal.find(home.name) == (NEW, origin_of(server.url))
        assert asked == [REFRESH, NEW_REFRESH]


def test_an_unknown_login_says_what_to_do(tmp_path: Path) -> None:
    with wallet() as server:
        home = Home(tmp_path, server)
        with pytest.raises(CredentialError, match="knows no login") as raised:
            home.process().find("wallet:passy/none", origin=server.url)
        assert raised.value.hint == "run `mini-llm login`"
        (tmp_path / "wallets.json").write_text("{")
        with pytest.raises(MiniLLMError, match="is damaged"):
            home.token(home.process())


ONE_OF_MANY = """
import sys
from mini_llm.config import Paths, origin_of
from mini_llm.credentials import Credentials
from mini_llm.wallet.renewal import Renewal
home, reference, origin = sys.argv[1:]
environ = {"MINI_LLM_HOME": home, "HOME": home}
paths = Paths.find(environ)
known = Credentials(environ=environ, paths=paths, renews=lambda known: Renewal(known, paths, environ))
print("ready", flush=True)
sys.stdin.readline()
print(known.find(reference, origin=origin).reveal(origin), flush=True)
"""


def test_twenty_processes_at_once_make_one_call(tmp_path: Path) -> None:
    with wallet() as server:
        server.scripts["/oauth/token"] = [renewed(), refusal("invalid_grant")]  # a second call would end the login
        home = Home(tmp_path, server)
        process = Credentials(environ={}, paths=home.paths)
        key = process.store(home.name, KEY, origin=server.url, insecure=True)
        refresh = process.store(f"{home.name}/renews", REFRESH, origin=server.url, insecure=True)
        home.logins.put(replace(home.login, key=key.reference, refresh=refresh.reference, renew_at=1.0))
        many = [
            subprocess.Popen(
                [sys.executable, "-c", ONE_OF_MANY, str(tmp_path), home.reference, server.url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(20)
        ]
        for one in many:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        for one in many:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        answers = [one.communicate(timeout=60)[0] for one in many]
        assert answers == [f"{NEW}\n"] * 20
        assert [form["refresh_token"] for form in server.forms("/oauth/token")] == [REFRESH]
    stored = json.loads((tmp_path / "secrets.json").read_text())
    assert stored[f"{home.name}/renews"]["secret"] == NEW_REFRESH


def test_nobody_to_ask_is_no_answer(tmp_path: Path) -> None:
    with wallet() as server:
        home = Home(tmp_path, server)
    home.time = 2000.0
    with pytest.raises(NetworkError, match="connection refused"):
        home.token(home.process())
