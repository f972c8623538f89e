"""What the rooms of one team server share."""

from __future__ import annotations

from pathlib import Path

from mini_llm.gateway.request import Request
from mini_llm.runtime import Runtime
from mini_llm.team.settings import SECRET_FILE, Settings
from mini_llm.team.store import Store
from mini_llm.team.tokens import Tokens

__all__ = ["SECRET_FILE", "STORE_FILE", "Team"]

STORE_FILE = "team.db"


class Team:
    """The parts. `runtime` is the one it was opened with: who needs the newest settings asks the gateway for its."""

    def __init__(self, runtime: Runtime, store: Store, tokens: Tokens, settings: Settings) -> None:
        self.runtime = runtime
        self.store = store
        self.tokens = tokens
        self.settings = settings
        self.home: Path = runtime.loaded.paths.home

    def now(self) -> float:
        """Return the wall time in Unix seconds."""
        return self.store.now()

    def issuer(self, request: Request) -> str:
        """Return the address people know the server by, without a slash at its end.

        Where none is set it is the one that was asked: the guard has let in no Host but our own.
        """
        if self.settings.url:
            return self.settings.url
        return f"{'https' if request.tls else 'http'}://{request.headers['host'].lower()}"

    def is_https(self, request: Request) -> bool:
        """Tell whether people come encrypted, so that a cookie may say that it wants no less."""
        return self.issuer(request).startswith("https:")
