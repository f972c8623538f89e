"""`mini-llm doctor`, as people run it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

from mini_llm.cli import shells
from tests.cli.process import Terminal, inside, run
from tests.upstream import Bytes, Provider, Status

KEY = "sk-canary-0123456789abcdef"
QUIET = {"MINI_LLM_GATEWAY_PORT": "1"}  # where nobody listens: a gateway of this machine is not the test's
MODELS = Bytes(b'{"object":"list","data":[{"id":"m"},{"id":"n"}]}')


def _told(home: Path, *args: str, environ: dict[str, str] | None = None) -> tuple[int, dict[str, dict[str, Any]]]:
    result = inside(home, "doctor", "--json", *args, environ={**QUIET, **(environ or {})})
    rows = json.loads(result.out)
    assert all(set(row) == {"name", "state", "what", "mend"} for row in rows)
    return result.code, {row["name"]: row for row in rows}


def test_a_new_machine_is_well_and_says_what_could_be_better(home: Path) -> None:
    result = run(home, "doctor", "--offline", environ={**QUIET, "SHELL": "/bin/bash"})
    rows = [line.split("\t") for line in result.out.splitlines()]
    assert (result.code, result.err) == (0, "")
    assert {row[1] for row in rows} >= {
        "mini-llm",
        "python",
        "sqlite",
        "config",
        "keyring",
        "gateway",
        "ledger",
        "disk",
    }
    assert {row[0] for row in rows} <= {"ok", "warning"}
    assert ["warning", "completions", "not installed for bash", "mini-llm completions bash --install"] in rows
    assert not (home / "data").exists(), "a doctor writes nothing"


def test_a_provider_is_asked_for_its_models_and_never_for_an_answer(home: Path, lab: Callable[..., Provider]) -> None:
    provider = lab(MODELS, key=KEY)
    code, told = _told(home)
    assert (code, told["lab"]["state"]) == (0, "ok")
    assert "2 models" in told["lab"]["what"]
    assert {(request.method, request.path) for request in provider.seen} <= {("GET", "/v1/models"), ("GET", "/v1")}
    without_key = [request for request in provider.seen if request.path == "/v1"]
    assert KEY not in str(without_key)


def test_a_refused_key_and_a_dead_address_are_problems_with_the_command_that_mends_them(
    home: Path, lab: Callable[..., Provider]
) -> None:
    lab(
        Status(401),
        key=KEY,
        providers={"gone": {"baseUrl": "http://127.0.0.1:9/v1", "models": ["x"]}},
    )
    code, told = _told(home)
    assert code == 1
    assert (told["lab"]["state"], told["lab"]["mend"]) == ("problem", "mini-llm providers add lab --key")
    assert (told["gone"]["state"], "providers show gone" in told["gone"]["mend"]) == ("problem", True)


def test_the_clock_is_compared_with_what_a_provider_says(home: Path, lab: Callable[..., Provider]) -> None:
    lab(Bytes(MODELS.body, headers={"date": formatdate(time.time() - 4000)}), key=KEY)
    code, told = _told(home)
    assert (code, told["clock"]["state"], "ahead of" in told["clock"]["what"]) == (1, "problem", True)


def test_offline_asks_nobody(home: Path, lab: Callable[..., Provider]) -> None:
    provider = lab(MODELS)
    assert "lab" not in _told(home, "--offline")[1]
    assert provider.seen == []


def test_a_config_that_cannot_be_read_is_told_beside_the_rest(home: Path, configure: Callable[..., Path]) -> None:
    configure("{ nonsense")
    code, told = _told(home)
    assert (code, told["config"]["state"], told["config"]["mend"]) == (1, "problem", "mini-llm config edit")
    assert told["python"]["state"] == "ok"


def test_completions_are_fresh_only_when_they_are_of_this_version(home: Path) -> None:
    environ = {"SHELL": "/bin/bash"}
    run(home, "completions", "bash", "--install")
    assert _told(home, "--offline", environ=environ)[1]["completions"]["state"] == "ok"
    place = home / ".local/share/bash-completion/completions/mini-llm"
    place.write_text(shells.script("bash") + "# older\n", encoding="utf-8")
    assert _told(home, "--offline", environ=environ)[1]["completions"]["state"] == "warning"


def test_a_report_holds_no_key_no_home_and_no_private_host(home: Path, configure: Callable[..., Path]) -> None:
    configure(providers={"lab": {"baseUrl": "http://llm.corp.invalid:1/v1", "apiKey": KEY}})
    result = inside(
        home, "doctor", "--report", environ={**QUIET, "USER": "marian", "HTTPS_PROXY": f"http://{KEY}@p.corp:1"}
    )
    assert result.code == 1
    assert result.out.startswith("```text\n")
    for secret in (KEY, "corp", str(home), "marian"):
        assert secret not in result.out + result.err


def test_on_a_terminal_a_problem_stands_with_what_mends_it(home: Path, configure: Callable[..., Path]) -> None:
    configure("{ nonsense")
    terminal = Terminal(home, "doctor", "--offline", environ=QUIET)
    assert terminal.end(30) == 1
    assert "problem  config" in terminal.plain
    assert "→ mini-llm config edit" in terminal.plain
    assert all(len(line) <= 80 for line in terminal.plain.rpartition("\x1b[K")[2].splitlines())
