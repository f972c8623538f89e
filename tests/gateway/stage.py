"""A gateway between hostile providers and a caller, all on one loop with a virtual clock; after it, a report.

    report = play(tmp_path, Case("anthropic_messages", stream=True), [cut(3, RESET)], [say()])
    assert report.told.text == TEXT

Every play ends with the same checks: nothing leaked, nothing secret was logged or told, and each attempt has its row.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from mini_llm.catalogue import Catalogue
from mini_llm.gateway.connection import Limits
from mini_llm.gateway.server import Place, Service, open_gateway
from mini_llm.gateway.tokens import Tokens
from mini_llm.runtime import Runtime
from mini_llm.transport import Resolve
from tests.gateway import clock, reading
from tests.gateway.caller import PROMPT, Caller, Heard
from tests.gateway.hostile import Hostile, Script

KEYS = {name: f"sk-canary-{name}-5e884898da28" for name in ("first", "second", "third")}
Rows = list[dict[str, Any]]
Told = reading.Told


class Case(NamedTuple):
    """Who asks, how, and what the first provider speaks; "" is the caller's own dialect."""

    dialect: str
    stream: bool
    target: str = ""

    @property
    def spoken(self) -> str:
        """The dialect of the first provider."""
        return self.target or self.dialect


@dataclass
class Report:
    """What came of a play. `rows` are the ledger's."""

    case: Case
    heard: Heard = field(default_factory=Heard)
    first: Hostile = field(default_factory=Hostile)
    second: Hostile = field(default_factory=Hostile)
    rows: Rows = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)

    @property
    def told(self) -> Told:
        """The answer as a client library sees it."""
        return reading.told(self.case.dialect, self.heard, stream=self.case.stream)

    @property
    def outcomes(self) -> list[tuple[str, str, str]]:
        """Provider, status and error of each row."""
        return [(row["provider"], row["status"], row["error"]) for row in self.rows]


@dataclass
class Stage:
    """A gateway that runs."""

    home: Path
    port: int
    token: str
    service: Service
    runtime: Runtime

    async def caller(self, *, limit: int = 65536) -> Caller:
        """Connect to it."""
        return await Caller.open(self.port, self.token, limit=limit)

    async def ask(self, dialect: str, model: str = "all", *, stream: bool = False, **more: Any) -> Heard:
        """Ask a plain question on a connection of its own."""
        caller = await self.caller()
        try:
            return await caller.ask(dialect, model, stream=stream, **more)
        finally:
            await caller.close()


@asynccontextmanager
async def stage(
    home: Path,
    providers: Mapping[str, tuple[str, str]],
    settings: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    limits: Limits = Limits(),  # noqa: B008  (immutable)
    resolve: Resolve | None = None,
) -> AsyncIterator[Stage]:
    """Run a gateway over *providers*: by name their address and dialect. The route `all` asks them in turn."""
    runtime = _runtime(home, providers, settings or {}, environ or {}, resolve)
    token = Tokens(home).main()
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = sock.getsockname()[1]
    service = Service(open_gateway(runtime, Place(port)), [sock], limits=limits)
    ready = asyncio.Event()
    life = asyncio.create_task(service.run(ready.set))
    await ready.wait()
    try:
        yield Stage(home, port, token, service, runtime)
    finally:
        service.stop()
        await life


def _runtime(
    home: Path,
    providers: Mapping[str, tuple[str, str]],
    settings: Mapping[str, Any],
    environ: Mapping[str, str],
    resolve: Resolve | None,
) -> Runtime:
    keys = {f"{name.upper()}_KEY": KEYS[name] for name in providers}
    configured = {
        name: {"baseUrl": url, "dialect": dialect, "models": ["m"], "apiKey": f"env:{name.upper()}_KEY"}
        for name, (url, dialect) in providers.items()
    }
    route = {"targets": [f"{name}/m" for name in providers], **settings.get("route", {})}
    rest = {name: value for name, value in settings.items() if name != "route"}
    home.mkdir(exist_ok=True, mode=0o700)
    config = home / "config.json"
    config.write_text(json.dumps({"providers": configured, "aliases": {"all": route}, **rest}), encoding="utf-8")
    config.chmod(0o600)
    runtime = Runtime.open(
        environ={"MINI_LLM_HOME": str(home), **keys, **environ},
        cwd=home,
        now=asyncio.get_running_loop().time,
        resolve=resolve,
    )
    runtime.catalogue = _CATALOGUE  # the same for all: reading it takes longer than a play
    return runtime


