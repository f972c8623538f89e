"""`mini-llm status` while a gateway runs: real processes both."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from tests.cli.process import Result, run
from tests.gateway.running import Started, started
from tests.upstream import Provider, Say, Status

ASKED = {"messages": [{"role": "user", "content": "Hello"}]}


def test_a_gateway_that_runs_is_shown_with_its_targets_and_what_it_did(tmp_path: Path) -> None:
    lab, broken = Provider(Say("Hi")), Provider(Status(500))
    with lab, broken, started(tmp_path, {"lab": lab, "broken": broken}, {"default": "lab/m"}) as gateway:
        _ask(gateway, "lab/m")
        for _ in range(5):
            _ask(gateway, "broken/m")
        gateway.rows(6)
        shown, told = _rows(run(tmp_path, "status")), _json(run(tmp_path, "status", "--json"))
    about = told["gateway"]
    assert (about["answers"], about["address"], about["pid"]) == (True, gateway.url, gateway.process.pid)
    assert about["requests"] == {"live": 0, "last_hour": 6}
    assert {one["target"]: one["state"] for one in about["targets"]} == {"lab/m": "closed", "broken/m": "open"}
    assert told["problems"] == []
    assert shown["gateway"].startswith(f"{gateway.url}, since 20")
    assert shown["gateway"].endswith(f"pid {gateway.process.pid} 6 requests in the last hour, 0 under way")
    assert "broken/m" in shown["targets"]
    assert "resting for" in shown["targets"]
    assert "ok, first content after 0." in shown["targets"]


def test_a_gateway_that_encrypts_is_known_by_its_certificate(tmp_path: Path) -> None:
    home, pems = tmp_path / "home", tmp_path / "pems"
    pems.mkdir()
    for name in ("ours", "other"):
        issued = trustme.CA().issue_cert("gateway.example")
        issued.cert_chain_pems[0].write_to_path(pems / f"{name}.pem")
        issued.private_key_pem.write_to_path(pems / f"{name}.key")
        (pems / f"{name}.key").chmod(0o600)
    encrypted = ("--tls-cert", str(pems / "ours.pem"), "--tls-key", str(pems / "ours.key"))
    with Provider() as lab, started(home, {"lab": lab}, None, *encrypted) as gateway:
        told = _json(run(home, "status", "--json"))
        assert (told["gateway"]["address"], told["gateway"]["answers"]) == (gateway.url, True)
        assert gateway.url.startswith("https://")
        (pems / "other.pem").replace(pems / "ours.pem")
        result = run(home, "status")
    assert result.code == 1
    assert "certificate verify failed" in result.err


def test_no_gateway_is_no_problem(tmp_path: Path) -> None:
    with Provider() as lab:
        (tmp_path / "config.json").write_text(json.dumps({"providers": {"lab": {"baseUrl": lab.url, "models": ["m"]}}}))
        result = run(tmp_path, "status")
        told = _json(run(tmp_path, "status", "--json"))
    assert result.code == 0
    assert _rows(result)["gateway"] == "not running; `mini-llm start` starts it"
    assert told["gateway"] is None
    assert not (tmp_path / "gateway.token").exists()


def test_a_broken_config_that_the_gateway_does_not_use_is_a_problem(tmp_path: Path) -> None:
    with Provider() as lab, started(tmp_path, {"lab": lab}) as gateway:
        good = (tmp_path / "config.json").read_text()
        (tmp_path / "config.json").write_text("{,}")
        answer = httpx.post(f"{gateway.url}/control/v1/reload", headers=gateway.headers, json={}, timeout=30)
        assert answer.json()["applied"] is False
        (tmp_path / "other.json").write_text(good)
        (tmp_path / "other.json").chmod(0o600)
        result = run(tmp_path, "status", "--config", str(tmp_path / "other.json"))
    assert result.code == 1
    assert "the gateway's config is not the one in use" in result.err
    assert "mini-llm config check" in result.err


@pytest.mark.skipif(sys.platform == "win32", reason="no process can be halted there")
def test_a_gateway_that_hangs_is_a_problem_and_does_not_hang_us(tmp_path: Path) -> None:
    with Provider() as lab, started(tmp_path, {"lab": lab}) as gateway:
        os.kill(gateway.process.pid, signal.SIGSTOP)
        try:
            result = run(tmp_path, "status")
        finally:
            os.kill(gateway.process.pid, signal.SIGCONT)
    assert result.code == 1
    assert f"(pid {gateway.process.pid}) does not answer" in result.err
    assert "mini-llm restart" in result.err


def test_a_record_that_a_killed_gateway_left_is_not_taken_for_one_that_runs(tmp_path: Path) -> None:
    with Provider() as lab, started(tmp_path, {"lab": lab}) as gateway:
        gateway.process.kill()
        gateway.process.wait()
        assert (tmp_path / "gateway.json").exists()
        assert _json(run(tmp_path, "status", "--json"))["gateway"] is None


def _ask(gateway: Started, model: str) -> None:
    httpx.post(
        f"{gateway.url}/v1/chat/completions", headers=gateway.headers, json={**ASKED, "model": model}, timeout=30
    )


def _rows(result: Result) -> dict[str, str]:
    return dict(line.split("\t", 1) for line in result.out.splitlines())


def _json(result: Result) -> Any:
    return json.loads(result.out)
