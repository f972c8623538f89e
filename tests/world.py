"""A tiny world for a test: a home folder, a configuration, real parts wired as the runtime wires them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import apsw

from mini_llm.client import Answer, AsyncClient
from mini_llm.dispatch import Dispatch
from mini_llm.errors import MiniLLMError
from mini_llm.runtime import Runtime
from mini_llm.types import Delta
from tests.upstream import Provider


class World:
    """A runtime over scripted providers. `waits` are the pauses dispatch made, in seconds; none of them is waited."""

    def __init__(
        self,
        home: Path,
        providers: Mapping[str, Provider | str],
        settings: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self.environ = {"MINI_LLM_HOME": str(home), **(environ or {})}
        configured = {
            name: {"baseUrl": one if isinstance(one, str) else one.url, "models": ["m"]}
            for name, one in providers.items()
        }
        config: dict[str, Any] = {"providers": configured, **(settings or {})}
        home.mkdir(exist_ok=True, mode=0o700)
        (home / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (home / "config.json").chmod(0o600)
        self.waits: list[float] = []
        self.runtime = Runtime.open(environ=self.environ, cwd=home)

    def ask(self, prompt: Any = "Hi", **options: Any) -> Answer:
        """Return one whole answer."""
        return asyncio.run(self._ask(prompt, options))

    def stream(self, prompt: Any = "Hi", **options: Any) -> tuple[list[Delta], Answer]:
        """Return every delta of a streamed answer, and the answer."""
        return asyncio.run(self._stream(prompt, options))

    def failure(self, *, stream: bool = False, **options: Any) -> MiniLLMError:
        """Return the error that asking ends with."""
        try:
            self.stream(**options) if stream else self.ask(**options)
        except MiniLLMError as error:
            return error
        raise AssertionError("it answered")

    def rows(self) -> list[dict[str, Any]]:
        """Return the ledger's rows in the order they were written."""
        connection = apsw.Connection(str(self.home / "data" / "ledger.db"), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(5000)  # its writer may just be making it
        try:
            connection.execute("BEGIN")  # one moment for both questions: the table may just be being made
            names = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info('attempt')")]
            rows = connection.execute("SELECT * FROM attempt ORDER BY id") if names else ()
            return [dict(zip(names, row, strict=True)) for row in rows]
        finally:
            connection.close()

    async def pause(self, seconds: float) -> None:
        self.waits.append(seconds)

    def client(self, sleep: Callable[[float], Awaitable[None]] | None = None) -> AsyncClient:
        """Return a client whose retries do not wait (or wait by *sleep*); to be used inside one event loop."""
        runtime = self.runtime
        for part in ("transport", "signers", "upstream", "dispatch"):
            runtime.__dict__.pop(part, None)
        runtime.dispatch = Dispatch(
            runtime.router,
            runtime.registry,
            runtime.catalogue,
            runtime.upstream,
            runtime.health,
            runtime.ledger,
            sleep=sleep or self.pause,
        )
        return AsyncClient(runtime=runtime)

    async def _ask(self, prompt: Any, options: dict[str, Any]) -> Answer:
        try:
            return await self.client().chat(prompt, **options)
        finally:
            await self.runtime.close()

    async def _stream(self, prompt: Any, options: dict[str, Any]) -> tuple[list[Delta], Answer]:
        try:
            stream = self.client().stream(prompt, **options)
            deltas = [delta async for delta in stream]
            return deltas, stream.answer
        finally:
            await self.runtime.close()
