"""The coding agents that people put before the gateway, each in a folder of its own.

    python tests/live/install.py     once: 1.2 GB, about half a minute; needs node 20 and npm

Standard library only. Everything lives in ~/.cache/mini-llm/clients (MINI_LLM_CLIENT_CACHE moves it).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class Client(NamedTuple):
    """One version of one agent; `program` is what it is called by."""

    package: str
    version: str
    program: str

    @property
    def folder(self) -> Path:
        """Return where it is installed."""
        return cache() / f"{self.package.rpartition('/')[2]}-{self.version}"

    @property
    def path(self) -> Path:
        """Return the program."""
        return self.folder / "node_modules" / ".bin" / self.program

    @property
    def ready(self) -> bool:
        """Whether it is installed."""
        return self.path.exists()


CLAUDE = Client("@anthropic-ai/claude-code", "2.1.330", "claude")
CODEX = Client("@openai/codex", "0.169.0", "codex")
GEMINI = Client("@google/gemini-cli", "0.61.0", "gemini")
OPENCODE = Client("opencode-ai", "1.18.33", "opencode")
CLIENTS = (CLAUDE, CODEX, GEMINI, OPENCODE)


def cache() -> Path:
    """Return the folder that holds everything this script makes."""
    if moved := os.environ.get("MINI_LLM_CLIENT_CACHE"):
        return Path(moved).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mini-llm" / "clients"


def main() -> int:
    """Install all that are missing; return 1 if one can't be had."""
    npm = shutil.which("npm")
    if npm is None:
        print("error: npm is not here", file=sys.stderr)
        return 1
    for client in (client for client in CLIENTS if not client.ready):
        print(f"  client: {client.package} {client.version}", file=sys.stderr)
        client.folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--no-audit", "--no-fund", "--no-save", f"{client.package}@{client.version}"]
        subprocess.run(command, cwd=client.folder, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return int(any(not client.ready for client in CLIENTS))


if __name__ == "__main__":
    sys.exit(main())
