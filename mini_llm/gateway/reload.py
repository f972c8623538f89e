"""Follow the settings while the gateway runs. A request keeps the ones it began with; wrong ones change nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from mini_llm import config as configuration
from mini_llm.config import Loaded
from mini_llm.credentials.vault import NAME as VAULT
from mini_llm.errors import ConfigError, MiniLLMError
from mini_llm.gateway.guard import Guard
from mini_llm.gateway.state import Gateway
from mini_llm.gateway.tokens import FOLDER, MAIN_FILE
from mini_llm.routing import Target
from mini_llm.runtime import Runtime

LOOK_SECONDS = 0.5
HALF_WRITTEN_SECONDS = 0.5  # a file that is wrong may be one that somebody is still writing
RETRY_SECONDS = 0.05

Mark = tuple[int, int, int]
Marks = dict[Path, Mark]

_log = logging.getLogger(__name__)


class Reload:
    """Give *gateway* a new runtime, and a guard from *guard_of*, whenever the files that it was made from change."""

    def __init__(
        self,
        gateway: Gateway,
        guard_of: Callable[[Runtime], Guard],
        seen: Marks | None = None,
        *,
        patience: float = HALF_WRITTEN_SECONDS,
    ) -> None:
        """Follow the files from how they were when *seen*; without it, from now on."""
        self._patience = patience
        self._gateway = gateway
        gateway.reload = self.wake
        self._guard_of = guard_of
        self._woken = asyncio.Event()
        self._seen = marks_of(gateway.runtime.loaded) if seen is None else seen
        self.count = 0

    def wake(self) -> None:
        """Look now."""
        self._seen = {}
        self._woken.set()

    async def watch(self) -> None:
        """Look twice a second, for ever."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()
            self._woken.clear()
            if changed := self._look():
                await self._reload(changed)

    def _look(self) -> set[Path]:
        """Return the files that changed since the last look."""
        before, self._seen = self._seen, marks_of(self._gateway.runtime.loaded)
        return {path for path, _ in before.items() ^ self._seen.items()}

    async def _reload(self, changed: set[Path]) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience
        while True:
            patient = loop.time() < end
            try:
                runtime, guard = await asyncio.to_thread(self._made, changed, patient)
                break
            except MiniLLMError as error:
                if not patient:
                    self._keep(error)
                    return
            except Exception:  # a fault of ours must not end the watch, nor the gateway
                _log.exception("the configuration could not be loaded")
                return
            await asyncio.sleep(RETRY_SECONDS)
            if more := self._look():  # somebody is still writing
                changed |= more
                end = loop.time() + self._patience
        self._tell(self._gateway.runtime.loaded, runtime.loaded)
        self._gateway.runtime, self._gateway.guard, self._gateway.stale = runtime, guard, ()
        self.count += 1

    def _made(self, changed: set[Path], patient: bool) -> tuple[Runtime, Guard]:
        """Load and build all that a request needs; in a thread, so that no request waits for it."""
        old = self._gateway.runtime
        paths = old.loaded.paths
        if patient and paths.config in changed and not paths.config.exists():
            raise ConfigError(f"{paths.config} is gone")  # some editors write by removing first
        folder = old.loaded.project.parent if old.loaded.project else None
        loaded = configuration.load(paths, environ=old.environ, cwd=folder)
        new = old.reloaded(loaded)
        guard = self._guard_of(new)
        new.registry.configured()
        if paths.home / VAULT in changed or _providers(loaded) != _providers(old.loaded):
            _forgive(new)
        return new, guard

    def _keep(self, error: MiniLLMError) -> None:
        """Stay with the settings in use."""
        problems = error.problems if isinstance(error, ConfigError) and error.problems else (error.message,)
        for problem in problems:
            _log.error("the configuration in use stays: %s", problem)
        self._gateway.stale = tuple(problems)

    def _tell(self, old: Loaded, new: Loaded) -> None:
        _log.info("the configuration was read anew")
        for notice in new.notices:
            if notice not in old.notices:
                _log.warning("%s", notice)
        for name in ("host", "port"):
            if getattr(old.config.gateway, name) != getattr(new.config.gateway, name):
                _log.warning("gateway.%s needs a restart: mini-llm restart", name)


def marks_of(loaded: Loaded) -> Marks:
    """Return what tells the content of each file that counts from what it held before."""
    return {path: mark for path in _files(loaded) if (mark := _mark(path))}


def _files(loaded: Loaded) -> Iterator[Path]:
    home = loaded.paths.home
    yield from (loaded.paths.config, home / VAULT, home / MAIN_FILE)
    if loaded.project is not None:
        yield loaded.project
    for folder in (home / "providers", home / FOLDER):
        with suppress(OSError):
            yield from folder.iterdir()


def _mark(path: Path) -> Mark | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _providers(loaded: Loaded) -> object:
    return loaded.values.get("providers"), loaded.values.get("wallet")


def _forgive(runtime: Runtime) -> None:
    """Let every key be asked for, and tried, again: one of them was edited."""
    for provider in runtime.registry.configured():
        with suppress(MiniLLMError):  # one without a key
            for credential in runtime.router.credentials(Target(provider.name, "")):
                runtime.credentials.refresh(credential.reference)
                runtime.health.forgive(credential.name)
