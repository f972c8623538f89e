"""Changing the user's file: locked, checked, whole or not at all."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mini_llm.config import (
    Paths,
    files,
    load,
    parse_value,
    remove_value,
    replace_text,
    set_value,
)
from mini_llm.errors import ConfigError, UsageError

COMMENTED = """\
// mine
{
  "default": "fast", // quick
  /* kept */
  "unheard-of": {"x": [1, 2,],},
  "aliases": {
    "fast": "groq/llama-3.3-70b-versatile",
  },
}
"""


def home(folder: Path) -> Paths:
    return Paths.find({"MINI_LLM_HOME": str(folder / "home"), "HOME": str(folder)})


def written(folder: Path, text: str) -> Paths:
    paths = home(folder)
    paths.home.mkdir(mode=0o700)
    paths.config.write_bytes(text.encode())
    paths.config.chmod(0o600)
    return paths


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def run(folder: Path, code: str) -> subprocess.Popen[bytes]:
    """A process of its own that sees `paths` of this folder."""
    begin = "from tests.test_config_edit import home, set_value; from pathlib import Path; import sys\n"
    begin += f"paths = home(Path({str(folder)!r}))\n"
    root = Path(__file__).parent.parent
    environ = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}"}
    return subprocess.Popen([sys.executable, "-c", begin + code], cwd=root, env=environ, stderr=subprocess.PIPE)


def test_the_first_setting_makes_a_file_and_folder_for_the_user_alone(tmp_path: Path) -> None:
    paths = home(tmp_path)
    before = os.umask(0)
    try:
        set_value(paths, "aliases.fast", ["groq/a", "openai/b"])
    finally:
        os.umask(before)
    assert paths.config.read_text() == '{\n  "aliases": {\n    "fast": ["groq/a", "openai/b"]\n  }\n}\n'
    assert (mode(paths.config), mode(paths.home)) == (0o600, 0o700)


def test_a_strict_umask_does_no_harm(tmp_path: Path) -> None:
    before = os.umask(0o277)
    try:
        paths = written(tmp_path, "{}")
        paths.home.chmod(0o700)
        set_value(paths, "default", "x/y")
    finally:
        os.umask(before)
    assert mode(paths.config) == 0o600


def test_an_edit_keeps_comments_order_and_unknown_keys(tmp_path: Path) -> None:
    paths = written(tmp_path, COMMENTED)
    set_value(paths, "default", "smart")
    set_value(paths, 'aliases."gpt-4.1"', "openai/gpt-4.1")
    set_value(paths, "providers.lab.baseUrl", "http://localhost:8080/v1")
    assert paths.config.read_text() == COMMENTED.replace('"fast", //', '"smart", //').replace(
        'versatile",\n  },\n}',
        'versatile",\n    "gpt-4.1": "openai/gpt-4.1",\n  },\n  "providers": {\n    "lab": {\n'
        '      "baseUrl": "http://localhost:8080/v1"\n    }\n  },\n}',
    )


def test_removing_takes_out_one_value(tmp_path: Path) -> None:
    paths = written(tmp_path, COMMENTED)
    assert remove_value(paths, "aliases.fast")
    assert not remove_value(paths, "aliases.fast")
    assert not remove_value(paths, "budgets.daily")
    assert paths.config.read_text() == COMMENTED.replace('    "fast": "groq/llama-3.3-70b-versatile",\n', "")


def test_line_ends_and_byte_order_mark_stay(tmp_path: Path) -> None:
    paths = written(tmp_path, "\ufeff" + COMMENTED.replace("\n", "\r\n"))
    set_value(paths, "budgets", {"daily": "5.00"})
    data = paths.config.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b"\n") == data.count(b"\r\n") == COMMENTED.count("\n") + 3


def test_a_loose_mode_is_mended_by_the_next_edit(tmp_path: Path) -> None:
    paths = written(tmp_path, "{}")
    paths.config.chmod(0o644)
    set_value(paths, "default", "x/y")
    assert mode(paths.config) == 0o600


def test_a_linked_config_is_edited_where_it_lies(tmp_path: Path) -> None:
    paths = home(tmp_path)
    paths.home.mkdir()
    dotfiles = tmp_path / "dotfiles"
    dotfiles.mkdir()
    (dotfiles / "llm.json").write_text('{"default": "a/b"}')
    paths.config.symlink_to("../dotfiles/llm.json")
    set_value(paths, "default", "x/y")
    assert paths.config.is_symlink()
    assert (dotfiles / "llm.json").read_text() == '{"default": "x/y"}'


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("gateway.port", "often", 'gateway.port must be a whole number, not "often"'),
        ("providers.lab.baseUrl", "file:///etc/passwd", "it must begin with http"),
        ("aliases.me", "me", "leads back to itself"),
        ("default", "x\ud800", "holds a control character"),
        ("budgets.daily", float("nan"), "from 0 to a trillion"),
        ("routing.timeouts.total", float("inf"), "from 0.001 to 86400"),
        ("providers.Lab.enabled", True, "can't name a provider"),
        ("history", None, "must be true or false, not null"),
    ],
)
def test_a_wrong_value_is_refused_and_nothing_is_written(tmp_path: Path, key: str, value: object, told: str) -> None:
    paths = written(tmp_path, COMMENTED)
    with pytest.raises(ConfigError, match=told):
        set_value(paths, key, value)
    assert paths.config.read_text() == COMMENTED


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("defalt", r'there is no setting defalt \(did you mean "default"\?\)'),
        ("gateway.prot", r'no setting gateway.prot \(did you mean "port"\?\)'),
        ("default.x", "there is no setting default.x"),
        ("", "is no name of a setting"),
        ("a..b", "is no name of a setting"),
        ('aliases."x', "is no name of a setting"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(tmp_path: Path, key: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        set_value(home(tmp_path), key, 1)
    assert not home(tmp_path).home.exists()


def test_an_old_mistake_does_not_stop_the_edit_that_mends_another(tmp_path: Path) -> None:
    paths = written(tmp_path, '{"default": 1, "history": 2}')
    set_value(paths, "default", "x/y")
    set_value(paths, "history", True)
    assert load(paths, environ={}, cwd=None).config.history


def test_one_part_of_a_route_can_be_set(tmp_path: Path) -> None:
    text = '{"aliases": {"a": {"targets": ["x/y"]}}, "wallet": {"type": "custom", "providers": [{"id": "x"}]}}'
    paths = written(tmp_path, text)
    set_value(paths, "aliases.a.strategy", "cost")
    set_value(paths, "wallet.providers.0.apiKey", "env:X")
    config = load(paths, environ={}, cwd=None).config
    assert config.aliases["a"].strategy == "cost"
    assert config.providers["x"].api_key == "env:X"


def test_a_string_is_not_given_members(tmp_path: Path) -> None:
    paths = written(tmp_path, COMMENTED)
    with pytest.raises(ConfigError, match=r"aliases\.fast holds no named values"):
        set_value(paths, "aliases.fast.strategy", "cost")
    assert paths.config.read_text() == COMMENTED


def test_a_file_that_does_not_parse_is_never_overwritten(tmp_path: Path) -> None:
    whole = COMMENTED.encode()
    for cut in range(len(whole.rstrip())):
        folder = tmp_path / str(cut)
        folder.mkdir()
        paths = written(folder, "")
        paths.config.write_bytes(whole[:cut])
        with pytest.raises(ConfigError):
            set_value(paths, "default", "x/y")
        with pytest.raises(ConfigError):
            remove_value(paths, "default")
        assert paths.config.read_bytes() == whole[:cut]


@pytest.mark.parametrize("data", [b"\0\1\2", "{}".encode("utf-16"), b"{" + b" " * (1 << 20) + b"}", b"\xff{}"])
def test_what_is_no_config_is_never_overwritten(tmp_path: Path, data: bytes) -> None:
    paths = written(tmp_path, "")
    paths.config.write_bytes(data)
    with pytest.raises(ConfigError):
        set_value(paths, "default", "x/y")
    assert paths.config.read_bytes() == data


def test_a_file_does_not_grow_past_what_can_be_read(tmp_path: Path) -> None:
    text = '{"a": "' + "x" * ((1 << 20) - 20) + '"}'
    paths = written(tmp_path, text)
    with pytest.raises(ConfigError, match="would be too large"):
        set_value(paths, "default", "openai/a-model-with-a-name")
    assert paths.config.read_text() == text


def test_a_read_only_file_is_a_clear_error(tmp_path: Path) -> None:
    paths = written(tmp_path, "{}")
    paths.config.chmod(0o400)
    with pytest.raises(ConfigError, match="is read-only") as caught:
        set_value(paths, "default", "x/y")
    assert caught.value.hint == f"allow writing first: chmod u+w {paths.config}"


def test_a_whole_new_text_is_checked_before_it_is_kept(tmp_path: Path) -> None:
    paths = written(tmp_path, COMMENTED)
    for wrong in ("{", '{"default": 1}', '{"aliases": {"a": "a"}}', "\ud800"):
        with pytest.raises(ConfigError):
            replace_text(paths, wrong)
        assert paths.config.read_text() == COMMENTED
    replace_text(paths, "{} // new")
    assert paths.config.read_text() == "{} // new"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("gateway.port", "7000", 7000),
        ("history", "on", True),
        ("routing.timeouts.connect", "2.5", 2.5),
        ("budgets.daily", "5", "5"),
        ("default", "true", "true"),
        ("aliases.fast", '["a/b", "c/d",]', ["a/b", "c/d"]),
        ("aliases.fast", "a/b", "a/b"),
        ("providers.lab.models", "a, b", ["a", "b"]),
        ("providers.lab", '{"apiKey": "x"}', {"apiKey": "x"}),
    ],
)
def test_what_is_typed_becomes_the_setting_s_own_type(key: str, text: str, value: object) -> None:
    assert parse_value(key, text) == value


def test_typed_json_with_a_mistake_is_named() -> None:
    with pytest.raises(UsageError, match="the value for aliases is not JSON: a colon is missing"):
        parse_value("aliases", '{"a" 1}')


def test_two_processes_that_add_fifty_settings_each_lose_none(tmp_path: Path) -> None:
    paths = written(tmp_path, "{ // both of us\n}")
    code = "for n in range(50): set_value(paths, f'aliases.WHO{n}', f'x/{n}')"
    both = [run(tmp_path, code.replace("WHO", who)) for who in ("a", "b")]
    errors = [process.communicate(timeout=60)[1].decode() for process in both]
    assert errors == ["", ""]
    config = load(paths, environ={}, cwd=None).config
    assert set(config.aliases) == {f"{who}{n}" for who in "ab" for n in range(50)}
    assert "// both of us" in paths.config.read_text()


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    paths = written(tmp_path, COMMENTED)
    code = "print(1, file=sys.stderr, flush=True)\n"
    code += "while True:\n for n in range(99): set_value(paths, f'aliases.a{n}', 'x/' + 'y' * n)"
    for wait in (0.0, 0.004, 0.009, 0.015, 0.022, 0.03):
        process = run(tmp_path, code)
        assert process.stderr is not None
        process.stderr.read(1)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert load(paths, environ={}, cwd=None).config.default == "fast"
        assert "/* kept */" in paths.config.read_text()
    set_value(paths, "default", "x/y")
    assert sorted(path.name for path in paths.home.iterdir()) == ["config.json", "config.json.lock"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    paths = written(tmp_path, COMMENTED)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        with pytest.raises(ConfigError, match=r"can't write .*: File too large"):
            set_value(paths, "default", "x/y")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)
    assert paths.config.read_text() == COMMENTED
    assert sorted(path.name for path in paths.home.iterdir()) == ["config.json", "config.json.lock"]


def test_a_lock_that_is_held_is_named_after_the_limit(tmp_path: Path) -> None:
    paths = written(tmp_path, "{}")
    clock = iter([0.0, 1.0, 4.9, 5.0])
    with files.locked(paths.config):  # noqa: SIM117  the second is the one that fails
        with pytest.raises(ConfigError) as caught, files.locked(paths.config, now=lambda: next(clock)):
            pass
    assert caught.value.message == f"another program is writing {paths.config} (lock: {paths.config}.lock)"
    with files.locked(paths.config):
        pass


def test_a_planted_link_is_not_taken_for_the_lock(tmp_path: Path) -> None:
    paths = written(tmp_path, "{}")
    (paths.home / "config.json.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=r"can't write .*config.json.lock"):
        set_value(paths, "default", "x/y")
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")
    with pytest.raises(ConfigError, match=r"can't create .*home: "):
        set_value(home(tmp_path), "default", "x/y")
