"""Edit the config in the user's own editor: a copy is edited, and takes the file's place only without mistakes."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import typer

from mini_llm.cli import output
from mini_llm.cli.flags import Flags, interactive
from mini_llm.errors import ConfigError, MiniLLMError, UsageError

USUAL = ("nano", "vim", "vi")
NEW = """\
{
  // "default": "openai/gpt-5.5",
  // "aliases": { "fast": "groq/llama-3.3-70b-versatile" }
}
"""


def edit(known: Flags) -> None:
    """Edit, check, and save; what has mistakes is edited again, or left."""
    from mini_llm.config import files, read_text, replace_text

    paths = known.paths()
    if not interactive():
        raise UsageError("an editor needs a terminal", hint="`mini-llm config set KEY VALUE` works without one")
    command = editor(known.environ)
    before = read_text(paths)
    files.make_folder(paths.config.parent)
    copy = paths.config.with_name(f".{paths.config.stem}.edit-{os.getpid()}.json")
    _write(copy, before or NEW)
    keep = False
    try:
        while True:
            _run(command, copy)
            text = files.decode(files.read(copy) or b"", copy)
            if text in (before, NEW) or not text.strip():
                known.say("nothing was changed")
                return
            try:
                replace_text(paths, text, before=before)
            except ConfigError as error:
                keep = not _again(error)
                if keep:
                    raise MiniLLMError(f"{paths.config} is as it was", hint=f"your text is kept in {copy}") from None
            else:
                known.say(f"saved {paths.config}")
                return
    finally:
        if not keep:
            copy.unlink(missing_ok=True)


def editor(environ: Mapping[str, str]) -> list[str]:
    """Return the user's editor as a command. Raises UsageError if there is none."""
    told = environ.get("VISUAL") or environ.get("EDITOR")
    if told:
        words = [word.strip('"') for word in shlex.split(told, posix=os.name != "nt")]
        if not shutil.which(words[0], path=environ.get("PATH")):
            raise UsageError(f"there is no editor called {words[0]}", hint="set EDITOR to one that is there")
        return words
    if sys.platform == "win32":
        return ["notepad"]
    for name in USUAL:
        if shutil.which(name, path=environ.get("PATH")):
            return [name]
    raise UsageError("no editor is known", hint="name one: export EDITOR=nano")


def _write(copy: Path, text: str) -> None:
    """Write the copy, which may hold a key, for its owner alone."""
    try:
        handle = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError as error:
        raise ConfigError(f"cannot write {copy}: {error.strerror or error}") from error
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(text)


def _run(command: list[str], copy: Path) -> None:
    try:
        code = subprocess.run([*command, str(copy)], check=False).returncode  # noqa: S603
    except OSError as error:
        raise MiniLLMError(f"cannot start {command[0]}: {error.strerror or error}") from error
    if code:
        raise MiniLLMError(f"{command[0]} ended with {code}; nothing was changed")


def _again(error: ConfigError) -> bool:
    """Show what is wrong, and ask whether to edit again."""
    for problem in error.problems or (error.message,):
        output.talk(f"  {problem}")
    return typer.confirm("Edit again?", default=True, err=True)
