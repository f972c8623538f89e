"""Start a gateway: check, bind, open what it writes, and only then promise to be there."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import NamedTuple

from mini_llm._version import __version__
from mini_llm.errors import ConfigError
from mini_llm.gateway import binding, process, scrape
from mini_llm.gateway.access_log import text_of, trace_of
from mini_llm.gateway.binding import Binding, Options, UnfitError
from mini_llm.gateway.connection import Limits
from mini_llm.gateway.control.views import own_requests
from mini_llm.gateway.exposition import labelled
from mini_llm.gateway.guard import Guard
from mini_llm.gateway.process import Record
from mini_llm.gateway.reload import Marks, Reload, marks_of
from mini_llm.gateway.server import Place, Service, guard_of, open_gateway, run
from mini_llm.gateway.siblings import Board, Siblings
from mini_llm.gateway.state import Gateway
from mini_llm.gateway.tokens import Tokens
from mini_llm.runtime import Runtime

BACKLOG = 2048
LOOK_SECONDS = 1.0

_log = logging.getLogger(__name__)

Announce = Callable[[Record], None]


@asynccontextmanager
async def _own(runtime: Runtime, place: Place) -> AsyncIterator[Gateway]:
    yield open_gateway(runtime, place)


class Kind(NamedTuple):
    """What kind of server is started: who it lets in, and what it opens in each process that serves.

    `prepare` makes the files it needs; `keyed` tells that nobody is let in without a key of their own.
    """

    guard_of: Callable[[Runtime, Place], Guard]
    open: Callable[[Runtime, Place], AbstractAsyncContextManager[Gateway]]
    prepare: Callable[[Runtime], object]
    keyed: bool = False


GATEWAY = Kind(guard_of, _own, lambda runtime: Tokens(runtime.loaded.paths.home).main())


class _Opened(NamedTuple):
    """What a process needs to serve."""

    kind: Kind
    binding: Binding
    place: Place
    sockets: list[socket.socket]
    limits: Limits
    seen: Marks


def start(runtime: Runtime, options: Options, announce: Announce, *, log: str = "", kind: Kind = GATEWAY) -> None:
    """Run a server until it is told to stop; *announce* hears when it is ready, and when its workers change.

    Raises UnfitError with everything that is wrong, PortInUseError if it, or another program, is there already.
    """
    home = runtime.loaded.paths.home
    process.check_none(home)
    opened = _open(runtime, options, kind)
    record = _record(opened, options, log)._replace(config=str(runtime.loaded.paths.config))
    process.claim(home, record)

    def ready(workers: tuple[int, ...] = ()) -> None:
        serving = record._replace(workers=workers, ready=True)
        process.claim(home, serving)
        announce(serving)

    try:
        if not log and not in_terminal():
            _write_to_stderr(runtime)
        if options.workers > 1:
            _run_several(runtime, opened, ready)
        else:
            run(_life(runtime, opened, ready))
    finally:
        process.release(home)


def _open(runtime: Runtime, asked: Options, kind: Kind) -> _Opened:
    kind.prepare(runtime)  # what is made now is no change later
    seen = marks_of(runtime.loaded)
    options = asked.over(runtime.loaded.config.gateway)
    bound = binding.check(options, keyed=kind.keyed)
    sockets = binding.bind(options.host, options.port)
    place = Place(sockets[0].getsockname()[1], options.host, asked.key, bound.proxies)  # the configured key may change
    try:
        kind.guard_of(runtime, place)  # a key that can't be found is told now
    except Exception as error:
        for sock in sockets:
            sock.close()
        if isinstance(error, ConfigError):
            raise UnfitError(error.problems or [error.message], hint=error.hint) from error
        raise
    return _Opened(kind, bound, place, sockets, Limits()._replace(connections=_connections()), seen)


def _connections() -> int:
    return min(binding.most_connections(), Limits().connections)


def _record(opened: _Opened, options: Options, log: str) -> Record:
    pid = os.getpid()
    url = binding.url(opened.binding.options, opened.place.port)
    return Record(pid, process.birth(pid), time.time(), url, __version__, log, options)


async def _life(
    runtime: Runtime, opened: _Opened, ready: Callable[[], None], siblings: Siblings | None = None, overseer: int = 0
) -> None:
    """Serve. With an *overseer*, end when that process has ended."""
    runtime.ledger.start()
    async with opened.kind.open(runtime, opened.place) as gateway:
        if siblings is not None:
            runtime.share_memory()
            gateway.siblings = siblings
            gateway.metrics.constant = labelled(worker=str(siblings.place))
        await _serve(gateway, opened, ready, overseer)


async def _serve(gateway: Gateway, opened: _Opened, ready: Callable[[], None], overseer: int) -> None:
    service = Service(gateway, opened.sockets, limits=opened.limits, tls=opened.binding.tls)
    reload = Reload(gateway, lambda runtime: opened.kind.guard_of(runtime, opened.place), opened.seen)
    gateway.reload = reload.wake
    service.listen_to_signals(service.stop if in_terminal() else reload.wake, alone=not overseer)
    for sock in opened.sockets:
        sock.listen(BACKLOG)
    watching = [asyncio.create_task(reload.watch()), asyncio.create_task(_look_around(service, overseer))]
    watching.append(asyncio.create_task(asyncio.to_thread(gateway.runtime.expectations.begin)))
    try:
        await service.run(ready)
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)


async def _look_around(service: Service, overseer: int) -> None:
    """Tell the other workers how this one stands. Stop without the overseer, or (on Windows) by `mini-llm stop`."""
    gateway = service.gateway
    home = gateway.runtime.loaded.paths.home
    while not process.told_to_stop(home) and not (overseer and os.getppid() != overseer):
        if gateway.siblings is not None:
            await _tell(gateway, gateway.siblings)
            gateway.siblings.count(len(service.server.connections))
        await asyncio.sleep(LOOK_SECONDS)
    service.stop()


async def _tell(gateway: Gateway, siblings: Siblings) -> None:
    try:
        siblings.tell(await asyncio.to_thread(scrape.own, gateway), own_requests(gateway))
    except Exception:  # a fault of ours must not keep this worker from noticing that it is alone
        _log.exception("the other workers could not be told how this one stands")


def _run_several(runtime: Runtime, opened: _Opened, ready: Callable[[tuple[int, ...]], None]) -> None:
    """Let several processes accept on the same sockets."""
    from mini_llm.gateway.workers import Overseer  # not there on Windows

    for sock in opened.sockets:
        sock.listen(BACKLOG)
    count, overseer = opened.binding.options.workers, os.getpid()
    board = Board(count)

    def work(place: int, serving: Callable[[], None]) -> None:
        run(_life(runtime, opened, serving, Siblings(board, place), overseer))

    Overseer(count, work, ready, hangup_ends=in_terminal()).run()


def in_terminal() -> bool:
    """Say whether somebody sees what we say: then the end of that terminal is ours, too."""
    return sys.stderr is not None and sys.stderr.isatty()


def _write_to_stderr(runtime: Runtime) -> None:
    """Say on stderr, too, what goes to the log: where a container or a service runs us, somebody collects it."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Redacting(runtime.credentials.redact))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    with suppress(AttributeError, ValueError):
        sys.stderr.reconfigure(errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]


class _Redacting(logging.Formatter):
    """One line's time, weight and text, without a secret, and without what an exception quotes."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        line = f"{self.formatTime(record)} {record.levelname} {text_of(record)}"
        error = record.exc_info[1] if record.exc_info else None
        return self._redact(line if error is None else f"{line}\n{trace_of(error)}")
