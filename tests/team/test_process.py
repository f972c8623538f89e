"""A team server as people run it: made, started, killed, started again; and the official SDKs before it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest

from mini_llm.team.state import STORE_FILE
from mini_llm.team.teams import Terms
from tests.cli import process
from tests.conversing import GREETING, Conversing
from tests.gateway.running import wait_for
from tests.gateway.test_sdks import DRIVERS, GOOD, LACKS, STOPPED
from tests.sdks.install import SDKS, Sdk
from tests.team.serving import config, founded, serving
from tests.upstream import Provider, Say, Silence

PASSWORD = b"correct horse battery staple\n"
HOME = Path("profiles", "team")
# The current version of each SDK whose dialect a wallet must speak.
NEWEST = [next(sdk for sdk in SDKS if sdk.package == package) for package in ("openai", "anthropic")]


class Founded:
    """A server's home with a team and a provider; `token` is a key of its owner."""

    def __init__(self, home: Path, lab: Provider) -> None:
        self.home = home
        (home / HOME).mkdir(mode=0o700, parents=True, exist_ok=True)
        _, self.token = asyncio.run(founded(home / HOME, Terms()))
        (home / HOME / "config.json").write_text(json.dumps(config({"lab": lab})))

    @contextmanager
    def started(self, *args: str) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
        """Run `team start`, and return it with a client who has the key."""
        begun = process.start(self.home, "team", "start", "--port", "0", "--json", *args)
        try:
            assert begun.stdout is not None
            line = begun.stdout.readline()
            assert line, begun.communicate()[1].decode()
            headers = {"authorization": f"Bearer {self.token}"}
            with httpx.Client(base_url=json.loads(line)["url"], headers=headers, timeout=20, trust_env=False) as client:
                yield begun, client
        finally:
            begun.kill()
            begun.communicate()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return what stands in the team's file."""
        reader = apsw.Connection(str(self.home / HOME / "data" / STORE_FILE), flags=apsw.SQLITE_OPEN_READWRITE)
        reader.set_busy_timeout(5000)
        try:
            return list(reader.execute(statement))
        finally:
            reader.close()


def run(home: Path, *args: str) -> Any:
    """Run a command of the operator's, and return what it printed, the JSON in it if that was asked for."""
    done = process.run(home, "team", *args, stdin=PASSWORD)
    assert done.code == 0, done.err
    return json.loads(done.out) if "--json" in args else done.out


CHAT = "/v1/chat/completions"
ASKED = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]}


def test_a_company_is_up_with_three_commands_and_stops_when_it_is_told(tmp_path: Path) -> None:
    made = run(tmp_path, "init", "--name", "Example", "--email", "o@example.com", "--password-stdin", "--json")
    assert made["team"].startswith("team_") and made["home"] == str(tmp_path / HOME)
    key = run(tmp_path, "keys", "create", "--member", "o@example.com", "--name", "ci", "--json")
    company = Founded.__new__(Founded)
    company.home, company.token = tmp_path, key["key"]
    with Provider(Say("Hello")) as lab:
        (tmp_path / HOME / "config.json").write_text(json.dumps(config({"lab": lab})))
        with company.started() as (server, client):
            assert client.post(CHAT, json=ASKED).status_code == 200
            told = wait_for(
                lambda: one if (one := run(tmp_path, "usage", "--by", "model", "--json"))["rows"] else None, "the usage"
            )
            assert told["rows"][0]["model"] == "m" and told["total"]["paid_nanos"] == 20_000
            link = run(tmp_path, "invite", "ann@example.com").strip()
            assert client.get(link, follow_redirects=True).status_code == 200
            server.send_signal(signal.SIGTERM)
            assert server.wait(20) == 0
    assert (tmp_path / HOME / "team.secret").stat().st_mode & 0o077 == 0
    assert (tmp_path / HOME / "data" / STORE_FILE).stat().st_mode & 0o077 == 0


