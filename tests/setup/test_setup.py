"""Setting a tool up, and undoing it: links, modes, odd files, backups, records; and how tools stand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mini_llm.config import files
from mini_llm.errors import ConfigError, MiniLLMError, UsageError
from mini_llm.setup import TOOLS, detect, find, formats, prepared, record, standing, writing
from mini_llm.setup.tool import Place, RefusedError
from tests.setup.desk import FILES, URL, Desk

SETTINGS = '{\n  "model": "opus"\n}\n'


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def program(folder: Path, name: str, body: str = "exit 0") -> Path:
    """Make a program that people could have."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_every_tool_has_its_module_and_a_way() -> None:
    ways = {name: standing.one(find(name), Path("/none"), Place({}, "linux"), URL).way for name in TOOLS}
    assert set(FILES) == {name for name, way in ways.items() if way == "setup"}
    assert ways["copilot"] == "run" and ways["cline"] == "by hand" and ways["cursor"] == "none"
    assert {ways[name] for name in ("langchain", "openai", "anthropic", "google-genai")} == {"env"}
    assert all(find(name).name == name for name in TOOLS)
    with pytest.raises(UsageError) as caught:
        find("cladue")
    assert caught.value.hint == "did you mean claude?"


@pytest.mark.parametrize("tool", FILES)
def test_what_was_not_there_is_gone_again(tool: str, desk: Desk) -> None:
    plan = desk.set_up(tool)
    assert plan.changes and (desk.home / FILES[tool]).with_suffix("").parent.is_dir()
    desk.undo(tool)
    assert list(desk.home.rglob("*")) == []
    assert record.read(desk.ours, tool) is None
    assert not (desk.ours / "tokens" / tool).exists()


@pytest.mark.parametrize("tool", FILES)
def test_no_secret_is_written_into_the_tools_files(tool: str, desk: Desk) -> None:
    token = desk.offer(tool).token()
    desk.set_up(tool)
    written = [path for path in desk.home.rglob("*") if path.is_file()]
    assert written and all(token.encode() not in path.read_bytes() for path in written)
    ours = [path for path in desk.ours.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    assert all(path.stat().st_mode & 0o077 == 0 for path in ours)


def test_the_file_behind_a_link_is_changed_and_the_link_stays(desk: Desk) -> None:
    link, real = desk.file("claude"), desk.home / "dotfiles" / "claude.json"
    real.parent.mkdir()
    real.write_text(SETTINGS)
    link.symlink_to(Path("..") / "dotfiles" / "claude.json")
    desk.set_up("claude")
    assert link.is_symlink() and URL in real.read_text()
    desk.undo("claude")
    assert link.is_symlink() and real.read_text() == SETTINGS


def test_a_link_that_leads_nowhere_gets_its_file_and_loses_it_again(desk: Desk) -> None:
    link = desk.file("claude")
    link.symlink_to(desk.home / "later.json")
    desk.set_up("claude")
    assert link.is_symlink() and URL in (desk.home / "later.json").read_text()
    desk.undo("claude")
    assert link.is_symlink() and not link.exists()


def test_a_file_that_is_read_only_is_left_alone(desk: Desk) -> None:
    file = desk.file("claude")
    file.write_text(SETTINGS)
    file.chmod(0o444)
    with pytest.raises(RefusedError, match="read-only") as caught:
        desk.plan("claude")
    assert "chmod u+w" in caught.value.hint
    assert file.read_text() == SETTINGS


def test_a_folder_or_a_pipe_in_its_place_is_refused(desk: Desk) -> None:
    desk.file("claude").mkdir()
    with pytest.raises(ConfigError, match="folder"):
        desk.plan("claude")


def test_a_huge_file_comes_through(desk: Desk) -> None:
    file = desk.file("opencode")
    many = "\n".join(f'    "key{number}": [{number}, "{"x" * 120}"], // number {number}' for number in range(5000))
    text = f'{{\n  "theme": {{\n{many}\n  }}\n}}\n'
    file.write_text(text)
    assert file.stat().st_size > 700_000
    desk.set_up("opencode")
    assert "// number 4999" in file.read_text()
    desk.undo("opencode")
    assert file.read_text() == text


def test_what_is_larger_than_settings_are_is_refused(desk: Desk) -> None:
    with desk.file("claude").open("wb") as file:
        file.truncate(formats.LIMIT + 1)
    with pytest.raises(ConfigError, match="too large"):
        desk.plan("claude")


def test_a_file_that_changes_while_it_is_looked_at_is_not_overwritten(desk: Desk) -> None:
    file = desk.file("claude")
    file.write_text(SETTINGS)
    plan = desk.plan("claude")
    file.write_text('{"model": "sonnet"}')
    with pytest.raises(RefusedError, match="changed meanwhile"):
        prepared.commit(desk.ours, plan)
    assert file.read_text() == '{"model": "sonnet"}'
    assert record.read(desk.ours, "claude") is None


def test_all_files_are_written_or_none(desk: Desk) -> None:
    profile = desk.file("codex")
    profile.write_text('model = "gpt-5.5"\n')
    plan = desk.plan("codex")
    assert [edit.file for edit in plan.edits][1] == profile
    profile.chmod(0o444)
    with pytest.raises(ConfigError, match="read-only"):
        prepared.commit(desk.ours, plan)
    assert [path.name for path in profile.parent.iterdir()] == [profile.name]
    assert profile.read_text() == 'model = "gpt-5.5"\n'
    assert record.read(desk.ours, "codex") is None


def test_five_backups_are_kept_and_the_one_that_undoing_needs(desk: Desk) -> None:
    file = desk.file("claude")
    file.write_text(SETTINGS)
    for port in range(7000, 7012):
        desk.set_up("claude", desk.offer("claude", url=f"http://127.0.0.1:{port}"))
    kept = list(writing.backups(desk.ours, "claude").iterdir())
    assert len(kept) == writing.MOST_BACKUPS + 1
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)
    desk.undo("claude")
    assert file.read_text() == SETTINGS


