"""What the tests of the command line share: an empty home, and a provider called lab."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.upstream import Provider, Step

collect_ignore_glob = ["test_*terminal*.py"] if sys.platform == "win32" else []


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return an empty home folder."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def configure(home: Path) -> Callable[..., Path]:
    """Return what writes settings into the home's config file."""

    def write(text: str = "", **settings: Any) -> Path:
        path = home / "config.json"
        path.write_text(text or json.dumps(settings), encoding="utf-8")
        path.chmod(0o600)
        return path

    return write


@pytest.fixture
def lab(configure: Callable[..., Path]) -> Iterator[Callable[..., Provider]]:
    """Return what starts a scripted provider and sets it up as `lab` with the model `m`."""
    running: list[Provider] = []

    def begin(*script: Step, key: str = "", **settings: Any) -> Provider:
        provider = Provider(*script)
        provider.__enter__()
        running.append(provider)
        told = {"baseUrl": provider.url, "models": ["m"], **({"apiKey": key} if key else {})}
        configure(providers={"lab": told, **settings.pop("providers", {})}, **settings)
        return provider

    yield begin
    for provider in running:
        provider.__exit__(None, None, None)
