"""Find a tool on this machine, and ask which version it is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from mini_llm.setup.tool import Place, RefusedError, Tool

USUAL = (".local/bin", "bin", ".npm-global/bin", ".bun/bin", ".volta/bin", ".cargo/bin")
EVERYWHERE = ("/usr/local/bin", "/opt/homebrew/bin", "/usr/bin")
VERSION = re.compile(r"\d+(?:\.\d+)+")
SECONDS = 20.0


def program(tool: Tool, place: Place) -> Path | None:
    """Return the tool's program: on PATH, or where installers put it."""
    beyond = [str(place.home / folder) for folder in (*tool.folders, *USUAL)]
    path = os.pathsep.join([place.environ.get("PATH", ""), *beyond, *EVERYWHERE])
    for name in tool.programs:
        if found := shutil.which(name, path=path):
            return Path(found)
    return None


def installed(tool: Tool, place: Place) -> Path | None:
    """Return what tells that the tool is here: its program, else a folder of its own."""
    return program(tool, place) or next((sign for sign in tool.signs(place) if sign.exists()), None)


def check(tool: Tool, place: Place) -> str:
    """Return the tool's version, "" if it does not tell. Raises RefusedError if it is not here, or too old."""
    if installed(tool, place) is None:
        names = "` or `".join(tool.programs)
        where = f"no `{names}` is on PATH, and no folder of its own is there"
        raise RefusedError(f"{tool.title} is not installed here: {where}", hint="install it, then run this again")
    found = program(tool, place)
    if not tool.oldest or found is None:
        return ""
    version = _version(found, place)
    if version and _numbers(version) < _numbers(tool.oldest):
        raise RefusedError(
            f"{tool.title} {version} is too old: {tool.oldest} is the first that can be set up so",
            hint=f"bring it up to date, or use `mini-llm run {tool.name}`",
        )
    return version


def _version(found: Path, place: Place) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            [found, "--version"],
            env=dict(place.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = VERSION.search(done.stdout.decode("utf-8", "replace"))
    return said.group() if said else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