def test_a_value_that_was_there_before_comes_back_also_among_later_changes(desk: Desk) -> None:
    file = desk.file("claude")
    file.write_text('{\n  "env": { "ANTHROPIC_BASE_URL": "https://corp.example", "A": "1" },\n  "model": "opus"\n}\n')
    desk.set_up("claude")
    file.write_text(file.read_text().replace('"opus"', '"sonnet"'))
    desk.undo("claude")
    said = json.loads(file.read_text())
    assert said == {"env": {"ANTHROPIC_BASE_URL": "https://corp.example", "A": "1"}, "model": "sonnet"}


def test_after_later_changes_a_second_set_up_can_still_be_undone(desk: Desk) -> None:
    file = desk.file("opencode")
    file.write_text('{\n  // mine\n  "theme": "dark"\n}\n')
    desk.set_up("opencode")
    file.write_text(file.read_text().replace('"dark"', '"light"'))
    desk.set_up("opencode", desk.offer("opencode", url="http://127.0.0.1:7000"))
    desk.undo("opencode")
    assert file.read_text() == '{\n  // mine\n  "theme": "light"\n}\n'


def test_undoing_what_can_not_be_read_any_more_changes_nothing(desk: Desk) -> None:
    file = desk.file("claude")
    file.write_text(SETTINGS)
    desk.set_up("claude")
    file.write_text("{ broken")
    with pytest.raises(RefusedError) as caught:
        desk.undo("claude")
    assert file.read_text() == "{ broken"
    before = caught.value.hint.rpartition(" it is ")[2]
    assert Path(before).read_text() == SETTINGS


def test_undoing_after_the_tool_has_left_with_its_files(desk: Desk) -> None:
    desk.set_up("codex")
    for path in (desk.home / ".codex").iterdir():
        path.unlink()
    (desk.home / ".codex").rmdir()
    assert all(not edit.changes for edit in desk.undo("codex"))
    assert record.read(desk.ours, "codex") is None


def test_what_else_came_into_a_folder_of_ours_stays(desk: Desk) -> None:
    desk.set_up("zed")
    (desk.home / ".config" / "zed" / "keymap.json").write_text("[]")
    desk.undo("zed")
    assert [path.name for path in (desk.home / ".config" / "zed").iterdir()] == ["keymap.json"]


def test_continue_with_a_file_of_the_old_kind_is_not_shadowed(desk: Desk) -> None:
    old = desk.file("continue").with_name("config.json")
    old.write_text("{}")
    with pytest.raises(RefusedError, match="would no longer read it"):
        desk.plan("continue")


