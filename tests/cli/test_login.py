"""`mini-llm login` where nobody sits at a terminal: programs, pipes, jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import Result, inside, start
from tests.hostile import answer, closed_port, html
from tests.upstream import Provider
from tests.wallet.server import (
    ACCOUNT,
    DEVICE_CODE,
    DISCOVERY,
    KEY,
    MODELS,
    REFRESH,
    USER_CODE,
    Served,
    grant,
    refusal,
    told,
    wallet,
)

OTHER = "pk-" + "o" * 43
PENDING = refusal("authorization_pending")
Configure = Callable[..., Path]


@pytest.fixture
def server() -> Iterator[Served]:
    with wallet() as running:
        yield running


def login(home: Path, server: Served, *args: str, environ: dict[str, str] | None = None) -> Result:
    return inside(home, "login", "--url", server.url, *args, environ=environ)


def with_token(home: Path, server: Served, given: str, environ: dict[str, str] | None = None) -> Result:
    return inside(home, "login", "--url", server.url, "--with-token", stdin=given, environ=environ)


def config(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / "config.json").read_text())
    return found


def secrets(home: Path) -> dict[str, str]:
    found = json.loads((home / "secrets.json").read_text())
    return {name: entry["secret"] for name, entry in found.items()}


def test_a_yes_leaves_a_key_a_config_and_what_to_do_next(home: Path, server: Served) -> None:
    server.scripts["/oauth/token"] = [PENDING, grant()]
    result = login(home, server)
    assert (result.code, result.out) == (0, "")
    lines = result.err.splitlines()
    host = server.url.removeprefix("http://")
    assert lines[:4] == [f"Sign in to {host}", "", f"  open  {server.url}/auth", f"  code  {USER_CODE}"]
    assert f"Connected to {host} as a@example.com" in lines
    assert "  credits  $47.66" in lines
    assert f"  key      {home / 'secrets.json'}" in lines
    assert "stored in plain text, readable by you alone" in result.err
    assert lines[lines.index("Next:") + 1] == '  mini-llm chat "hello"'
    name = f"passy/{host}/acc_1"
    assert config(home) == {
        "wallet": {
            "type": "passy",
            "apiKey": f"file:secrets.json#{name}",
            "endpoint": server.api,
            "features": {"costOptimization": True, "discounts": True},
        },
        "default": "passy/llama-70b",
    }
    assert secrets(home) == {name: KEY}
    for file in ("config.json", "secrets.json", "wallets.json"):
        assert (home / file).stat().st_mode & 0o077 == 0
    assert KEY not in result.err + (home / "config.json").read_text() + (home / "wallets.json").read_text()


def test_what_the_user_wrote_in_the_config_stays(home: Path, server: Served, configure: Configure) -> None:
    configure(
        '{\n  // mine\n  "wallet": {"features": {"fallback": true}}, // agreed\n'
        '  "default": "lab/m", "unknown": [1]\n}\n'
    )
    assert with_token(home, server, KEY).code == 0
    text = (home / "config.json").read_text()
    assert "// mine" in text
    assert "// agreed" in text
    assert '"unknown": [1]' in text
    assert '"default": "lab/m"' in text
    assert '"features": {"fallback": true}' in text
    assert f'"endpoint": "{server.api}"' in text


def test_who_has_providers_is_told_how_the_wallet_may_step_in(
    home: Path, server: Served, lab: Callable[..., Provider]
) -> None:
    lab()
    result = with_token(home, server, KEY)
    assert result.err.endswith("  mini-llm config set wallet.features.fallback true\n")
    assert "default" not in config(home)
    assert "fallback" not in config(home)["wallet"]["features"]


def test_a_token_that_runs_out_is_kept_with_what_renews_it(home: Path, server: Served) -> None:
    server.scripts["/oauth/token"] = grant(refresh_token=REFRESH, expires_in=3600)
    assert login(home, server).code == 0
    name = f"passy/{server.url.removeprefix('http://')}/acc_1"
    assert config(home)["wallet"]["apiKey"] == f"wallet:{name}"
    assert secrets(home) == {name: KEY, f"{name}/renews": REFRESH}


def test_a_token_is_taken_from_stdin_and_shown_nowhere(home: Path, server: Served) -> None:
    result = with_token(home, server, f"{KEY}\n")
    assert (result.code, result.out) == (0, "")
    assert KEY not in result.err
    assert list(secrets(home).values()) == [KEY]
    assert server.asked("/oauth/device/code") == []
    assert server.asked("/v1/account")[0].header("authorization") == f"Bearer {KEY}"


@pytest.mark.parametrize("given", ["", "\n", "two words", "x" * 2000, "schlüssel"])
def test_what_is_no_key_is_refused_before_anybody_is_asked(home: Path, server: Served, given: str) -> None:
    result = with_token(home, server, given)
    assert result.code == 2
    assert server.peer.requests == []


def test_a_key_that_does_not_work_changes_nothing(home: Path, server: Served) -> None:
    assert with_token(home, server, KEY).code == 0
    before = (config(home), secrets(home))
    server.scripts["/v1/account"] = told({"error": {"type": "invalid_api_key"}}, status=401)
    result = with_token(home, server, OTHER)
    assert (result.code, result.err) == (4, "error: 127.0.0.1 refuses the key\nhint: run `mini-llm login`\n")
    server.scripts["/oauth/token"] = grant(OTHER)
    assert login(home, server).code == 4
    assert (config(home), secrets(home)) == before
    assert [form["token"] for form in server.forms("/oauth/revoke")] == [OTHER]  # nobody keeps it


def test_signing_in_again_replaces_the_key_and_revokes_the_old_one(home: Path, server: Served) -> None:
    assert login(home, server).code == 0
    server.scripts["/oauth/token"] = grant(OTHER)
    result = login(home, server)
    assert "You were already signed in to this account" in result.err
    assert list(secrets(home).values()) == [OTHER]
    assert [form["token"] for form in server.forms("/oauth/revoke")] == [KEY]


def test_a_second_account_is_kept_beside_the_first_and_switched_to(home: Path, server: Served) -> None:
    assert with_token(home, server, KEY).code == 0
    server.scripts["/v1/account"] = told({**ACCOUNT, "id": "acc_2", "email": "b@example.com"})
    assert with_token(home, server, OTHER).code == 0
    assert config(home)["wallet"]["apiKey"].endswith("/acc_2")
    result = inside(home, "auth", "switch", "a@example.com")
    assert (result.code, result.err) == (0, f"a@example.com at {server.url[7:]} is the wallet now\n")
    assert config(home)["wallet"]["apiKey"].endswith("/acc_1")
    assert inside(home, "auth", "switch", "c@example.com").code == 2
    assert server.asked("/oauth/revoke") == []


def test_each_change_is_one_line_of_json(home: Path, server: Served) -> None:
    server.scripts["/oauth/token"] = [PENDING, refusal("slow_down", interval=1), html(503), grant()]
    result = login(home, server, "--json")
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert [line["state"] for line in lines] == ["code", "waiting", "slow_down", "unreachable", "connected"]
    assert lines[0]["user_code"] == USER_CODE
    assert lines[0]["verification_uri_complete"] == f"{server.url}/auth?user_code={USER_CODE}"
    assert lines[-1]["account"]["email"] == "a@example.com"
    assert lines[-1]["credits"]["balance_nanos"] == 47_660_000_000
    assert KEY not in result.out
    assert DEVICE_CODE not in result.out + result.err


def test_a_login_is_begun_by_one_call_and_resumed_by_another(home: Path, server: Served) -> None:
    begun = login(home, server, "--json", "--no-wait")
    assert begun.code == 0
    assert json.loads(begun.out) == {
        "verification_uri": f"{server.url}/auth",
        "verification_uri_complete": f"{server.url}/auth?user_code={USER_CODE}",
        "user_code": USER_CODE,
        "expires_in": 600,
        "resume": "mini-llm login --resume",
    }
    assert not (home / "config.json").exists()
    resumed = inside(home, "login", "--resume", "--json")
    assert [json.loads(line)["state"] for line in resumed.out.splitlines()] == ["code", "connected"]
    assert list(secrets(home).values()) == [KEY]
    assert server.forms("/oauth/token")[0]["device_code"] == DEVICE_CODE
    again = inside(home, "login", "--resume")
    assert (again.code, again.err.splitlines()[0]) == (4, "error: no login was begun here")


def test_a_resumed_login_that_runs_out_of_patience_can_be_resumed_again(home: Path, server: Served) -> None:
    assert login(home, server, "--json", "--no-wait").code == 0
    server.scripts["/oauth/token"] = PENDING
    assert inside(home, "login", "--resume", "--timeout", "0.1").code == 4
    server.scripts["/oauth/token"] = refusal("access_denied")
    assert inside(home, "login", "--resume").err.startswith(f"Sign in to {server.url[7:]}")
    assert "no login was begun" in inside(home, "login", "--resume").err
    assert secrets(home) == {}


@pytest.mark.parametrize(
    ("script", "code", "told_"),
    [
        (refusal("access_denied"), 4, "error: you declined the request in the browser"),
        (refusal("expired_token"), 4, "error: the code has expired"),
        (answer(b"nonsense"), 5, "that are no JSON"),
        (html(), 5, "answered with a web page"),
    ],
)
def test_an_end_without_a_key_says_why(home: Path, server: Served, script: bytes, code: int, told_: str) -> None:
    server.scripts["/oauth/token"] = script
    result = login(home, server)
    assert result.code == code
    assert told_ in result.err
    assert not (home / "config.json").exists()


def test_a_secret_that_a_service_quotes_back_is_not_shown(home: Path, server: Served) -> None:
    server.scripts["/oauth/token"] = refusal("invalid_client", error_description=f"who is {DEVICE_CODE}?")
    result = login(home, server)
    assert (result.code, DEVICE_CODE in result.err) == (4, False)
    assert "ended the login: who is [redacted]" in result.err


def test_a_service_that_is_not_there_is_named_with_the_proxies_in_sight(home: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    result = inside(home, "login", "--url", url, environ={"HTTPS_PROXY": "http://u:secret@proxy.example:1"})
    assert result.code == 5
    assert result.err.startswith(f"error: cannot reach {url}: connection refused\n")
    assert "check the proxy that HTTPS_PROXY names" in result.err
    assert "secret" not in result.err


def test_an_address_that_leads_elsewhere_is_never_shown_as_one_to_open(home: Path, server: Served) -> None:
    server.scripts["/oauth/device/code"] = told(server.device(verification_uri="https://evil.com/auth"))
    result = login(home, server, "--json")
    assert (result.code, result.out) == (5, "")
    assert "not opened, 'https://evil.com/auth': it is at another host" in result.err


def test_nobody_waits_longer_than_asked(home: Path, server: Served) -> None:
    server.scripts["/oauth/token"] = PENDING
    result = login(home, server, "--timeout", "0.5")
    assert (result.code, "nobody said yes in time" in result.err) == (4, True)


@pytest.mark.parametrize(
    "args",
    [
        *(["--with-token", "--resume"], ["--insecure-storage", "--require-keyring"], ["--timeout", "0"]),
        *(["--url", "http://example.com"], ["--url", "file:///x"]),
    ],
)
def test_what_makes_no_sense_is_a_misuse(home: Path, args: list[str]) -> None:
    assert inside(home, "login", *args).code == 2


def test_without_a_keyring_a_login_that_requires_one_ends_before_it_begins(home: Path, server: Served) -> None:
    result = login(home, server, "--require-keyring")
    assert result.code == 4
    assert "the system keyring can't be used" in result.err
    assert server.peer.requests == []


def test_a_config_that_could_not_take_the_login_is_told_first(home: Path, server: Served, configure: Configure) -> None:
    configure(wallet={"type": "custom", "providers": [{"id": "openai", "apiKey": "${X}"}]})
    assert login(home, server).code == 2
    configure("{broken")
    assert login(home, server).code == 2
    assert server.peer.requests == []


def test_a_token_in_the_environment_is_checked_and_not_stored(home: Path, server: Served) -> None:
    environ = {"MINI_LLM_TOKEN": KEY}
    result = login(home, server, environ=environ)
    assert result.code == 0
    assert "  key      environment MINI_LLM_TOKEN; nothing is stored" in result.err.splitlines()
    assert config(home) == {"wallet": {"type": "passy", "endpoint": server.api}}
    assert not (home / "secrets.json").exists()
    other = with_token(home, server, OTHER, environ=environ)
    assert (other.code, "unset MINI_LLM_TOKEN" in other.err) == (4, True)
    status = json.loads(inside(home, "status", "--json", environ=environ).out)
    assert (status["wallet"]["connected"], status["wallet"]["key_from"]) == (True, "environment MINI_LLM_TOKEN")


def test_the_gateway_s_own_token_in_the_environment_goes_to_no_wallet(home: Path, server: Served) -> None:
    environ = {"MINI_LLM_TOKEN": "ml-" + "g" * 43}  # the gateway’s, by mistake
    assert login(home, server, environ=environ).code == 0
    status = json.loads(inside(home, "status", "--json", environ=environ).out)["wallet"]
    assert status["key_from"].startswith("file ")
    assert all("ml-" not in request.header("authorization") for request in server.peer.requests)


def test_no_secret_is_ever_an_argument_of_a_process(home: Path, server: Served) -> None:
    server.scripts["/oauth/token"] = [PENDING, PENDING, grant()]
    with start(home, "login", "--url", server.url, environ={"BROWSER": "true"}) as process:
        seen = set()
        while process.poll() is None:
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(entry.read_bytes())
                except OSError:
                    continue
            time.sleep(0.2)
        process.communicate()
    assert process.returncode == 0
    assert not any(secret.encode() in line for line in seen for secret in (KEY, DEVICE_CODE))


def test_a_service_without_a_list_of_models_still_signs_in(home: Path, server: Served) -> None:
    server.scripts["/v1/models"] = answer(b"", status=500)
    assert with_token(home, server, KEY).code == 0
    assert "default" not in config(home)
    server.scripts["/v1/models"] = told({"data": [{"id": "embed-1", "pricing": {"input": "1"}}, *MODELS["data"]]})
    assert with_token(home, server, KEY).code == 0
    assert config(home)["default"] == "passy/llama-70b"


def test_another_login_server_is_told(home: Path, server: Served) -> None:
    server.scripts[DISCOVERY] = told(server.document(issuer="https://passy.ai"))
    result = login(home, server)
    assert result.code == 5
    assert "says that it is 'https://passy.ai'" in result.err
