"""A home, a folder where plugins are installed, and a way to run mini-llm with both."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import Result, run

ROOT = Path(__file__).parents[2]


class Place:
    """A home, packages installed beside it, and a working folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.home, self.site, self.work = (folder / name for name in ("home", "site", "work"))
        for each in (self.home, self.site, self.work):
            each.mkdir(mode=0o700)
        self.environ = {"PYTHONPATH": f"{self.site}{os.pathsep}{ROOT}"}

    def configure(self, **settings: Any) -> None:
        """Write the user's config."""
        file = self.home / "config.json"
        file.write_text(json.dumps(settings), encoding="utf-8")
        file.chmod(0o600)

    def run(self, *args: str, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Result:
        """Run `mini-llm ARGS` in the working folder."""
        return run(self.home, *args, environ={**self.environ, **(environ or {})}, cwd=cwd or self.work)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a place with nothing installed yet."""
    return Place(tmp_path)
