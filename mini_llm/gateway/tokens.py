"""The gateway's tokens, files that only their user can read: the main one, and one for each tool that was set up."""

from __future__ import annotations

import re
import secrets
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from mini_llm.config import files
from mini_llm.errors import ConfigError, UsageError

PREFIX = "ml-"
MAIN_FILE = "gateway.token"
FOLDER = "tokens"
# What can be a token at all, one of the user's own making included: visible ASCII, long enough not to be guessed.
SHAPE = re.compile(r"[!-~]{16,512}")
TOOL = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Caller(NamedTuple):
    """Who a token stands for, and the tool it was made for."""

    name: str
    tool: str


MAIN = Caller("local", "")


def digest(token: str) -> bytes:
    """Return what a token is known by. Only this is kept, and compared."""
    return sha256(token.encode("ascii")).digest()


class Tokens:
    """The tokens below one user's *home*. Each call reads the files anew, so what setup made counts after a reload."""

    def __init__(self, home: Path) -> None:
        self._main = home / MAIN_FILE
        self._folder = home / FOLDER

    def main(self) -> str:
        """Return the main token; the first call ever makes it."""
        return _read(self._main) or _made(self._main)

    def create(self, tool: str) -> str:
        """Return the token of *tool*, made now if it has none."""
        path = self.file(tool)
        return _read(path) or _made(path)

    def tools(self) -> tuple[str, ...]:
        """Return the tools that have a token."""
        found = self._folder.iterdir() if self._folder.is_dir() else ()
        return tuple(sorted(path.name for path in found if TOOL.fullmatch(path.name)))

    def revoke(self, tool: str) -> bool:
        """Take the token of *tool* away; tell whether it had one. A gateway that runs has to reload to hear of it."""
        path = self.file(tool)
        existed = path.exists()
        path.unlink(missing_ok=True)
        return existed

    def callers(self) -> dict[bytes, Caller]:
        """Return who may ask, by the digest of the token."""
        tools = {tool: _read(self.file(tool)) for tool in self.tools()}
        known = {digest(token): Caller(tool, tool) for tool, token in tools.items() if token}
        return {**known, digest(self.main()): MAIN}

    def file(self, tool: str) -> Path:
        """Return where the token of *tool* is, or will be."""
        if not TOOL.fullmatch(tool):
            raise UsageError(f"{tool[:80]!r} can't name a tool", hint="use lower-case letters, digits, '_' and '-'")
        return self._folder / tool


def _read(path: Path) -> str:
    """Return the token in the file, "" if there is no file. Raises ConfigError for one that others could have read."""
    content = files.read(path, limit=4096)
    if content is None:
        return ""
    if files.exposed(path):
        raise ConfigError(f"other users can read the token in {path}", hint="delete it: a new one will be made")
    token = content.decode("ascii", "replace").strip()
    if not SHAPE.fullmatch(token):
        raise ConfigError(f"{path} holds no token", hint="delete it: a new one will be made")
    return token


def _made(path: Path) -> str:
    """Write a new token of 256 random bits, unless another process was faster."""
    with files.locked(path) as target:
        token = _read(target)
        if not token:
            token = PREFIX + secrets.token_urlsafe(32)
            files.write(target, f"{token}\n".encode())
        return token
