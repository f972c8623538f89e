"""What is known of the targets, in a file: the next process begins where this one ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import orjson

from mini_llm.config import files
from mini_llm.errors import ConfigError
from mini_llm.health import Health

SECONDS = 3.0
LIMIT = 1 << 20


class HealthFile:
    """The file, and who keeps it up to date. It is only a help: one that can't be read or written is passed over."""

    def __init__(
        self,
        path: Path,
        health: Health,
        *,
        now: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._health = health
        self._now = now
        self._clock = clock
        self._saved = health.changes
        self._keeper: asyncio.Task[None] | None = None

    def load(self) -> None:
        """Let the health begin with what the file says."""
        with suppress(ConfigError, ValueError):
            data = files.read(self._path, limit=LIMIT)
            kept = orjson.loads(data) if data else None
            if isinstance(kept, dict):
                self._health.restore(kept, self._now(), self._clock())

    def keep(self) -> None:
        """Write the file from now on, seconds after something has changed. To be called in the event loop."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Write it a last time, if it was kept."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
            await asyncio.to_thread(self._save, self._exported())

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SECONDS)
            if self._health.changes != self._saved:
                self._saved = self._health.changes
                await asyncio.to_thread(self._save, self._exported())

    def _exported(self) -> bytes:
        return orjson.dumps(self._health.export(self._now(), self._clock()))

    def _save(self, data: bytes) -> None:
        with suppress(ConfigError, OSError), files.locked(self._path) as target:
            files.write(target, data)
