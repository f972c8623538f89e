"""Several processes on the same sockets: start them, start anew what died, pass signals on. Not for Windows.

The sockets are shared, not one for each with SO_REUSEPORT: what waits to be accepted is lost with no worker, the
port has one owner, and a busy worker leaves new connections to the others.
"""

# Checked as for Windows, where nobody imports this, half of `os` and `signal` is missing.
# mypy: disable-error-code="attr-defined"

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from mini_llm.errors import MiniLLMError

FIRST_PAUSE = 0.1  # seconds before a worker that died is started again; twice as long each time it dies
LONGEST_PAUSE = 5.0
SETTLED_SECONDS = 10.0  # one that lived so long begins anew
STARTING_SECONDS = 20.0
ENDING_SECONDS = 45.0  # more than a worker takes to let its streams end
IDLE_SECONDS = 1.0
READY = b"!"
FATAL = 70

_log = logging.getLogger(__name__)


class Overseer:
    """Keep *count* processes at *work*, each with a place of its own; *serving* hears of their pids.

    *work* is given its place, and what to call once it serves.

    Has no event loop and no thread, so that it can fork whenever it must.
    """

    def __init__(
        self,
        count: int,
        work: Callable[[int, Callable[[], None]], None],
        serving: Callable[[tuple[int, ...]], None],
        *,
        hangup_ends: bool = False,
    ) -> None:
        self._count = count
        self._work = work
        self._serving = serving
        self._begun = False
        self._hangup_ends = hangup_ends
        self._born: dict[int, tuple[float, int]] = {}
        self._pause = FIRST_PAUSE
        self._due = [(0.0, place) for place in range(count)]
        self._signals: list[int] = []
        self._ending = 0.0
        self._wake = (-1, -1)
        self._told = (-1, -1)

    def run(self) -> None:
        """Serve until told to stop. Raises MiniLLMError if the workers do not come up."""
        self._open_pipes()
        failed = False
        if self._begin():
            self._begun = True
            self._serving(tuple(self._born))
        elif not self._ending:
            failed = True
            self._end()
            self._pass_on(signal.SIGTERM)
        while self._born or not self._ending:
            self._turn()
        if failed:
            raise MiniLLMError("the workers of the gateway did not start", hint="see what they said above")

    def _begin(self) -> bool:
        """Start the workers, and wait until all of them serve; say whether they do."""
        end = time.monotonic() + STARTING_SECONDS
        ready = 0
        while ready < self._count:
            found, dead = self._turn()
            ready += found
            if dead or self._ending or time.monotonic() > end:
                return False
        return True

    def _turn(self) -> tuple[int, int]:
        """Do what is due, and wait for the next thing to do; return how many workers got ready, and how many died."""
        self._start_due()
        ready = self._wait()
        signals, self._signals = self._signals, []
        for number in signals:
            if number != signal.SIGHUP or self._hangup_ends:
                self._end()
                number = signal.SIGTERM
            self._pass_on(number)
        if self._ending and time.monotonic() > self._ending:
            self._pass_on(signal.SIGKILL)
        return ready, self._bury()

    def _open_pipes(self) -> None:
        self._wake = os.pipe()
        self._told = os.pipe()
        for end in (*self._wake, *self._told):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: self._signals.append(number))
        signal.signal(signal.SIGCHLD, lambda *_: None)  # wakes us

    def _start_due(self) -> None:
        """Start the workers whose pause is over."""
        now = time.monotonic()
        due = [one for one in self._due if one[0] <= now]
        if self._ending or not due:
            return
        for one in due:
            self._due.remove(one)
            self._fork(one[1])
        if self._begun:
            self._serving(tuple(self._born))

    def _fork(self, place: int) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if not pid:
            self._serve(place)
        self._born[pid] = time.monotonic(), place

    def _serve(self, place: int) -> NoReturn:
        """Be a worker."""
        code = FATAL
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            for end in (*self._wake, self._told[0]):
                os.close(end)
            self._work(place, self._say_ready)
            code = 0
        except BaseException:  # whatever it is, it must not run what is the overseer's
            _log.exception("a worker failed")
        finally:
            with suppress(OSError):
                sys.stderr.flush()
            os._exit(code)

    def _say_ready(self) -> None:
        os.write(self._told[1], READY)
        os.close(self._told[1])

    def _wait(self) -> int:
        """Wait for a signal, a death, a worker that is ready, or the end of a pause; return how many got ready."""
        pause = min([IDLE_SECONDS, *(at - time.monotonic() for at, _ in self._due)])
        readable, _, _ = select.select([self._wake[0], self._told[0]], [], [], max(0.0, pause))
        if self._wake[0] in readable:
            os.read(self._wake[0], 4096)
        return len(os.read(self._told[0], 4096)) if self._told[0] in readable else 0

    def _pass_on(self, number: int) -> None:
        for pid in self._born:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _end(self) -> None:
        """Start no worker any more."""
        self._ending = self._ending or time.monotonic() + ENDING_SECONDS
        self._due.clear()

    def _bury(self) -> int:
        """Take note of who died, and when another one is to take its place; return how many did."""
        dead = 0
        while self._born:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            born, place = self._born.pop(pid)
            dead += 1
            if self._ending:
                continue
            _log.error("worker %d ended (%d) and is started again", pid, os.waitstatus_to_exitcode(status))
            self._pause = (
                FIRST_PAUSE if time.monotonic() - born > SETTLED_SECONDS else min(2 * self._pause, LONGEST_PAUSE)
            )
            self._due.append((time.monotonic() + self._pause, place))
        return dead
