"""Secrets: found where the reference says, shown to their own origin alone, kept in a safe place."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mini_llm.config import Paths
from mini_llm.credentials import Credentials, Secret, sources
from mini_llm.errors import ConfigError, CredentialError, UsageError
from tests.keyrings import KEY, OPENAI, credentials, on_disk, safe


@pytest.mark.parametrize("reference", ["${OPENAI_API_KEY}", "env:OPENAI_API_KEY", KEY, "sk-test-${MIDDLE}-abcdefgh"])
def test_a_key_is_found_where_its_reference_says(tmp_path: Path, reference: str) -> None:
    found = credentials(tmp_path, OPENAI_API_KEY=f" {KEY}\n", MIDDLE="0123456789").find(reference, origin=OPENAI)
    assert found.reveal(OPENAI) == KEY


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    for reference in ("${OPENAI_API_KEY}", "env:OPENAI_API_KEY", "sk-${OPENAI_API_KEY}"):
        with pytest.raises(CredentialError, match="variable OPENAI_API_KEY is not set") as caught:
            credentials(tmp_path).find(reference, origin=OPENAI)
        assert caught.value.hint == "set it: export OPENAI_API_KEY=…"
        assert caught.value.exit_code == 4


def test_a_key_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\r\n")
    (tmp_path / "key").chmod(0o600)
    ours = credentials(tmp_path)
    for reference in ("file:~/key", "file:key", f"file:{tmp_path}/key"):
        assert ours.find(reference, origin=OPENAI).reveal(OPENAI) == KEY
    assert ours.notices == ()


def test_a_key_file_that_others_can_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o644)
    ours = credentials(tmp_path)
    ours.find("file:key", origin=OPENAI)
    assert ours.notices == (f"others can read the key file {tmp_path}/key: chmod 600 {tmp_path}/key",)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"one\ntwo", "holds a blank, a line break or a character no key has"),
        (b"sk test", "holds a blank"),
        ("schlüssel".encode(), "holds a blank, a line break or a character no key has"),
        (b"\0\1\2\3\4", "is not text: it holds a zero byte"),
        (b"\xff\xfek\0e\0y\0", "is UTF-16, not UTF-8"),
        (b"\x80\x81", "not UTF-8 text"),
        (b"x" * (65 << 10), "is too large: more than 64 KiB"),
    ],
)
def test_a_key_file_with_anything_else_gets_one_clear_error(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "key").write_bytes(data)
    with pytest.raises(CredentialError, match=told):
        credentials(tmp_path).find("file:key", origin=OPENAI)


def test_a_hundred_megabytes_a_folder_or_a_pipe_are_no_key_file(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(100 << 20)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    told = {"big": "too large", "folder": "is a folder", "pipe": "not a regular file", "none": "there is no key file"}
    for name, what in told.items():
        with pytest.raises(CredentialError, match=what):
            credentials(tmp_path).find(f"file:{name}", origin=OPENAI)


def test_a_command_is_run_without_a_shell_and_its_first_line_counts(tmp_path: Path) -> None:
    script = "import sys; print(sys.argv[1]); print('more')"
    reference = f"cmd:{sys.executable} -c \"{script}\" 'sk-a;$(touch${{IFS}}{tmp_path}/shell)'"
    found = credentials(tmp_path).find(reference, origin=OPENAI)
    assert found.reveal(OPENAI).startswith("sk-a;$(touch")
    assert not (tmp_path / "shell").exists()


def test_a_command_runs_once_until_it_is_asked_for_anew(tmp_path: Path) -> None:
    count = f"cmd:{sys.executable} -c \"open('runs','a').write('x'); print(open('runs').read())\""
    ours = credentials(tmp_path)
    assert [ours.find(count, origin=OPENAI).reveal(OPENAI) for _ in range(3)] == ["x", "x", "x"]
    ours.refresh(count)
    assert ours.find(count, origin=OPENAI).reveal(OPENAI) == "xx"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("no-such-program-here x", "can't run no-such-program-here: No such file"),
        ("sh -c 'echo sk-secret-in-output; exit 3'", "sh failed with status 3"),
        ("true", "true printed no key"),
        ("printf '\\377\\376'", "printf printed what is not text"),
        ("head -c 70000 /dev/zero", "printed more than 64 KiB on one line"),
        ("'unclosed", "can't be read: No closing quotation"),
        ("''", "can't run"),
        (" ", "names no program"),
    ],
)
def test_a_command_that_fails_is_one_clear_error(tmp_path: Path, command: str, told: str) -> None:
    with pytest.raises(CredentialError, match=told) as caught:
        credentials(tmp_path).find(f"cmd:{command}", origin=OPENAI)
    assert "sk-secret" not in caught.value.message


def test_a_command_that_hangs_or_never_ends_is_stopped(tmp_path: Path) -> None:
    for command in ("sleep 60", "yes"):
        began = time.monotonic()
        with pytest.raises(CredentialError, match=r"was not done after 0\.2 s"):
            sources.from_command(command, {"PATH": os.environ["PATH"]}, tmp_path, seconds=0.2)
        assert time.monotonic() - began < 5


def test_a_command_that_leaves_a_child_behind_does_not_keep_us(tmp_path: Path) -> None:
    began = time.monotonic()
    told = sources.from_command("sh -c 'echo sk-key; sleep 5 &'", {"PATH": os.environ["PATH"]}, tmp_path)
    assert told == "sk-key"
    assert time.monotonic() - began < 3


def test_a_secret_shows_itself_to_its_own_origin_alone(tmp_path: Path) -> None:
    found = credentials(tmp_path, K=KEY).find("${K}", origin=OPENAI)
    assert found.reveal("https://API.openai.com:443/other/path") == KEY
    for other in ("https://evil.example", "http://api.openai.com", "https://api.openai.com:8443"):
        with pytest.raises(CredentialError, match=r"a key for https://api\.openai\.com:443 is not sent to") as caught:
            found.reveal(other)
        assert KEY not in caught.value.message


def test_nothing_prints_or_pickles_a_secret(tmp_path: Path) -> None:
    for reference in ("${K}", KEY):
        found = credentials(tmp_path, K=KEY).find(reference, origin=OPENAI)
        shown = f"{found} {found!r} {found!s:>9} {[found]} {found.reference} {dir(found)}"
        assert KEY not in shown
        for copied in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="is not pickled"):
                copied(found)
        assert not hasattr(found, "__dict__")


def test_a_stored_secret_refuses_another_origin(tmp_path: Path) -> None:
    for number, ours in enumerate((credentials(tmp_path / "a", safe()), credentials(tmp_path / "b"))):
        stored = ours.store("openai", KEY, origin=OPENAI)
        assert stored.reference == ("keyring:openai", "file:secrets.json#openai")[number]
        assert ours.find(stored.reference, origin=OPENAI).reveal(OPENAI) == KEY
        with pytest.raises(CredentialError, match=r"was stored for .* and is not sent to https://evil\.example:443"):
            ours.find(stored.reference, origin="https://evil.example/v1")


def test_without_a_session_bus_the_file_is_used_and_announced(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux has a session bus")
    stored = credentials(tmp_path).store("openai", KEY, origin=OPENAI)
    file = tmp_path / "secrets.json"
    assert stored.where == str(file)
    assert stored.announced == (
        f"the key of openai is stored in plain text, readable by you alone: {file}"
        " (the system keyring can't be used: there is no session bus here)"
    )
    assert file.stat().st_mode & 0o777 == 0o600


def test_neither_keyring_nor_subprocess_is_loaded_where_it_is_not_needed(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from mini_llm.config import Paths
from mini_llm.credentials import Credentials
environ = {{"MINI_LLM_HOME": {str(tmp_path)!r}, "K": "sk-0123456789"}}
ours = Credentials(environ=environ, paths=Paths.find(environ))
ours.find("${{K}}", origin="https://h")
ours.store("a", "sk-0123456789", origin="https://h")
print(*sorted({{"keyring", "subprocess", "platformdirs", "hashlib", "tempfile", "difflib"}} & set(sys.modules)))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "\n"


def test_a_later_stored_key_replaces_the_one_in_the_file(tmp_path: Path) -> None:
    credentials(tmp_path).store("openai", KEY, origin=OPENAI)
    ours = credentials(tmp_path, safe())
    assert ours.store("openai", KEY + "2", origin=OPENAI).reference == "keyring:openai"
    assert KEY not in on_disk(tmp_path)
    assert ours.store("openai", KEY + "3", origin=OPENAI, insecure=True).announced.endswith("secrets.json (as asked)")
    assert ours.find("file:secrets.json#openai", origin=OPENAI).reveal(OPENAI) == KEY + "3"


def test_forgetting_deletes_what_we_stored_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    for ours in (credentials(tmp_path, safe()), credentials(tmp_path)):
        reference = ours.store("openai", KEY, origin=OPENAI).reference
        ours.find(reference, origin=OPENAI)
        assert ours.forget(reference)
        assert not ours.forget(reference)
        with pytest.raises(CredentialError, match="holds no key of openai"):
            ours.find(reference, origin=OPENAI)
        for other in ("file:key", "${K}", "env:K", KEY, "cmd:rm key"):
            assert not ours.forget(other)
    assert (tmp_path / "key").exists()


@pytest.mark.parametrize("damage", ["", "[", "[]", "{", '"x"', "[" * 100_000, "\0"])
def test_a_damaged_secrets_file_is_never_overwritten(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(damage)
    ours = credentials(tmp_path)
    with pytest.raises(CredentialError, match=r"secrets\.json is"):
        ours.store("openai", KEY, origin=OPENAI)
    with pytest.raises(CredentialError, match=r"secrets\.json is"):
        ours.find("file:secrets.json#openai", origin=OPENAI)
    assert file.read_text() == damage


def test_a_secrets_file_that_others_can_read_is_closed(tmp_path: Path) -> None:
    ours = credentials(tmp_path)
    reference = ours.store("openai", KEY, origin=OPENAI).reference
    (tmp_path / "secrets.json").chmod(0o644)
    ours.find(reference, origin=OPENAI)
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_two_threads_that_store_lose_nothing(tmp_path: Path) -> None:
    def store(who: str) -> None:
        for number in range(20):
            credentials(tmp_path).store(f"{who}{number}", KEY, origin=OPENAI)

    threads = [threading.Thread(target=store, args=(who,)) for who in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(json.loads((tmp_path / "secrets.json").read_text())) == 60


@pytest.mark.parametrize("value", ["", "a b", "a\nb", "a\r\nx-evil: 1", "a\0", "ü", "x" * 1201, "\x1b[2J"])
def test_what_is_no_key_is_not_stored(tmp_path: Path, value: str) -> None:
    with pytest.raises(CredentialError, match="the key"):
        credentials(tmp_path, safe()).store("openai", value, origin=OPENAI)
    assert list(tmp_path.iterdir()) == []


def test_nonsense_is_refused(tmp_path: Path) -> None:
    ours = credentials(tmp_path, safe())
    for name in ("", "../x", "a b", "a#b", "x" * 129, "a\n"):
        with pytest.raises(UsageError, match="can't name a secret"):
            ours.store(name, KEY, origin=OPENAI)
    with pytest.raises(UsageError, match="either to the keyring or to a file"):
        ours.store("a", KEY, origin=OPENAI, insecure=True, require_keyring=True)
    with pytest.raises(ConfigError, match="no address we can call"):
        ours.store("a", KEY, origin="api.openai.com")


def test_a_header_s_text_is_filled_and_can_not_smuggle_a_line(tmp_path: Path) -> None:
    ours = credentials(tmp_path, K=KEY, EVIL="a\r\nx-evil: 1")
    assert ours.fill("Bearer ${K}") == f"Bearer {KEY}"
    assert ours.fill("2023-06-01") == "2023-06-01"
    assert ours.redact(f"sent {KEY}, 2023-06-01") == "sent [redacted], 2023-06-01"
    with pytest.raises(CredentialError, match="from EVIL holds a line break") as caught:
        ours.fill("${EVIL}")
    assert "x-evil" not in caught.value.message


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("${OPENAI_API_KEY}", "environment OPENAI_API_KEY"),
        ("env:K", "environment K"),
        ("keyring:openai", "keyring"),
        ("file:/etc/key", "file /etc/key"),
        ("cmd:op read op://x/y", "command op"),
        ("sk-${K}", "environment K"),
        (KEY, "config (plain)"),
        ("", "nowhere"),
    ],
)
def test_a_reference_is_described_without_its_value(tmp_path: Path, reference: str, told: str) -> None:
    assert credentials(tmp_path).describe(reference) == told


def test_a_secret_may_be_named_by_hand() -> None:
    assert repr(Secret(KEY, origin="https://a:443", reference="env:K")) == "Secret('env:K', origin='https://a:443')"


def test_a_key_that_was_found_is_known_until_its_file_or_variable_changes(tmp_path: Path) -> None:
    environ = {"K": KEY, "MINI_LLM_HOME": str(tmp_path)}
    ours = Credentials(environ=environ, paths=Paths.find(environ))
    (tmp_path / "key").write_text(KEY + "1")
    for reference in ("${K}", "file:key", KEY + "2"):
        assert ours.known(reference, origin=OPENAI) is None
        ours.find(reference, origin=OPENAI)
        found = ours.known(reference, origin=OPENAI)
        assert found is not None and found.reveal(OPENAI).startswith(KEY)
        assert ours.known(reference, origin="https://elsewhere.example") is None
        ours.refresh(reference)
        assert ours.known(reference, origin=OPENAI) is None
        ours.find(reference, origin=OPENAI)
    environ["K"] = KEY + "3"
    (tmp_path / "key").write_text(KEY + "changed")
    assert ours.known("${K}", origin=OPENAI) is None
    assert ours.known("file:key", origin=OPENAI) is None
    assert ours.find("file:key", origin=OPENAI).reveal(OPENAI) == KEY + "changed"
    (tmp_path / "key").unlink()
    assert ours.known("file:key", origin=OPENAI) is None


def test_what_is_stored_anew_is_looked_up_anew(tmp_path: Path) -> None:
    ours = credentials(tmp_path)
    reference = ours.store("openai", KEY, origin=OPENAI, insecure=True).reference
    ours.find(reference, origin=OPENAI)
    ours.store("openai", KEY + "4", origin=OPENAI, insecure=True)
    assert ours.known(reference, origin=OPENAI) is None
