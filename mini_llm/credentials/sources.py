"""Where a reference leads, other than to the keyring: a variable, a file, a command."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mini_llm.config import Paths, files
from mini_llm.config.paths import user_folder
from mini_llm.errors import ConfigError, CredentialError

if TYPE_CHECKING:
    from threading import Event

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
LIMIT = 64 << 10
COMMAND_SECONDS = 10.0


def from_environment(name: str, environ: Mapping[str, str]) -> str:
    """Return a variable's value."""
    value = environ.get(name, "").strip()
    if not value:
        raise CredentialError(f"the environment variable {name} is not set", hint=f"set it: export {name}=…")
    return value


def filled(text: str, environ: Mapping[str, str]) -> str:
    """Return the text with every ${NAME} in it filled in."""
    return VARIABLE.sub(lambda found: from_environment(found[1], environ), text)


def path_of(told: str, paths: Paths, environ: Mapping[str, str]) -> Path:
    """Return the file that `file:` names: `~` is the user's folder, a relative path starts at the config's home."""
    if told == "~" or told.startswith(("~/", "~\\")):
        return user_folder(environ) / told[2:]
    return paths.home / told


def from_file(path: Path) -> str:
    """Return what a key file holds."""
    try:
        data = files.read(path, limit=LIMIT)
        if data is None:
            raise CredentialError(f"there is no key file {path}", hint="create it, or change the reference")
        return files.decode(data, path).lstrip("\ufeff").strip()
    except ConfigError as error:
        raise CredentialError(error.message, hint=error.hint) from error


def from_command(told: str, environ: Mapping[str, str], folder: Path, *, seconds: float = COMMAND_SECONDS) -> str:
    """Run a program, without a shell and never in the project's folder; return the first line it prints."""
    import subprocess  # 4 ms, and few keys come from a command
    import threading

    words = _words(told)
    hint = f"try it yourself: {told}"
    try:
        process = subprocess.Popen(  # noqa: S603  the user's own file names it; a project file cannot
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # may hold the secret
            env=dict(environ),
            cwd=folder if folder.is_dir() else None,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CredentialError(f"can't run {words[0]}: {reason}", hint=hint) from None
    lines: list[bytes] = []
    has_line = threading.Event()
    threading.Thread(target=_first_line, args=(process.stdout, lines, has_line), daemon=True).start()
    try:
        status = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise CredentialError(f"{words[0]} was not done after {seconds:g} s", hint=hint) from None
    finally:
        process.kill()
        process.wait()
    has_line.wait(1.0)  # something it started may still hold the pipe
    line = lines[0] if lines else b""
    if status != 0:
        raise CredentialError(f"{words[0]} failed with status {status}", hint=hint)
    if not line.strip():
        raise CredentialError(f"{words[0]} printed no key", hint=hint)
    if len(line) > LIMIT:
        raise CredentialError(f"{words[0]} printed more than {LIMIT // 1024} KiB on one line", hint=hint)
    try:
        return line.decode().strip()
    except UnicodeDecodeError:
        raise CredentialError(f"{words[0]} printed what is not text", hint=hint) from None


def _words(told: str) -> list[str]:
    import shlex  # only for commands

    try:
        words = shlex.split(told, posix=os.name != "nt")
    except ValueError as error:
        raise CredentialError(f"the command of a cmd: reference can't be read: {error}") from None
    if os.name == "nt":
        words = [word[1:-1] if word[:1] == word[-1:] == '"' else word for word in words]
    if not words:
        raise CredentialError("a cmd: reference names no program")
    return words


def _first_line(output: IO[bytes], lines: list[bytes], has_line: Event) -> None:
    """Keep the first line, and read on so that the program can end."""
    with output:
        lines.append(output.readline(LIMIT + 1))
        has_line.set()
        while output.read(LIMIT):
            pass
