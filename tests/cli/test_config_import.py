"""`mini-llm config import`: keys that lie about are found, told masked, and stored as references."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mini_llm.config import Config
from mini_llm.providers import Registry
from mini_llm.setup import keys
from mini_llm.setup.tool import Place
from tests.cli.process import inside, run

KEY = "sk-canary-0123456789-abcd"


def _search(home: Path, folder: Path | None = None, **environ: str) -> dict[str, str]:
    registry = Registry(Config(), environ=environ, folder=None)
    place = Place({"HOME": str(home), "USERPROFILE": str(home), **environ}, "linux")
    return {one.provider: one.where for one in keys.search(registry, place, folder)}


@pytest.mark.parametrize(
    ("file", "text", "provider"),
    [
        (".local/share/opencode/auth.json", '{"groq": {"type": "api", "key": "@"}}', "groq"),
        (".codex/auth.json", '{"OPENAI_API_KEY": "@", "tokens": null}', "openai"),
        (".config/io.datasette.llm/keys.json", '{"// Note": "secret", "anthropic": "@"}', "anthropic"),
        (".aider.conf.yml", "# mine\nanthropic-api-key: @\n", "anthropic"),
        (".aider.conf.yml", "api-key:\n  - deepseek=@\n", "deepseek"),
        (".continue/config.yaml", "models:\n  - name: a\n    provider: mistral\n    apiKey: @\n", "mistral"),
        (".continue/.env", "XAI_API_KEY=@\n", "xai"),
        (".gemini/.env", "export GEMINI_API_KEY='@' # mine\n", "gemini"),
    ],
)
def test_a_key_of_another_tool_is_found(file: str, text: str, provider: str, home: Path) -> None:
    place = home / file
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text.replace("@", KEY))
    found = _search(home)
    assert list(found) == [provider]
    assert found[provider].startswith(str(place))


def test_what_is_no_key_for_a_known_address_is_left(home: Path) -> None:
    (home / ".continue").mkdir()
    (home / ".continue/config.yaml").write_text(f"models: [{{provider: openai, apiBase: http://x, apiKey: {KEY}}}]")
    (home / ".codex").mkdir()
    (home / ".codex/auth.json").write_text('["of another shape"]')
    (home / ".aider.conf.yml").write_text("a: [")
    ours = "ml-" + "0" * 40
    assert _search(home, GITHUB_TOKEN=KEY, OPENAI_API_KEY=ours, GROQ_API_KEY="short", PATH="/of/sixteen/letters") == {}


def test_a_dry_run_shows_keys_masked_and_where_they_lie(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / ".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    result = run(home, "config", "import", "--dry-run", cwd=folder)
    assert result.out == f"openai\t…abcd\t{folder / '.env'} (the folder you are in)\twould be taken\n"
    assert not (home / "config.json").exists()


def test_yes_stores_every_key_as_a_reference(home: Path) -> None:
    environ = {"GROQ_API_KEY": KEY, "MISTRAL_API_KEY": f"{KEY}2"}
    result = inside(home, "config", "import", "--yes", "--json", environ=environ)
    rows = {row["provider"]: row for row in json.loads(result.out)}
    assert {name: row["fate"] for name, row in rows.items()} == {"groq": "taken", "mistral": "taken"}
    assert rows["groq"]["from"] == "environment GROQ_API_KEY"
    written = (home / "config.json").read_text()
    assert json.loads(written)["providers"]["groq"]["apiKey"] == rows["groq"]["reference"]
    assert KEY not in written + result.out + result.err
    assert "plain text" in result.err, "a key that goes to a file is announced"
    again = json.loads(inside(home, "config", "import", "--yes", "--json", environ=environ).out)
    assert {row["fate"] for row in again} == {"known"}


def test_yes_takes_no_key_that_came_with_a_folder(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cloned"
    folder.mkdir()
    (folder / ".env").write_text(f"OPENAI_API_KEY={KEY}\nGROQ_API_KEY={KEY}\n")
    result = run(home, "config", "import", "--yes", "--json", cwd=folder, environ={"GROQ_API_KEY": KEY})
    fates = {row["provider"]: (row["fate"], row["from"]) for row in json.loads(result.out)}
    assert fates["openai"] == ("left", f"{folder / '.env'} (the folder you are in)")
    assert fates["groq"] == ("taken", "environment GROQ_API_KEY")
    assert "openai" not in json.loads((home / "config.json").read_text())["providers"]
    assert "without --yes" in result.err


def test_where_nobody_can_be_asked_nothing_is_taken(home: Path) -> None:
    result = run(home, "config", "import", environ={"GROQ_API_KEY": KEY})
    assert (result.code, result.out) == (2, "")
    assert "--dry-run" in result.err
    assert not (home / "config.json").exists()


def test_edit_without_a_terminal_names_the_way_that_works(home: Path, configure: Callable[..., Path]) -> None:
    configure("{}")
    result = run(home, "config", "edit", environ={"EDITOR": "false"})
    assert result.code == 2
    assert "config set" in result.err