def play(
    home: Path,
    case: Case,
    first: Sequence[Script],
    second: Sequence[Script] | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    ask: Callable[[Stage], Awaitable[Heard]] | None = None,
    second_speaks: str = "",
    url: str = "",
    tls: ssl.SSLContext | None = None,
    **options: Any,
) -> Report:
    """Ask once (or as *ask* does) a first provider that does what *first* says, and a second one if there is one.

    *url* replaces the first one's address (`{port}` is its port), *tls* makes it safe.
    """
    report = Report(case, first=Hostile(*first, tls=tls), second=Hostile(*(second or ())))

    async def story() -> None:
        loop_tasks = asyncio.all_tasks()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(report.first)
            await stack.enter_async_context(report.second)
            providers = {"first": (url.format(port=report.first.port) or report.first.url, case.spoken)}
            if second is not None:
                providers["second"] = (report.second.url, second_speaks or case.spoken)
            async with stage(home, providers, settings, **options) as running:
                report.heard = await (ask or _plainly(case))(running)
                report.states = _states(running.runtime)
        assert asyncio.all_tasks() == loop_tasks, "a task was left behind"

    descriptors = _descriptors()
    with _log_into(report.log):
        clock.run(story())
    gc.collect(1)  # a transport that nobody closed says so now
    assert _descriptors() == descriptors, "a descriptor was left open"
    report.rows = rows(home)
    check(report)
    return report


def check(report: Report) -> None:
    """Hold what must be true whatever happened."""
    seen = len(report.first.seen) + len(report.second.seen)
    assert len(report.rows) >= seen, "an attempt without a row"
    numbers: dict[str, list[int]] = {}
    for row in report.rows:
        numbers.setdefault(row["request_id"], []).append(row["attempt"])
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values()), "a row too many or too few"
    for secret in (PROMPT, *KEYS.values()):
        assert secret not in "\n".join(report.log), "a secret was logged"
    for secret in KEYS.values():
        assert secret.encode() not in report.heard.raw, "a secret was told"
    if report.rows and "x-request-id" in report.heard.headers:
        assert report.heard.headers["x-request-id"] in numbers


def rows(home: Path) -> Rows:
    """Return the ledger's rows, in the order they were written."""
    book = home / "data" / "ledger.db"
    if not book.exists():
        return []
    connection = apsw.Connection(str(book), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        cursor = connection.execute("SELECT * FROM attempt ORDER BY id")
        return [dict(zip((name for name, _ in cursor.get_description()), row, strict=True)) for row in cursor]
    finally:
        connection.close()


def _plainly(case: Case) -> Callable[[Stage], Awaitable[Heard]]:
    return lambda running: running.ask(case.dialect, stream=case.stream)


def _states(runtime: Runtime) -> dict[str, str]:
    """Return the breaker's state of each provider."""
    now = asyncio.get_running_loop().time()
    return {key.partition("/")[0]: runtime.health.state(key, now) for key in tuple(runtime.health.keys())}


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


class _log_into(logging.Handler):  # noqa: N801  a context manager
    """Collect all that is logged, however unimportant."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._lines = lines
        self._level = 0

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(f"{record.name}: {self.format(record)}")

    def __enter__(self) -> None:
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(logging.DEBUG)
        root.addHandler(self)

    def __exit__(self, *error: object) -> None:
        root = logging.getLogger()
        root.setLevel(self._level)
        root.removeHandler(self)


_CATALOGUE = Catalogue.open(cache=Path(os.devnull).parent / "no-cache", overrides={})
