"""`mini-llm config edit` and `import`, where somebody sits."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from tests.cli.process import Terminal

EDITED = '{\n  // mine\n  "default": "groq/x",\n}\n'
# Writes the next of the texts it was given each time it is started.
EDITOR = """
import pathlib, sys
texts = pathlib.Path(sys.argv[1])
first, *rest = sorted(texts.iterdir())
pathlib.Path(sys.argv[-1]).write_bytes(first.read_bytes())
first.unlink()
"""


def _editor(home: Path, *texts: str) -> dict[str, str]:
    """Return an environment whose editor writes one of *texts* after the other."""
    folder = home / "texts"
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / str(number)).write_text(text, encoding="utf-8")
    script = home / "editor.py"
    script.write_text(EDITOR)
    return {"EDITOR": f"{sys.executable} {script} {folder}"}


def test_an_edit_is_saved_with_its_comments_and_the_files_own_mode(home: Path, configure: Callable[..., Path]) -> None:
    path = configure('{"default": "groq/y"}')
    path.chmod(0o640)
    terminal = Terminal(home, "config", "edit", environ=_editor(home, EDITED))
    assert terminal.end(20) == 0
    assert f"saved {path}" in terminal.plain
    assert path.read_text() == EDITED
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(home.glob(".config.edit-*")) == []


def test_mistakes_are_shown_and_edited_again(home: Path) -> None:
    environ = _editor(home, '{"routing": {"maxAttempts": "many"}}', EDITED)
    terminal = Terminal(home, "config", "edit", environ=environ)
    assert "maxAttempts" in terminal.until("Edit again?", 20)
    terminal.press("\n")
    assert terminal.end(20) == 0
    assert (home / "config.json").read_text() == EDITED


def test_mistakes_that_are_left_change_nothing_and_the_text_is_kept(home: Path, configure: Callable[..., Path]) -> None:
    path = configure('{"default": "groq/y"}')
    terminal = Terminal(home, "config", "edit", environ=_editor(home, "{ nonsense"))
    terminal.until("Edit again?", 20)
    terminal.press("n\n")
    assert terminal.end(20) == 1
    assert path.read_text() == '{"default": "groq/y"}'
    (kept,) = home.glob(".config.edit-*")
    assert kept.read_text() == "{ nonsense"
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_file_that_changed_meanwhile_is_not_written_over(home: Path, configure: Callable[..., Path]) -> None:
    path = configure('{"default": "groq/y"}')
    script = home / "editor.py"
    script.write_text(
        f"import pathlib, sys\npathlib.Path({str(path)!r}).write_text('{{}}')\n"
        f"pathlib.Path(sys.argv[-1]).write_text({EDITED!r})\n"
    )
    terminal = Terminal(home, "config", "edit", environ={"VISUAL": f"{sys.executable} {script}"})
    terminal.until("changed by another program", 20)
    terminal.press("n\n")
    assert terminal.end(20) == 1
    assert path.read_text() == "{}"


def test_an_editor_that_fails_or_is_not_there_changes_nothing(home: Path) -> None:
    for editor, what in (("false", "false ended with 1"), ("no-such-editor", "no editor called no-such-editor")):
        terminal = Terminal(home, "config", "edit", environ={"EDITOR": editor})
        assert terminal.end(20) != 0
        assert what in terminal.plain
    assert not (home / "config.json").exists()


def test_each_key_is_asked_about_and_never_shown(home: Path) -> None:
    groq, openai = "gsk_canary0123456789abcd", "sk-canary0123456789wxyz"
    environ = {"GROQ_API_KEY": groq, "OPENAI_API_KEY": openai}
    terminal = Terminal(home, "config", "import", environ=environ)
    for place, answer in enumerate(("n\n", "y\n")):
        terminal.until("[Y/n]: " if not place else "[Y/n]: n\n", 20)
        while terminal.plain.count("[Y/n]: ") <= place:
            terminal.pause()
        terminal.press(answer)
    assert terminal.end(20) == 0
    taken = json.loads((home / "config.json").read_text())["providers"]
    assert len(taken) == 1
    assert groq not in terminal.screen
    assert openai not in terminal.screen