def test_keys_fit_a_terminal_and_one_is_revoked_by_how_its_id_begins(tmp_path: Path) -> None:
    run(tmp_path, "init", "--name", "Example", "--email", "o@example.com", "--password-stdin", "--json")
    rights = ("--models", "fast", "--budget", "2", "--period", "daily", "--days", "30")
    made = run(tmp_path, "keys", "create", "--member", "o@example.com", "--name", "ci", *rights, "--json")
    code, screen = process.on_terminal(tmp_path, "team", "keys")
    row = next(line.split() for line in screen.splitlines() if " ci " in line)
    assert (code, row[1:-1]) == (0, ["ci", "o@example.com", "fast", "$2.00", "daily"])
    assert process.run(tmp_path, "team", "keys", "revoke", "key_").code != 0
    run(tmp_path, "keys", "revoke", row[0])
    left = run(tmp_path, "keys", "list", "--revoked", "--json")
    assert [bool(one["revoked_at"]) for one in left if one["id"] == made["id"]] == [True]


def test_a_stream_that_runs_is_finished_before_the_server_ends(tmp_path: Path) -> None:
    with Provider(Say("one two three four five", pause=0.1)) as lab:
        company = Founded(tmp_path, lab)
        with company.started() as (server, client):
            with client.stream("POST", CHAT, json={**ASKED, "stream": True}) as answer:
                lines = answer.iter_lines()
                first = next(lines)
                server.send_signal(signal.SIGTERM)
                text = "\n".join([first, *lines])
            assert "[DONE]" in text
            assert server.wait(20) == 0
        assert company.rows("SELECT count(*) FROM charge") == [(1,)]
        assert company.rows("SELECT count(*) FROM reservation") == [(0,)]


def test_a_server_that_is_killed_leaves_nothing_set_aside(tmp_path: Path) -> None:
    with Provider(Silence()) as lab:
        company = Founded(tmp_path, lab)
        with company.started() as (server, client):
            asking = threading.Thread(target=_ask_in_vain, args=(client,))
            asking.start()
            wait_for(lambda: lab.seen or None, "the request at the provider")
            assert company.rows("SELECT count(*) FROM reservation WHERE state = 'open'") == [(1,)]
            server.kill()
            server.wait(20)
            asking.join(20)
        lab.script = [Say("Hello")]
        with company.started() as (server, client):
            assert client.post(CHAT, json=ASKED).status_code == 200
            wait_for(lambda: company.rows("SELECT 1 FROM charge WHERE status = 'ok'") or None, "the charge")
            assert company.rows("SELECT count(*) FROM reservation WHERE state = 'open'") == [(0,)]
            assert company.rows("SELECT held FROM purse WHERE kind = 'wallet'") == [(0,)]
            assert company.rows("SELECT count(*) FROM charge WHERE status = 'unknown'") == [(1,)]
            assert company.rows("SELECT sum(nanos) FROM posting") == [(0,)]


