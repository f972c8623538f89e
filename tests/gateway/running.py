"""A gateway to ask: in a thread of the test, or as the process that people start. Real sockets both.

with running(tmp_path, {"lab": provider}) as gateway:
    httpx.post(f"{gateway.url}/v1/chat/completions", headers=gateway.headers, json=...)
    gateway.rows(1)

with started(tmp_path, {"lab": provider}) as gateway:
    gateway.process.send_signal(signal.SIGTERM)
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from mini_llm.gateway.connection import Limits
from mini_llm.gateway.server import Place, Service, open_gateway, run
from mini_llm.gateway.state import Gateway
from mini_llm.gateway.tokens import Tokens
from mini_llm.runtime import Runtime
from tests.cli import process
from tests.upstream import Provider
from tests.world import World

PATIENCE = 20.0


@dataclass
class Running:
    """A gateway that runs: `url` without /v1."""

    world: World
    url: str
    token: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    def rows(self, least: int = 0) -> list[dict[str, Any]]:
        """Return the ledger's rows, once there are at least so many: they are written a moment after the answer."""
        rows: list[dict[str, Any]] = wait_for(
            lambda: found if len(found := self._rows()) >= least else None, f"{least} rows"
        )
        return rows

    def _rows(self) -> list[dict[str, Any]]:
        try:
            return self.world.rows()
        except (apsw.CantOpenError, apsw.SQLError):  # there is no book yet, or it has no tables yet
            return []


@dataclass
class InThread(Running):
    """A gateway in a thread: what is inside it can be looked at."""

    service: Service
    loop: asyncio.AbstractEventLoop

    @property
    def gateway(self) -> Gateway:
        return self.service.gateway

    @property
    def runtime(self) -> Runtime:
        return self.service.gateway.runtime

    def stop(self) -> None:
        """Ask it to stop, as a signal would."""
        with suppress(RuntimeError):  # its loop is closed already
            self.loop.call_soon_threadsafe(self.service.stop)


@dataclass
class Started(Running):
    """A gateway that is a process."""

    process: subprocess.Popen[bytes]


@contextmanager
def running(
    home: Path,
    providers: Mapping[str, Provider | str],
    settings: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    limits: Limits = Limits(),  # noqa: B008  (immutable)
    prepare: Callable[[Gateway], None] | None = None,
) -> Iterator[InThread]:
    """Run a gateway in a thread on a free port; *prepare* may change it before it serves."""
    world = World(home, providers, settings, environ)
    token = Tokens(home).main()
    sock = socket.create_server(("127.0.0.1", 0))
    begun: list[InThread] = []
    ready = threading.Event()

    async def life() -> None:
        gateway = open_gateway(world.runtime, Place(sock.getsockname()[1]))
        if prepare is not None:
            prepare(gateway)
        service = Service(gateway, [sock], limits=limits)
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        begun.append(InThread(world, url, token, service, asyncio.get_running_loop()))
        await service.run(ready.set)

    thread = threading.Thread(target=lambda: run(life()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE), "the gateway does not start"
    try:
        yield begun[0]
    finally:
        for _ in range(2):  # the second one does not wait for streams
            begun[0].stop()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the gateway does not stop"


@contextmanager
def started(
    home: Path,
    providers: Mapping[str, Provider | str],
    settings: Mapping[str, Any] | None = None,
    *args: str,
    environ: Mapping[str, str] | None = None,
    **popen: Any,
) -> Iterator[Started]:
    """Run `mini-llm start --port 0 ARGS` as a process, and wait until it says that it is ready."""
    world = World(home, providers, settings, environ)
    begun = process.start(home, "start", "--port", "0", "--json", *args, environ=environ, **popen)
    try:
        assert begun.stdout is not None
        line = begun.stdout.readline()
        assert line, f"it did not start: {_end(begun)}"
        yield Started(world, json.loads(line)["url"], Tokens(home).main(), begun)
    finally:
        if begun.poll() is None:
            begun.terminate()
            begun.terminate()
        _end(begun)


def wait_for(look: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Return what *look* finds, once that is not None."""
    end = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.02)
    return found


def _end(process: subprocess.Popen[bytes]) -> str:
    """Wait for the end of a process, and return what it said on stderr."""
    try:
        _, said = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired as error:
        process.kill()
        _, said = process.communicate()
        raise AssertionError(f"the gateway does not stop: {said.decode()}") from error
    return said.decode() if said else ""