def test_a_record_that_is_none_is_told(desk: Desk) -> None:
    desk.set_up("claude")
    place = record.place(desk.ours, "claude")
    with files.locked(place) as target:
        files.write(target, b"[]")
    with pytest.raises(MiniLLMError, match="can't be read"):
        record.read(desk.ours, "claude")


def test_a_tool_is_found_on_path_and_where_installers_put_it(desk: Desk) -> None:
    claude = find("claude")
    assert detect.program(claude, desk.place) is None or Path("/usr/local/bin/claude").exists()
    local = program(desk.home / ".claude" / "local", "claude")
    assert detect.program(claude, desk.place) == local
    on_path = program(desk.home / "elsewhere", "claude")
    place = Place({**desk.place.environ, "PATH": str(on_path.parent)}, "linux")
    assert detect.program(claude, place) == on_path


def test_a_tool_that_is_not_here_or_too_old_is_refused(desk: Desk) -> None:
    codex = find("codex")
    place = Place({**desk.place.environ, "PATH": str(desk.home / "bin")}, "linux")
    program(desk.home / "bin", "codex", "echo codex-cli 0.99.1")
    with pytest.raises(RefusedError, match=r"0\.99\.1 is too old: 0\.134") as caught:
        detect.check(codex, place)
    assert "mini-llm run codex" in caught.value.hint
    program(desk.home / "bin", "codex", "echo codex-cli 0.169.0")
    assert detect.check(codex, place) == "0.169.0"
    program(desk.home / "bin", "codex", "echo who knows; exit 3")
    assert detect.check(codex, place) == ""
    with pytest.raises(RefusedError, match="Continue is not installed here"):
        detect.check(find("continue"), place)


def test_a_set_up_is_stale_once_something_moved(desk: Desk) -> None:
    ours = program(desk.ours / "bin", "mini-llm")

    def stands(url: str = URL) -> str:
        return standing.one(find("claude"), desk.ours, desk.place, url).stale

    desk.set_up("claude", replace(desk.offer("claude"), helper=(str(ours),)))
    assert stands() == ""
    assert stands("http://127.0.0.1:7000") == f"the gateway has moved: {URL} is now http://127.0.0.1:7000"
    file = desk.file("claude")
    whole = file.read_text()
    file.write_text(whole.replace(URL, "https://corp.example"))
    assert stands() == f"changed since in {file}: env.ANTHROPIC_BASE_URL"
    file.unlink()
    assert stands() == f"{file} is gone"
    file.write_text(whole)
    ours.unlink()
    assert stands() == f"mini-llm has moved: there is no {ours}"


def test_where_tools_keep_their_settings_on_other_systems_and_when_they_are_told_to(tmp_path: Path) -> None:
    from mini_llm.setup.tools import claude, codex, continue_dev, gemini, llm, opencode, vscode, zed

    mac = Place({"HOME": "/Users/a"}, "darwin")
    windows = Place({"HOME": "/u", "APPDATA": "/u/AppData/Roaming"}, "win32")
    assert str(vscode.folder(mac)) == "/Users/a/Library/Application Support/Code/User"
    assert str(zed.folder(mac)) == "/Users/a/.config/zed"
    assert str(llm.folder(mac)) == "/Users/a/Library/Application Support/io.datasette.llm"
    assert str(vscode.folder(windows)) == "/u/AppData/Roaming/Code/User"
    assert str(zed.folder(windows)) == "/u/AppData/Roaming/Zed"
    moved = Place(
        {
            "HOME": "/h",
            "CLAUDE_CONFIG_DIR": "/c",
            "CODEX_HOME": "/x",
            "OPENCODE_CONFIG": "/o.json",
            "XDG_CONFIG_HOME": "/xdg",
            "LLM_USER_PATH": "/l",
            "CONTINUE_GLOBAL_DIR": "/n",
            "GEMINI_CLI_HOME": "/g",
        },
        "linux",
    )
    assert str(claude.settings(moved)) == "/c/settings.json"
    assert str(codex.profile(moved)) == "/x/mini-llm.config.toml"
    assert str(opencode.settings(moved)) == "/o.json"
    assert str(zed.folder(moved)) == "/xdg/zed"
    assert str(llm.folder(moved)) == "/l"
    assert str(continue_dev.folder(moved)) == "/n"
    assert str(gemini.settings(moved)) == "/g/.gemini/settings.json"
