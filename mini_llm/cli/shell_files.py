"""Where a shell finds our completions: a file of our own, and where that is not enough a marked block in its start-up.

Written twice it is as written once; taken out, the start-up file is what it was.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mini_llm.config import files
from mini_llm.config.paths import user_folder
from mini_llm.errors import ConfigError

BEGIN, END = "# >>> mini-llm completions >>>", "# <<< mini-llm completions <<<"
# What reads the folder of completions by itself; without it bash has to be told.
BASH_COMPLETION = (
    *("/usr/share/bash-completion/bash_completion", "/etc/bash_completion"),
    *("/usr/local/etc/profile.d/bash_completion.sh", "/opt/homebrew/etc/profile.d/bash_completion.sh"),
)


class Place(NamedTuple):
    """Where a shell's completions go. `startup` is None where `script` is found without more; `lines` are for it."""

    script: Path
    startup: Path | None
    lines: tuple[str, ...] = ()


def place_of(shell: str, environ: Mapping[str, str]) -> Place:
    """Return where *shell* looks."""
    home = user_folder(environ)
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    if shell == "bash":
        script = data / "bash-completion/completions/mini-llm"
        found = any(Path(one).exists() for one in BASH_COMPLETION)
        return Place(script, None if found else home / ".bashrc", (f"[ -r {_quoted(script)} ] && . {_quoted(script)}",))
    if shell == "zsh":
        script = data / "zsh/site-functions/_mini-llm"
        return Place(script, Path(environ.get("ZDOTDIR") or home) / ".zshrc", _for_zsh(script.parent))
    if shell == "fish":
        return Place(config / "fish/completions/mini-llm.fish", None)
    folder = home / "Documents/PowerShell" if sys.platform == "win32" else config / "powershell"
    script = folder / "mini-llm.ps1"
    told = str(script).replace("'", "''")
    return Place(script, folder / "profile.ps1", (f"if (Test-Path '{told}') {{ . '{told}' }}",))


def install(place: Place, text: str) -> list[Path]:
    """Write *text* and the block; return the files that are not what they were."""
    changed = [place.script] if _replace(place.script, text) else []
    if place.startup is not None:
        before = _read(place.startup)
        block = "\n".join([BEGIN, *place.lines, END]) + "\n"
        rest = without_block(before)
        joint = "" if not rest or rest.endswith("\n") else "\n"
        # one that stands where it was put stays there, whatever came after it
        after = before if block in before else f"{rest}{joint}{block}"
        changed += [place.startup] if _replace(place.startup, after) else []
    return changed


def uninstall(place: Place) -> list[Path]:
    """Take both out again; return the files that are not what they were, or are gone."""
    changed = []
    if place.script.exists():
        place.script.unlink()
        changed.append(place.script)
    if place.startup is not None and BEGIN in (before := _read(place.startup)):
        after = without_block(before)
        if after:
            _replace(place.startup, after)
        else:
            place.startup.unlink()
        changed.append(place.startup)
    return changed


def without_block(text: str) -> str:
    """Return *text* without our block; one that lost its end is left alone."""
    before, begin, rest = text.partition(f"{BEGIN}\n")
    _, end, after = rest.partition(f"{END}\n")
    return f"{before}{after}" if begin and end else text


def _for_zsh(folder: Path) -> tuple[str, ...]:
    return (
        f"fpath=({_quoted(folder)} $fpath)",
        "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }",
        "autoload -Uz _mini-llm && compdef _mini-llm mini-llm",
    )


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "'\\''") + "'"


def _read(path: Path) -> str:
    return files.decode(files.read(path) or b"", path)


def _replace(path: Path, text: str) -> bool:
    """Write *text* in one step, with the file's own mode; say whether that changed anything."""
    if path.exists() and _read(path) == text:
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = Path(os.path.realpath(path))  # dot files are often links into a folder of their own
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror or error}") from error
    files.write(target, text.encode(), mode=mode)
    return True
