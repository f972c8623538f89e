"""Start-up: what must not be loaded, seen from outside in real processes.

`python -X importtime` writes a line to stderr for each module that it loads. Time is what it is about, and time
is measured by bench/startup.py; which modules are loaded is the same on every machine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.upstream import Provider, Silence

# What the `mini-llm` command does, without the installed script.
MINI_LLM = (sys.executable, "-X", "importtime", "-c", "import sys, mini_llm.__main__ as m; sys.exit(m.main())")

SLOW = {
    "apsw",
    "email",
    "http.client",
    "httpx",
    "importlib.metadata",
    "jsonschema",
    "keyring",
    "mini_llm.history",  # off unless turned on
    "mini_llm.plugins",  # none unless named
    "prompt_toolkit",
    "pydantic",
    "rich",
    "tomlkit",
    "urllib.request",
    "uvicorn",
}
ONLY_TO_ANSWER = {"asyncio", "httptools", "logging", "orjson", "socket", "sqlite3", "ssl", "truststore"}
ADVICE = (
    "is loaded: import it inside the one function that needs it, and say why there; `python -X importtime` tells who"
)


def test_version_loads_nothing_but_itself(tmp_path: Path) -> None:
    loaded = _loaded_by(tmp_path, "--version")
    assert {name for name in loaded if name.startswith("mini_llm")} == {
        "mini_llm",
        "mini_llm.__main__",
        "mini_llm._version",
    }
    too_much = loaded & (SLOW | ONLY_TO_ANSWER | {"click", "dataclasses", "json", "re", "typer", "typing"})
    assert not too_much, f"{too_much} {ADVICE}"


@pytest.mark.parametrize(
    "command", ["--help", "chat --help", "login --help", "usage --help", "config path", "completions bash"]
)
def test_a_command_that_asks_no_model_loads_nothing_that_could(command: str, tmp_path: Path) -> None:
    too_much = _loaded_by(tmp_path, *command.split()) & (SLOW | ONLY_TO_ANSWER)
    assert not too_much, f"{too_much} {ADVICE}"


@pytest.mark.parametrize("command", ["auth token", "auth token --for codex"])
def test_the_token_that_agents_wait_for_comes_without_a_framework(command: str, tmp_path: Path) -> None:
    too_much = _loaded_by(tmp_path, *command.split()) & (SLOW | {"asyncio", "click", "orjson", "ssl", "typer"})
    assert not too_much, f"{too_much} {ADVICE}"


def test_chat_reaches_its_request_with_nothing_slow_loaded(tmp_path: Path) -> None:
    with Provider(Silence()) as provider:
        too_much = _loaded_until_asked(provider, tmp_path) & SLOW
    assert not too_much, f"{too_much} {ADVICE}"


def test_a_gateway_is_ready_with_nothing_slow_loaded(tmp_path: Path) -> None:
    too_much = _loaded_until_ready(tmp_path) & (SLOW - {"apsw"})  # it writes a ledger in any case
    assert not too_much, f"{too_much} {ADVICE}"


def test_importing_the_package_loads_none_of_it() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import mini_llm"], capture_output=True, check=True
    )
    loaded = {name for name in _names(done.stderr) if name.startswith("mini_llm.")}
    assert loaded <= {"mini_llm._version"}, f"{loaded} {ADVICE}"


def _loaded_by(home: Path, *arguments: str) -> set[str]:
    """Run a command to its end and return the modules it loaded."""
    done = subprocess.run(
        [*MINI_LLM, *arguments], env=_environ(home), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return _names(done.stderr) - _bare()


def _loaded_until_asked(provider: Provider, home: Path) -> set[str]:
    """Run `chat` until *provider* has its request, and return the modules loaded by then."""
    (home / ".mini-llm").mkdir(mode=0o700)
    (home / ".mini-llm" / "config.json").write_text(f'{{"providers": {{"lab": {{"baseUrl": "{provider.url}"}}}}}}')
    log = home / "stderr"
    with log.open("wb") as stderr:
        chat = subprocess.Popen(
            [*MINI_LLM, "chat", "-m", "lab/llama-70b", "Hello"],
            env=_environ(home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        try:
            while not provider.seen and chat.poll() is None:
                time.sleep(0.001)
            told = log.read_bytes()
        finally:
            chat.kill()
            chat.wait()
    assert provider.seen, f"no request was made:\n{told.decode()[-2000:]}"
    return _names(told) - _bare()


def _loaded_until_ready(home: Path) -> set[str]:
    """Start a gateway, and return the modules loaded once it says where it is."""
    log = home / "stderr"
    with log.open("wb") as stderr:
        gateway = subprocess.Popen(
            [*MINI_LLM, "start", "--port", "0", "--json"],
            env=_environ(home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    try:
        assert gateway.stdout is not None
        said = gateway.stdout.readline()
        told = log.read_bytes()
    finally:
        gateway.kill()
        gateway.communicate()
    assert said, f"it did not start:\n{told.decode()[-2000:]}"
    return _names(told) - _bare()


def _bare() -> set[str]:
    """Return what Python loads on its own here: an environment may add to it."""
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", "pass"], capture_output=True, check=True)
    return _names(done.stderr)


def _names(stderr: bytes) -> set[str]:
    return set(re.findall(r"^import time:.*\| +([\w.]+)$", stderr.decode(), re.MULTILINE))


def _environ(home: Path) -> dict[str, str]:
    """Return an environment with an empty home and no settings."""
    kept = ("PATH", "SYSTEMROOT", "PYTHONPATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "HOME": str(home),
        "USERPROFILE": str(home),
    }
