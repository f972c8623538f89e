"""Which targets are well: circuit breakers, cool-downs, latency. Pure: the clock is handed in with every question.

A key names one (provider, model, credential); credentials rest under a name of their own. Times are seconds of a
monotonic clock.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from mini_llm.errors import DeadlineError, NetworkError, RateLimitError, UpstreamError
from mini_llm.types import Json

State = Literal["closed", "open", "half-open"]

FAILURES_IN_A_ROW = 5
WINDOW = 30.0
WINDOW_LEAST = 10
WINDOW_MOST = 100
PAUSES = (5.0, 10.0, 20.0)
PAUSE_JITTER = 0.1
COOL_DOWN = 5.0
LONGEST_COOL_DOWN = 120.0
LATENCY_SHARE = 0.2
MOST_KNOWN = 2_000
MOST_KEPT = 500  # over a restart
KEPT_FOR = 600.0  # an older breaker says nothing any more


@dataclass(slots=True)
class _Record:
    """What one target did lately."""

    in_a_row: float = 0.0  # answers that were failures
    unreached: float = 0.0  # in a row, too: resets and timeouts, which may be the network's
    outcomes: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=WINDOW_MOST))
    opened: int = 0
    open_until: float = 0.0
    probing: bool = False
    cool_until: float = 0.0
    latency: float | None = None
    last_error: str = ""


class Health:
    """Remember how targets fared and say which may be asked."""

    def __init__(self, *, draw: Callable[[], float] = random.random) -> None:
        self._records: dict[str, _Record] = {}
        self._resting: dict[str, tuple[float, str]] = {}
        self._draw = draw
        self.changes = 0  # of what is worth keeping over a restart: grows with each

    def state(self, key: str, now: float) -> State:
        """Return the breaker's state; an open one whose pause is over is half-open."""
        record = self._records.get(key)
        if record is None or not record.opened:
            return "closed"
        return "open" if now < record.open_until else "half-open"

    def trouble(self, key: str, now: float) -> str:
        """Return why *key* should not be asked now, "" if it may be."""
        record = self._records.get(key)
        if record is None:
            return ""
        if now < record.cool_until:
            return f"cooling down for {record.cool_until - now:.0f} s ({record.last_error})"
        state = self.state(key, now)
        if state == "open":
            return f"resting for {record.open_until - now:.0f} s ({record.last_error})"
        if state == "half-open" and record.probing:
            return f"being probed after failing ({record.last_error})"
        return ""

    def resting(self, credential: str, now: float) -> str:
        """Return why *credential* is not to be used now, "" if it may be."""
        until, why = self._resting.get(credential, (0.0, ""))
        return f"its key rests for {until - now:.0f} s ({why})" if now < until else ""

    def well(self, key: str, credential: str, now: float) -> bool:
        """Tell whether there is neither trouble with *key* nor rest for *credential*."""
        record = self._records.get(key)
        if record is not None and (record.opened or now < record.cool_until) and self.trouble(key, now):
            return False
        return credential not in self._resting or not self.resting(credential, now)

    def begin(self, key: str, now: float) -> bool:
        """Note that *key* is going to be asked; return whether that is the one probe of a half-open breaker."""
        record = self._records.get(key)
        if record is None or not record.opened or record.probing or now < record.open_until:
            return False
        record.probing = True
        return True

    def answer(self, key: str, *, first_content: float | None = None) -> None:
        """Note that content came, after so many seconds: a probe has done its work. `succeed` or `fail` follows."""
        record = self._record(key)
        self.changes += bool(record.opened or record.cool_until)
        record.opened = 0
        record.open_until = record.cool_until = 0.0
        record.probing = False
        if first_content is not None:
            old = first_content if record.latency is None else record.latency
            record.latency = old + LATENCY_SHARE * (first_content - old)

    def succeed(self, key: str, now: float, *, first_content: float | None = None) -> None:
        """Note an answer that did not break, with the seconds it took to its first content."""
        self.answer(key, first_content=first_content)
        record = self._record(key)
        record.in_a_row = record.unreached = 0.0
        self._count(record, now, 0.0)

    def fail(self, key: str, credential: str, error: UpstreamError, now: float) -> None:
        """Note a failure; what it weighs and what must rest stands on the error's class."""
        record = self._record(key)
        was_probe, record.probing = record.probing, False
        record.last_error = error.code
        if error.parks:
            self._resting[credential] = (now + error.parks, error.code)
        if isinstance(error, RateLimitError):
            wait = COOL_DOWN if error.retry_after is None else min(error.retry_after, LONGEST_COOL_DOWN)
            record.cool_until = max(record.cool_until, now + wait)
            self.changes += 1
        if not error.blame:
            return
        if isinstance(error, NetworkError | DeadlineError):
            record.unreached += error.blame
        else:
            record.in_a_row += error.blame
        self._count(record, now, error.blame)
        if was_probe or self._broken(record):
            self._open(record, now)

    def abandon(self, key: str) -> None:
        """Note that an attempt ended without telling anything (the caller left)."""
        record = self._records.get(key)
        if record is not None:
            record.probing = False

    def forgive(self, credential: str) -> None:
        """Let *credential* be used again: it was edited."""
        self._resting.pop(credential, None)

    def latency(self, key: str) -> float | None:
        """Return the moving average of seconds to first content, None where nothing is known."""
        record = self._records.get(key)
        return record.latency if record else None

    def keys(self) -> tuple[str, ...]:
        """Return every target that something is known of."""
        return tuple(self._records)

    def export(self, now: float, clock: float) -> Json:
        """Return what is worth keeping over a restart; *clock* is the Unix time that *now* is.

        Credentials that rest are not in it: who starts anew may have mended them.
        """
        kept = [
            (key, record)
            for key, record in self._records.items()
            if record.opened or now < record.cool_until or record.latency is not None
        ]
        return {
            "saved": clock,
            "targets": {
                key: {
                    "opened": record.opened,
                    "open_until": clock + max(0.0, record.open_until - now),
                    "cool_until": clock + max(0.0, record.cool_until - now),
                    "latency": record.latency,
                    "last_error": record.last_error,
                }
                for key, record in kept[-MOST_KEPT:]
            },
        }

    def restore(self, kept: Json, now: float, clock: float) -> None:
        """Take over what `export` gave. No pause is longer than it could have been, however the clock has jumped."""
        age = clock - _number(kept.get("saved"))
        targets = kept.get("targets")
        for key, told in list(targets.items() if isinstance(targets, dict) else ())[-MOST_KEPT:]:
            if not isinstance(told, dict) or key in self._records:
                continue
            record = self._record(key)
            record.last_error = str(told.get("last_error", ""))
            latency = _number(told.get("latency"))
            record.latency = latency if latency > 0 else None
            if not 0 <= age < KEPT_FOR:
                continue
            record.opened = min(int(_number(told.get("opened"))), len(PAUSES))
            if record.opened:
                longest = PAUSES[record.opened - 1] * (1 + PAUSE_JITTER)
                record.open_until = now + min(max(_number(told.get("open_until")) - clock, 0.0), longest)
            record.cool_until = now + min(max(_number(told.get("cool_until")) - clock, 0.0), LONGEST_COOL_DOWN)

    def _record(self, key: str) -> _Record:
        """Return what is known of *key*; so that invented names can't fill the memory, the oldest record gives way."""
        if key not in self._records:
            if len(self._records) >= MOST_KNOWN:
                del self._records[next(iter(self._records))]
            self._records[key] = _Record()
        return self._records[key]

    def _count(self, record: _Record, now: float, blame: float) -> None:
        record.outcomes.append((now, blame))
        while record.outcomes and record.outcomes[0][0] < now - WINDOW:
            record.outcomes.popleft()

    def _broken(self, record: _Record) -> bool:
        if max(record.in_a_row, record.unreached) >= FAILURES_IN_A_ROW:
            return True
        seen = len(record.outcomes)
        return seen >= WINDOW_LEAST and sum(blame for _, blame in record.outcomes) > seen / 2

    def _open(self, record: _Record, now: float) -> None:
        pause = PAUSES[min(record.opened, len(PAUSES) - 1)]
        record.opened += 1
        self.changes += 1
        record.open_until = now + pause * (1 + PAUSE_JITTER * (2 * self._draw() - 1))


def _number(value: Any) -> float:
    """Return a number that came from a file, 0 for anything that is none."""
    return float(value) if type(value) in (int, float) and 0 <= value < 1e12 else 0.0
