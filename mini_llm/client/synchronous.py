"""Client: AsyncClient for code that does not await. It has its own loop on its own thread, so it works in Jupyter."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, Unpack

from mini_llm.client.answers import Answer, AsyncStream
from mini_llm.client.asking import Options, Prompt
from mini_llm.client.asynchronous import AsyncClient
from mini_llm.errors import LedgerError, UsageError
from mini_llm.routing import Decision
from mini_llm.types import ChatRequest, Delta, EmbedResponse, Model

Result = TypeVar("Result")


class Client:
    """Ask models; every method is that of AsyncClient, and waits. Works from any thread, and after a fork.

    Args:
        config: the configuration file; by default the user's (`mini-llm config path`).
        environ: the environment; by default the process's.

    Raises:
        ConfigError: the configuration is wrong; `problems` lists every place.
    """

    def __init__(self, *, config: str | Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._open: Callable[[], AsyncClient] = lambda: AsyncClient(config=config, environ=environ)
        self._client = self._open()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._left_behind: list[object] = []
        self._starting = threading.Lock()
        self._closed = False

    def chat(self, prompt: Prompt, **options: Unpack[Options]) -> Answer:
        """Return one whole answer to *prompt*. Args and errors as `AsyncClient.chat`."""
        return self._wait(self._ready().chat(prompt, **options))

    def stream(self, prompt: Prompt, **options: Unpack[Options]) -> Stream:
        """Return the answer as it comes: `for delta in client.stream("…")`. Otherwise as `AsyncClient.stream`."""
        return Stream(self, self._ready().stream(prompt, **options))

    def plan(self, prompt: Prompt, **options: Unpack[Options]) -> tuple[ChatRequest, Decision]:
        """Return what `chat` would ask, and whom, in order. Nothing is sent."""
        return self._client.plan(prompt, **options)

    def embed(self, texts: str | Sequence[str], *, model: str, dimensions: int | None = None) -> EmbedResponse:
        """Return a vector for each of *texts*. Args and errors as `AsyncClient.embed`."""
        return self._wait(self._ready().embed(texts, model=model, dimensions=dimensions))

    def models(self, provider: str = "") -> list[Model]:
        """Return what can be called now. As `AsyncClient.models`."""
        return self._wait(self._ready().models(provider))

    def close(self) -> None:
        """Stop what is under way, close connections, write what the ledger still holds, end the thread."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self._close_at_exit)
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or self._process != os.getpid():
            return
        try:
            asyncio.run_coroutine_threadsafe(self._end(), loop).result()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _ready(self) -> AsyncClient:
        """Return what does the work, its loop running. A fork leaves threads and connections with the parent."""
        if self._closed:
            raise UsageError("this client is closed", hint="make a new one")
        with self._starting:
            if self._process != os.getpid() and self._loop is not None:
                self._left_behind += (self._client, self._loop)  # to let go of them would close the parent's sockets
                self._client, self._loop = self._open(), None
            self._process = os.getpid()
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="mini-llm", daemon=True)
                self._thread.start()
                atexit.register(self._close_at_exit)  # what was asked is booked, also by who never closes
        return self._client

    def _wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run *work* on the loop's thread; an interrupt here cancels it there."""
        if self._closed or self._loop is None:
            work.close()
            raise UsageError("this client is closed", hint="make a new one")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException as error:
            future.cancel()
            if self._closed and isinstance(error, CancelledError):
                raise UsageError("this client was closed before the answer was there") from None
            raise

    def _close_at_exit(self) -> None:
        with suppress(LedgerError):  # nobody is left to be told
            self.close()

    async def _end(self) -> None:
        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._client.close()

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
        """Stop: the connection is closed, so the provider stops too. Works from any thread."""
        if not self._client._closed:  # which stopped it as well
            self._client._wait(self._stream.aclose())

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _next(stream: AsyncStream) -> Delta | None:
    return await anext(stream, None)
