"""`mini-llm providers`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import on_terminal, run
from tests.upstream import Provider, Say, Status

Lab = Callable[..., Provider]
KEY = "gsk_canary0123456789"


def _config(home: Path) -> dict[str, Any]:
    told = json.loads((home / "config.json").read_text())["providers"]
    assert isinstance(told, dict)
    return told


def test_a_known_provider_needs_only_its_key(home: Path) -> None:
    result = run(home, "providers", "add", "groq", "--key", "-", stdin=f"{KEY}\n".encode())
    assert (result.code, result.out) == (0, "")
    reference = _config(home)["groq"]["apiKey"]
    assert reference.startswith(("file:", "keyring:"))
    assert str(home / "secrets.json") in result.err
    assert "providers test groq" in result.err
    assert KEY not in (home / "config.json").read_text() + result.err
    assert (home / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_a_key_on_the_command_line_works_and_warns(home: Path) -> None:
    result = run(home, "providers", "add", "groq", "--key", KEY, "--insecure-storage")
    assert result.code == 0
    assert "warning: the key stays in your shell's history" in result.err
    assert KEY in (home / "secrets.json").read_text()


def test_a_key_can_stay_in_a_variable_or_behind_a_command(home: Path) -> None:
    assert "warning: WORK_KEY is not set now" in run(home, "providers", "add", "openai", "--key-env", "WORK_KEY").err
    assert _config(home)["openai"] == {"apiKey": "${WORK_KEY}"}
    assert run(home, "providers", "add", "groq", "--key-cmd", "pass show groq").code == 0
    assert _config(home)["groq"] == {"apiKey": "cmd:pass show groq"}
    both = run(home, "providers", "add", "xai", "--key-env", "A", "--key-cmd", "b")
    assert both.err == "error: --key, --key-env and --key-cmd exclude each other\n"


def test_no_question_is_asked_where_there_is_no_terminal(home: Path) -> None:
    for args in (["groq", "--key"], ["groq"]):
        result = run(home, "providers", "add", *args)
        assert result.code == 2
        assert result.err.startswith("error: no key for groq, and no terminal to ask on\nhint: set GROQ_API_KEY, or ")
    assert not (home / "config.json").exists()


def test_a_key_in_the_environment_needs_no_adding(home: Path) -> None:
    environ = {"GROQ_API_KEY": KEY}
    assert run(home, "providers", "add", "groq", environ=environ).code == 0
    assert run(home, "providers", "list", environ=environ).out.startswith("groq\tenvironment GROQ_API_KEY\thttps://")


@pytest.mark.parametrize("key", [b"", b"two words", b"line\nbreak", b"sk-\x00zero", b"k" * 20_000])
def test_what_is_no_key_is_not_kept(key: bytes, home: Path) -> None:
    result = run(home, "providers", "add", "groq", "--key", "-", stdin=key)
    assert result.code == 2
    assert result.err.startswith("error: ")
    assert not (home / "config.json").exists()


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("http://localhost:8080", "http://localhost:8080/v1"),
        ("localhost:8080", "http://localhost:8080/v1"),
        ("https://ai.example.com/", "https://ai.example.com/v1"),
        ("ai.example.com", "https://ai.example.com/v1"),
        ("http://localhost:8080/api/v2", "http://localhost:8080/api/v2"),
        ("http://localhost:8080/v1/chat/completions", "http://localhost:8080/v1"),
    ],
)
def test_an_address_is_completed_and_said(told: str, kept: str, home: Path) -> None:
    result = run(home, "providers", "add", "custom", "--url", told)
    assert result.code == 0
    assert _config(home)["custom"] == {"baseUrl": kept}
    assert (f"using {kept}" in result.err) == (kept != told)


def test_everything_that_can_be_said_is_kept(home: Path) -> None:
    flags = [
        "--dialect",
        "anthropic",
        "--header",
        "X-Team=red",
        "--header",
        "X-B=a=b",
        "--model",
        "m1",
        "--model",
        "m2",
    ]
    assert run(home, "providers", "add", "lab", "--url", "http://localhost:1/v1", *flags).code == 0
    assert _config(home)["lab"] == {
        "baseUrl": "http://localhost:1/v1",
        "dialect": "anthropic",
        "models": ["m1", "m2"],
        "headers": {"X-Team": "red", "X-B": "a=b"},
    }
    assert run(home, "providers", "add", "lab", "--model", "m3").code == 0
    assert _config(home)["lab"]["models"] == ["m3"]
    assert _config(home)["lab"]["dialect"] == "anthropic"


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["unheard-of"], 7),
        (["lab", "--url", "ftp://x"], 2),
        (["lab", "--url", "http://user:pw@x/v1"], 2),
        (["lab", "--url", "http://x/v1", "--dialect", "klingon"], 2),
        (["lab", "--url", "http://x/v1", "--header", "nonsense"], 2),
        (["a/b", "--url", "http://x/v1"], 2),
        ([], 2),
        (["groq", "--key", KEY, "--insecure-storage", "--require-keyring"], 2),
        (["groq", "--key", KEY, "--require-keyring"], 4),
    ],
)
def test_what_makes_no_sense_changes_nothing(args: list[str], code: int, home: Path) -> None:
    result = run(home, "providers", "add", *args)
    assert result.code == code, result.err
    assert "error: " in result.err
    assert KEY not in result.err
    assert not (home / "config.json").exists()


def test_a_stored_key_is_not_sent_to_a_new_address(home: Path, lab: Lab) -> None:
    provider = lab(Say("Hello"))
    add = ["providers", "add", "safe", "--url", provider.url, "--model", "m"]
    assert run(home, *add, "--key", "-", stdin=KEY.encode()).code == 0
    assert run(home, "chat", "hi", "-m", "safe/m").code == 0
    assert provider.seen[-1].headers["authorization"] == f"Bearer {KEY}"
    with Provider() as other:
        result = run(home, "providers", "add", "safe", "--url", other.url)
        assert result.code == 2
        assert "no key for safe" in result.err
        assert run(home, "config", "set", "providers.safe.baseUrl", other.url).code == 0
        assert run(home, "chat", "hi", "-m", "safe/m").code == 4
        assert other.seen == []


def test_list_tells_where_each_key_is_and_what_does_not_work(home: Path, lab: Lab) -> None:
    provider = lab(providers={"groq": {"apiKey": "${NOT_SET}"}})
    result = run(home, "providers", "list", "--json", environ={"OPENAI_API_KEY": "sk-canary0123456789"})
    found = {row["name"]: row for row in json.loads(result.out)}
    assert (found["lab"]["base_url"], found["lab"]["key"]) == (provider.url, "none needed")
    assert found["lab"]["usable"] is True
    assert found["openai"]["key"] == "environment OPENAI_API_KEY"
    assert (found["groq"]["usable"], "NOT_SET" in found["groq"]["health"]) == (False, True)
    assert "canary" not in result.out
    names = [line.split("\t")[0] for line in run(home, "providers").out.splitlines()]
    assert names == ["lab", "groq"]
    assert len(run(home, "providers", "list", "--all").out.splitlines()) > 20


def test_all_providers_fit_a_terminal_with_what_each_needs(home: Path) -> None:
    code, screen = on_terminal(home, "providers", "list", "--all")
    groq = next(line for line in screen.splitlines() if line.startswith("groq"))
    assert (code, groq.split()[1:]) == (0, ["set", "`GROQ_API_KEY`"])
    assert all(len(line) <= 80 for line in screen.splitlines())
    assert "ddress of" not in screen


def test_the_next_command_that_add_tells_is_of_the_same_profile(home: Path) -> None:
    added = run(home, "--profile", "team", "providers", "add", "lab", "--url", "http://127.0.0.1:9/v1")
    assert "try it: `mini-llm --profile team providers test lab`" in added.err


def test_show_tells_what_is_known_of_one(home: Path, lab: Lab) -> None:
    provider = lab()
    told = json.loads(run(home, "providers", "show", "lab", "--json").out)
    assert (told["base_url"], told["models"], told["auth"]) == (provider.url, ["m"], "none")
    assert f"base_url\t{provider.url}" in run(home, "providers", "show", "lab").out
    missing = run(home, "providers", "show", "grok")
    assert missing.code == 7
    assert "groq" in missing.err


def test_remove_forgets_the_key_too(home: Path) -> None:
    run(home, "providers", "add", "groq", "--key", "-", "--insecure-storage", stdin=KEY.encode())
    run(home, "alias", "fast", "groq/x")
    result = run(home, "providers", "remove", "groq")
    assert result.code == 0
    assert "removed groq and its stored key" in result.err
    assert "warning: the alias fast still points to groq" in result.err
    assert KEY not in (home / "secrets.json").read_text()
    assert run(home, "providers", "remove", "groq").code == 7


def test_test_makes_a_call_of_one_token(home: Path, lab: Lab) -> None:
    provider = lab(Say("Hello"))
    result = run(home, "providers", "test", "lab")
    assert result.code == 0
    name, what, latency, models = result.out.rstrip("\n").split("\t")
    assert (name, what, models) == ("lab", "ok (m)", "llama-70b")
    assert latency.endswith(" ms")
    body = provider.seen[-1].body
    assert 1 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    told = json.loads(run(home, "providers", "test", "--json").out)
    assert (told[0]["ok"], told[0]["models"]) == (True, ["llama-70b"])


def test_test_tells_what_is_wrong(home: Path, lab: Lab) -> None:
    lab(Status(401))
    result = run(home, "providers", "test", "lab")
    assert result.code == 4
    assert result.out.startswith("lab\tfailed: ")
    with Provider(Say("ok")) as well:
        lab(Status(500), providers={"well": {"baseUrl": well.url, "models": ["m"]}})
        both = run(home, "providers", "test")
    assert both.code == 5
    assert "error: 1 of 2 providers failed" in both.err
    assert run(home, "providers", "test", "nowhere").code == 7


def test_a_private_provider_is_one_file(home: Path, lab: Lab) -> None:
    provider = lab()
    (home / "providers").mkdir()
    (home / "providers" / "mine.toml").write_text(f'base_url = "{provider.url}"\nauth = "none"\nlocal = true\n')
    assert run(home, "chat", "hi", "-m", "mine/m").out == "Hello\n"
    (home / "providers" / "broken.toml").write_text("base_url = [")
    result = run(home, "chat", "hi", "-m", "broken/m")
    assert result.code == 2
    assert "broken.toml" in result.err