def test_settings_are_taken_up_while_the_server_runs_and_the_team_still_pays(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as lab:
        company = Founded(tmp_path, lab)
        with company.started() as (_, client):
            asked = {**ASKED, "model": "fast"}
            assert client.post(CHAT, json=asked).status_code == 404
            settings = {**config({"lab": lab}), "aliases": {"fast": "lab/m"}}
            (tmp_path / HOME / "config.json").write_text(json.dumps(settings))
            wait_for(lambda: client.post(CHAT, json=asked).status_code == 200 or None, "the alias")
            wait_for(lambda: company.rows("SELECT 1 FROM charge WHERE paid = 20000") or None, "the charge")
            assert client.post(CHAT, json=asked, headers={"authorization": "Bearer pk-wrong"}).status_code == 401


def test_several_workers_serve_one_team(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as lab:
        company = Founded(tmp_path, lab)
        with company.started("--workers", "2") as (server, client):
            statuses = {client.post(CHAT, json=ASKED, headers={"connection": "close"}).status_code for _ in range(8)}
            assert statuses == {200}
            wait_for(lambda: company.rows("SELECT count(*) FROM charge") == [(8,)] or None, "eight charges")
            server.send_signal(signal.SIGTERM)
            assert server.wait(20) == 0
        assert company.rows("SELECT count(*) FROM reservation") == [(0,)]


def test_a_server_that_would_be_open_to_all_does_not_start(tmp_path: Path) -> None:
    with Provider() as lab:
        company = Founded(tmp_path, lab)
    for args, words in (
        (("--host", "0.0.0.0"), "encrypt"),
        (("--behind-proxy", "10.0.0.0/8"), "mini-llm team set --url"),
        (("--tls-cert", "nowhere.pem", "--tls-key", "nowhere.key"), "nowhere.pem"),
    ):
        done = process.run(company.home, "team", "start", "--port", "0", *args)
        assert done.code == 78 and words in done.err


def test_without_a_team_nothing_starts_and_none_is_made_twice(tmp_path: Path) -> None:
    for command in ("start", "usage"):
        done = process.run(tmp_path, "team", command)
        assert done.code == 78 and "mini-llm team init" in done.err
    with Provider() as lab:
        Founded(tmp_path, lab)
    args = ("init", "--name", "Again", "--email", "o@example.com", "--password-stdin")
    assert process.run(tmp_path, "team", *args, stdin=PASSWORD).code == 78


def test_no_plain_gateway_takes_the_place_of_a_team_server(tmp_path: Path) -> None:
    with Provider() as lab:
        company = Founded(tmp_path, lab)
        with company.started() as (server, _):
            for command in ("start", "restart"):
                done = process.run(company.home, "--profile", "team", command)
                assert done.code == 78 and "mini-llm team start" in done.err
            assert server.poll() is None
            assert process.run(company.home, "--profile", "team", "stop").code == 0
            assert server.wait(20) == 0


def test_a_bad_password_leaves_nothing_behind(tmp_path: Path) -> None:
    args = ("team", "init", "--name", "Example", "--email", "o@example.com", "--password-stdin")
    assert process.run(tmp_path, *args, stdin=b"short\n").code == 2
    assert process.run(tmp_path, *args, stdin=PASSWORD).code == 0


@pytest.mark.parametrize("sdk", NEWEST, ids=str)
def test_an_official_sdk_works_with_a_team_key_as_with_its_own_provider(sdk: Sdk, tmp_path: Path) -> None:
    if not sdk.ready:
        pytest.skip(f"{sdk} is not here: run `python tests/sdks/install.py`")
    with Conversing() as model:
        names: Mapping[str, Provider] = dict.fromkeys(("chat", "chat-locked", "elsewhere", "elsewhere-locked"), model)
        settings = config(names)
        for name in ("elsewhere", "elsewhere-locked"):
            settings["providers"][name]["dialect"] = "anthropic"
        with serving(tmp_path, names, settings) as server:
            driver = Path(__file__).parent.parent / "gateway" / "sdks" / DRIVERS[sdk.package]
            asked = "elsewhere/m" if sdk.package == "openai" else "chat/m"
            command = [
                str(sdk.python),
                str(driver),
                server.url,
                server.token,
                asked,
                asked.replace("/", "-locked/"),
                "chat/m",
            ]
            done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
            told = {line["scene"]: line for line in map(json.loads, done.stdout.splitlines())}
            greeted = [GREETING, STOPPED[sdk.package], [10, 5]]
            wanted = {"plain": greeted, "streamed": greeted, **GOOD}
            wrong = {
                scene: told.get(scene) for scene in wanted.keys() - LACKS[sdk.package]
                if (told.get(scene) or {}).get("got") != wanted[scene]
            }  # fmt: skip
            assert not wrong, (wrong, done.stderr[-2000:])
            assert "AuthenticationError" in told["wrong token"]["raised"]
            assert server.settled().nanos < 5 * 10**9


def _ask_in_vain(client: httpx.Client) -> None:
    with suppress(httpx.HTTPError):
        client.post(CHAT, json=ASKED)
