"""How the process itself fares: CPU, memory, descriptors, and whether its event loop is blocked."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mini_llm.gateway.exposition import Family, Sample, gauge

BEAT_SECONDS = 0.1
BLOCKED_SECONDS = 0.25
HALF_MINUTE = 30.0
_log = logging.getLogger(__name__)


class Heartbeat:
    """Watch an event loop from outside: how late its timers are, and what it does when it does nothing else.

    `lag` is the lateness of the last beat in seconds, `worst` the greatest of the last half to whole minute.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None
        self._thread = 0
        self._due = 0.0
        self._told = 0.0
        self._worst = [0.0, 0.0]  # of this half minute, and of the one before
        self._half = 0
        self.lag = 0.0

    def start(self) -> None:
        """Begin to watch the loop that runs now."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._schedule()
        self._watcher = threading.Thread(target=self._watch, name="heartbeat", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """End it."""
        self._ended.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.join(1.0)

    @property
    def worst(self) -> float:
        """The greatest lateness of late."""
        return max(self._worst)

    def _schedule(self) -> None:
        assert self._loop is not None
        self._due = self._clock() + BEAT_SECONDS
        self._timer = self._loop.call_later(BEAT_SECONDS, self._beat)

    def _beat(self) -> None:
        now = self._clock()
        self.lag = max(0.0, now - self._due)
        half = int(now / HALF_MINUTE)
        if half != self._half:
            self._half, self._worst = half, [0.0, self._worst[0]]
        self._worst[0] = max(self._worst[0], self.lag)
        self._schedule()

    def _watch(self) -> None:
        """Tell once for each time the loop is blocked, with the place. Only code is told, never a value."""
        while not self._ended.wait(BEAT_SECONDS):
            due = self._due
            late = self._clock() - due
            if late > BLOCKED_SECONDS and due != self._told:
                self._told = due
                frame = sys._current_frames().get(self._thread)
                stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
                _log.warning("the event loop is blocked for %.0f ms now, in:\n%s", late * 1000, stack)


def resident() -> int:
    """Return how many bytes of memory this process has in use, 0 where that is not known."""
    if sys.platform == "win32":
        return 0
    with suppress(OSError, ValueError):  # Linux alone has this
        return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def process() -> list[Family]:
    """Return the usual numbers of a process, as far as this system tells them."""
    found = [
        Family("process_cpu_seconds", "counter", "CPU time in seconds.", [Sample("_total", "", time.process_time())])
    ]
    with suppress(OSError, ValueError):  # Linux alone has these
        found += [
            gauge("process_resident_memory_bytes", "Memory in use.", resident()),
            gauge("process_open_fds", "Open descriptors.", len(os.listdir("/proc/self/fd")) - 1),  # noqa: PTH208
        ]
    if sys.platform == "win32":
        return found
    with suppress(OSError, ValueError):
        import resource  # not there on Windows

        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        most = float("inf") if limit == resource.RLIM_INFINITY else limit
        found.append(gauge("process_max_fds", "Descriptors that may be open.", most))
    return found
