"""Keyrings of every kind to hand in, and the secrets of a user who has one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mini_llm.config import Paths
from mini_llm.credentials import Credentials

OPENAI = "https://api.openai.com/v1"
KEY = "sk-test-0123456789-abcdefgh"


class Backend:
    """A keyring backend of our own; `named` makes its class look like one that keyring ships."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, name: str) -> str | None:
        return self.entries.get((service, name))

    def set_password(self, service: str, name: str, value: str) -> None:
        self.entries[service, name] = value

    def delete_password(self, service: str, name: str) -> None:
        del self.entries[service, name]


def named(full: str, parent: type[Backend] = Backend) -> Any:
    module, _, name = full.rpartition(".")
    return type(name, (parent,), {"__module__": module})()


def safe(parent: type[Backend] = Backend) -> Any:
    return named("keyring.backends.SecretService.Keyring", parent)


def credentials(folder: Path, backend: Any = None, *, seconds: float = 3.0, **environ: str) -> Credentials:
    """The secrets of a user whose home is *folder*, with the keyring handed in; None for no keyring."""
    told = {"MINI_LLM_HOME": str(folder), "HOME": str(folder), "PATH": os.environ["PATH"], **environ}
    if backend is not None:
        told["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nowhere"
    return Credentials(environ=told, paths=Paths.find(told), keyring=lambda: backend, seconds=seconds)


def on_disk(folder: Path) -> str:
    """Everything in every file of a folder."""
    return "\n".join(path.read_text() for path in folder.rglob("*") if path.is_file())
