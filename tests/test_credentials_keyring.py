"""The system's keyring: only where it is safe, never for long, and what happens where it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mini_llm.errors import CredentialError
from tests.keyrings import KEY, OPENAI, Backend, credentials, named, on_disk, safe


def test_the_keyring_is_first_and_leaves_nothing_on_disk(tmp_path: Path) -> None:
    stored = credentials(tmp_path, safe()).store("openai", KEY, origin=OPENAI)
    assert stored == ("keyring:openai", "the system keyring", "")
    assert KEY not in on_disk(tmp_path)


class Failing(Backend):
    def set_password(self, service: str, name: str, value: str) -> None:
        raise RuntimeError(f"could not store {value}")


class Forgetting(Backend):
    def set_password(self, service: str, name: str, value: str) -> None:
        self.entries[service, name] = value[:30]


class Small(Backend):
    def set_password(self, service: str, name: str, value: str) -> None:
        if len(value) > 20:
            raise OSError(1783, "The stub received bad data")


class Hanging(Backend):
    calls = 0

    def set_password(self, service: str, name: str, value: str) -> None:
        Hanging.calls += 1
        threading.Event().wait(20)

    get_password = set_password  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        (named("keyring.backends.null.Keyring"), "keyring.backends.null.Keyring is no safe place"),
        (named("keyring.backends.fail.Keyring"), "keyring.backends.fail.Keyring is no safe place"),
        (named("keyrings.alt.file.PlaintextKeyring"), "keyrings.alt.file.PlaintextKeyring is no safe place"),
        (named("stranger.SecretService.Keyring"), "stranger.SecretService.Keyring is no safe place"),
        (safe(Failing), "it failed with RuntimeError"),
        (safe(Forgetting), "it did not keep what was stored"),
        (safe(Small), "it failed with OSError"),
    ],
)
def test_an_unsafe_or_broken_keyring_is_not_used(tmp_path: Path, backend: Any, told: str) -> None:
    ours = credentials(tmp_path, backend)
    with pytest.raises(CredentialError, match=told) as caught:
        ours.store("openai", KEY, origin=OPENAI, require_keyring=True)
    assert KEY not in caught.value.message
    assert KEY not in on_disk(tmp_path)
    stored = ours.store("openai", KEY, origin=OPENAI)
    assert stored.reference == "file:secrets.json#openai"
    assert told in stored.announced
    assert ours.find(stored.reference, origin=OPENAI).reveal(OPENAI) == KEY


def test_of_a_chain_only_a_safe_link_is_used(tmp_path: Path) -> None:
    chain, good = named("keyring.backends.chainer.ChainerBackend"), safe()
    chain.backends = [named("keyrings.alt.file.PlaintextKeyring"), good]
    credentials(tmp_path, chain).store("openai", KEY, origin=OPENAI)
    assert len(good.entries) == 1
    assert not chain.entries and not chain.backends[0].entries
    chain.backends = chain.backends[:1]
    with pytest.raises(CredentialError, match="ChainerBackend is no safe place"):
        credentials(tmp_path, chain).store("openai", KEY, origin=OPENAI, require_keyring=True)


def test_a_keyring_that_hangs_is_waited_for_once(tmp_path: Path) -> None:
    ours = credentials(tmp_path, safe(Hanging), seconds=0.1)
    began = time.monotonic()
    for _ in range(5):
        assert "it did not answer within 0.1 s" in ours.store("openai", KEY, origin=OPENAI).announced
    with pytest.raises(CredentialError, match=r"it did not answer within 0\.1 s"):
        ours.find("keyring:openai", origin=OPENAI)
    assert time.monotonic() - began < 2
    assert Hanging.calls == 1


def test_a_profile_has_its_own_entries(tmp_path: Path) -> None:
    backend = safe()
    credentials(tmp_path, backend).store("openai", KEY, origin=OPENAI)
    credentials(tmp_path, backend, MINI_LLM_PROFILE="work").store("openai", KEY + "2", origin=OPENAI)
    assert set(backend.entries) == {("mini-llm", "openai"), ("mini-llm/work", "openai")}


def test_what_is_in_the_keyring_but_not_ours_is_an_error(tmp_path: Path) -> None:
    backend = safe()
    for entry in ("", "plain", "[]", "{}", '{"secret": 1, "origin": "x"}', "[" * 100_000):
        backend.entries["mini-llm", "openai"] = entry
        with pytest.raises(CredentialError, match="entry for openai is not ours"):
            credentials(tmp_path, backend).find("keyring:openai", origin=OPENAI)
    backend.entries.clear()
    with pytest.raises(CredentialError, match="holds no key of openai") as caught:
        credentials(tmp_path, backend).find("keyring:openai", origin=OPENAI)
    assert caught.value.hint == "store it again: mini-llm providers add openai --key"


REAL = """
printf 'throwaway\n' | gnome-keyring-daemon --unlock --components=secrets --daemonize > /dev/null
exec "$0" -c '
import os, sys
from mini_llm.config import Paths
from mini_llm.credentials import Credentials
from mini_llm.errors import CredentialError
def ours(): return Credentials(environ=os.environ, paths=Paths.find(os.environ))
print(ours().store("openai", "sk-real-0123456789", origin="https://h"))
print(ours().find("keyring:openai", origin="https://h").reveal("https://h:443"))
try: ours().find("keyring:openai", origin="https://evil")
except CredentialError as error: print(error.message)
print(ours().forget("keyring:openai"), ours().forget("keyring:openai"))
'
"""


@pytest.mark.skipif(
    not (shutil.which("dbus-run-session") and shutil.which("gnome-keyring-daemon")), reason="no GNOME keyring here"
)
def test_a_real_keyring_keeps_and_binds_a_secret(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    environ = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environ |= {
        "HOME": str(tmp_path),
        "MINI_LLM_HOME": str(tmp_path / "home"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
    }
    command = ["dbus-run-session", "--", "sh", "-c", REAL, sys.executable]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == [
        "Stored(reference='keyring:openai', where='the system keyring', announced='')",
        "sk-real-0123456789",
        "the key from keyring was stored for https://h:443 and is not sent to https://evil:443",
        "True False",
    ], done.stderr
    assert not (tmp_path / "home").exists()
