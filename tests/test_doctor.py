"""The checks themselves: side by side, each within its time; and what a report hides."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mini_llm.config import Config, Paths, ProviderSettings, load
from mini_llm.doctor import Check, Finding, examine, links, machine, port, report
from mini_llm.errors import LedgerError, TLSError
from mini_llm.ledger.sqlite.soundness import read_through
from mini_llm.providers import Provider
from mini_llm.runtime import LEDGER_FILE, Runtime
from tests.keyrings import Backend, credentials, safe


def _runtime(home: Path, **settings: object) -> Runtime:
    (home / "config.json").write_text(json.dumps(settings))
    return Runtime.open(environ={"MINI_LLM_HOME": str(home), "HOME": str(home), "PATH": os.environ["PATH"]}, cwd=home)


def test_checks_run_side_by_side_and_are_told_in_their_order() -> None:
    both = threading.Barrier(2)

    def waits_for_the_other(name: str) -> Iterator[Finding]:
        both.wait(20)
        yield Finding(name, "ok", "met")

    ended: list[str] = []
    found = examine([Check(name, lambda name=name: waits_for_the_other(name)) for name in "ab"], ended.append)  # type: ignore[misc]
    assert [finding.name for finding in found] == ["a", "b"]
    assert sorted(ended) == ["a", "b"]


def test_a_check_that_hangs_or_fails_is_a_finding_and_holds_up_nobody() -> None:
    never = threading.Event()

    def hangs() -> Iterator[Finding]:
        never.wait(60)
        yield Finding("hangs", "ok", "too late")

    def fails() -> Iterator[Finding]:
        raise ValueError("odd")

    checks = [Check("hangs", hangs, 0.2), Check("fails", fails), Check("good", lambda: [Finding("good", "ok", "")])]
    found = examine(checks)
    never.set()
    assert [(one.name, one.state) for one in found] == [("hangs", "problem"), ("fails", "problem"), ("good", "ok")]
    assert found[0].what == "no answer within 0.2 s"
    assert found[1].what == "the check itself failed: ValueError: odd"


def test_the_keyring_is_tried_with_a_key_of_the_largest_size_and_left_as_it_was(tmp_path: Path) -> None:
    sizes: list[int] = []

    class Measured(Backend):
        def set_password(self, service: str, name: str, value: str) -> None:
            sizes.append(len(value))
            super().set_password(service, name, value)

    backend = safe(Measured)
    loaded = load(Paths.find({"MINI_LLM_HOME": str(tmp_path)}), environ={}, cwd=None)
    (found,) = machine.keyring(credentials(tmp_path, backend), loaded)
    assert (found.state, sizes, backend.entries) == ("ok", [1200], {})


def test_a_keyring_that_does_not_work_is_a_problem_only_where_a_key_is_in_it(tmp_path: Path) -> None:
    without = _runtime(tmp_path).loaded
    (found,) = machine.keyring(credentials(tmp_path), without)
    assert found.state == "warning"
    used = _runtime(tmp_path, providers={"groq": {"apiKey": "keyring:groq"}}).loaded
    (found,) = machine.keyring(credentials(tmp_path), used)
    assert (found.state, found.mend) == ("problem", "mini-llm providers add groq --key")


def test_a_damaged_ledger_is_told_and_a_sound_one_is_left_alone(tmp_path: Path) -> None:
    runtime = _runtime(tmp_path)
    file = runtime.loaded.paths.data / LEDGER_FILE
    assert [one.state for one in machine.ledger(runtime)] == ["ok", "ok"]
    assert not file.exists()
    file.parent.mkdir(parents=True)
    file.write_bytes(b"SQLite format 3\0" + b"\xff" * 8192)
    with pytest.raises(LedgerError, match=r"can't be|damaged"):
        list(machine.ledger(runtime))
    with pytest.raises(LedgerError):
        read_through(file)


def test_whoever_has_the_gateways_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken = listening.getsockname()[1]
        (found,) = port.look(_runtime(tmp_path, gateway={"port": taken}).loaded)
    assert found.state == "problem"
    assert found.mend.endswith(f"mini-llm config set gateway.port {taken + 1}")
    if sys.platform == "linux":
        assert f"(pid {os.getpid()})" in found.what
    (free,) = port.look(_runtime(tmp_path, gateway={"port": taken}).loaded)
    assert free.what == f"not running; port {taken} is free"


def test_a_clock_that_is_off_is_told_with_which_way() -> None:
    provider = Provider("groq", "https://api.groq.com/openai/v1")

    def after(*ahead: float) -> tuple[str, str]:
        (found,) = links.clock([links.Heard(provider, 0.1, 1, None, seconds) for seconds in ahead])
        return found.state, found.what.partition(":")[0]

    assert after(2, 1, 900) == ("ok", "within 2 s of the providers'")
    assert after(-90) == ("warning", "it is 90 s behind the providers'")
    assert after(3600) == ("problem", "it is 3,600 s ahead of the providers'")
    assert list(links.clock([links.Heard(provider, 0.1, 1, None, None)])) == []


def test_a_certificate_that_is_not_trusted_names_the_provider() -> None:
    provider = Provider("groq", "https://api.groq.com/openai/v1")
    (found,) = links.certificates([links.Heard(provider, 0.1, 0, TLSError("no"), None)])
    assert (found.state, "groq" in found.what, "SSL_CERT_FILE" in found.mend) == ("problem", True, True)


def test_a_report_hides_user_home_machine_and_every_host_that_is_not_public() -> None:
    config = Config(providers={"lab": ProviderSettings(base_url="http://llm.corp.example:8080/v1")})
    environ = {"HOME": "/home/marian", "USER": "marian", "HTTPS_PROXY": "proxy.corp:3128"}
    hide = report.disguise(config, environ, report.public_hosts()).hide
    text = hide(
        f"/home/marian/.mini-llm/config.json of marian on {socket.gethostname()}: no answer from llm.corp.example:8080,"
        " HTTPS_PROXY=proxy.corp:3128, http://other.intern/x, 10.1.2.3:99, https://marian:pw@git.corp/x;"
        " https://api.openai.com:443, 127.0.0.1:6464, marianne"
    )
    for secret in ("marian/", "marian ", "corp", "intern", "10.1.2.3", socket.gethostname()):
        assert secret not in text
    assert text.startswith("~/.mini-llm/config.json of [user] on [private host]: no answer from [private host]:8080")
    assert "https://api.openai.com:443, 127.0.0.1:6464, marianne" in text
