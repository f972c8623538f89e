"""A virtual clock under real sockets: waits of minutes take milliseconds, and nothing on the wire is passed over.

    run(story())        # asyncio.run, on a loop whose time stands still while anything moves

Time goes forward only when no callback is ready, no byte is on its way between two sockets of this machine, and no
job runs on the loop's threads; then it jumps to the next timer. Whoever asks `loop.time()` sees 120 s pass at once.
All parties (upstream, gateway, client) have to live in this one loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import selectors
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

HANG = 30.0  # real seconds after which waiting for something that has no timer is a failure
_START = 1_000.0


class StuckError(Exception):
    """Nothing will ever happen: no timer is set, and no socket speaks."""


def run(story: Coroutine[Any, Any, Result]) -> Result:
    """Run *story* to its end on a new loop with a clock of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time` is moved by its selector. `hang` is in real seconds."""

    hang = HANG

    def __init__(self) -> None:
        self._virtual = _START
        self._jobs = 0
        self.jumps = 0
        self._fence = _Fence()
        super().__init__(_Patient(self))

    def time(self) -> float:
        return self._virtual

    def jump(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self._virtual += seconds
        self.jumps += 1

    @property
    def working(self) -> bool:
        """Whether a thread has work of this loop, which takes real time."""
        return self._jobs > 0

    def wait_for_the_wire(self) -> None:
        """Return when all that was sent between sockets of this machine has arrived."""
        self._fence.wait()

    def run_in_executor(  # type: ignore[override]  # typeshed's is generic in a way that can't be said again
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self._jobs += 1
        future.add_done_callback(self._job_done, context=contextvars.Context())
        return future

    def _job_done(self, future: asyncio.Future[Any]) -> None:
        self._jobs -= 1

    def close(self) -> None:
        super().close()
        self._fence.close()


class _Patient(selectors.DefaultSelector):
    """Where the loop waits: what would be a wait for a timer becomes a jump of the clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        self._loop.wait_for_the_wire()
        if ready := super().select(0):
            return ready
        if timeout is None or self._loop.working:
            return self._wait_really()
        self._loop.jump(timeout)
        return []

    def _wait_really(self) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for a socket or a thread, for which no timer stands."""
        ready = super().select(self._loop.hang)
        if not ready:
            raise StuckError(f"nothing has happened for {self._loop.hang:g} real seconds, and no timer is set")
        return ready


class _Fence:
    """A byte that goes round the loopback device behind all others: when it is back, they are there.

    Packets between two sockets of this machine wait for a busy kernel in a queue of the processor that sent them, so
    this thread stays on one.
    """

    def __init__(self) -> None:
        self._processors = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {sorted(self._processors)[os.getpid() % len(self._processors)]})
        with socket.create_server(("127.0.0.1", 0)) as server:
            self._out = socket.create_connection(server.getsockname(), 5.0)
            self._back, _ = server.accept()
        self._out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._back.settimeout(5.0)

    def wait(self) -> None:
        """Send the byte and take it in."""
        self._out.send(b".")
        self._back.recv(1)

    def close(self) -> None:
        """Close both ends, and let the thread go where it may."""
        os.sched_setaffinity(0, self._processors)
        self._out.close()
        self._back.close()
