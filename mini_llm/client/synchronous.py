"""Client: AsyncClient for code that does not await. It has its own loop on its own thread, so it works in Jupyter."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, Unpack

from mini_llm.client.answers import Answer, AsyncStream
from mini_llm.client.asking import Options, Prompt
from mini_llm.client.asynchronous import AsyncClient
from mini_llm.errors import UsageError
from mini_llm.routing import Decision
from mini_llm.types import ChatRequest, Delta, EmbedResponse, Model

Result = TypeVar("Result")


class Client:
    """Ask models; every method is that of AsyncClient, and waits.

    Args:
        config: the configuration file; by default the user's (`mini-llm config path`).
        environ: the environment; by default the process's.

    Raises:
        ConfigError: the configuration is wrong; `problems` lists every place.
    """

    def __init__(self, *, config: str | Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._client = AsyncClient(config=config, environ=environ)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mini-llm", daemon=True)
        self._thread.start()

    def chat(self, prompt: Prompt, **options: Unpack[Options]) -> Answer:
        """Return one whole answer to *prompt*. Args and errors as `AsyncClient.chat`."""
        return self._wait(self._client.chat(prompt, **options))

    def stream(self, prompt: Prompt, **options: Unpack[Options]) -> Stream:
        """Return the answer as it comes: `for delta in client.stream("…")`. Otherwise as `AsyncClient.stream`."""
        return Stream(self, self._client.stream(prompt, **options))

    def plan(self, prompt: Prompt, **options: Unpack[Options]) -> tuple[ChatRequest, Decision]:
        """Return what `chat` would ask, and whom, in order. Nothing is sent."""
        return self._client.plan(prompt, **options)

    def embed(self, texts: str | Sequence[str], *, model: str, dimensions: int | None = None) -> EmbedResponse:
        """Return a vector for each of *texts*. Args and errors as `AsyncClient.embed`."""
        return self._wait(self._client.embed(texts, model=model, dimensions=dimensions))

    def models(self, provider: str = "") -> list[Model]:
        """Return what can be called now. As `AsyncClient.models`."""
        return self._wait(self._client.models(provider))

    def close(self) -> None:
        """Close connections, write what the ledger still holds, end the thread."""
        if self._loop.is_closed():
            return
        self._wait(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run *work* on the loop's thread; an interrupt here cancels it there."""
        if self._loop.is_closed():
            work.close()
            raise UsageError("this client is closed", hint="make a new one")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Stream:
    """An answer as it comes: `for delta in stream`. Leave it early with `close()`, or use it in a `with` block."""

    def __init__(self, client: Client, stream: AsyncStream) -> None:
        self._client = client
        self._stream = stream

    @property
    def answer(self) -> Answer:
        """The answer so far; whole once the loop has ended."""
        return self._stream.answer

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Delta:
        delta = self._client._wait(_next(self._stream))
        if delta is None:
            raise StopIteration
        return delta

    def close(self) -> None:
        """Stop: the connection is closed, so the provider stops too."""
        self._client._wait(self._stream.aclose())

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _next(stream: AsyncStream) -> Delta | None:
    return await anext(stream, None)
