"""Test each link between a prompt and its answer: all checks side by side, each within its own time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from mini_llm.doctor.finding import Finding
from mini_llm.errors import MiniLLMError

__all__ = ["Check", "Finding", "examine"]


class Check(NamedTuple):
    """One check: what it is called, what it does, and how many seconds it may take."""

    name: str
    look: Callable[[], Iterable[Finding]]
    seconds: float = 10.0


def examine(checks: Sequence[Check], ended: Callable[[str], None] = lambda name: None) -> list[Finding]:
    """Return what all *checks* found, in their order; *ended* hears of each as it comes to its end.

    A check that hangs is left behind in its thread: nobody waits for it.
    """
    done: queue.SimpleQueue[tuple[int, list[Finding]]] = queue.SimpleQueue()
    begun = time.monotonic()
    for place, check in enumerate(checks):
        threading.Thread(target=_look, args=(place, check, done), daemon=True).start()
    found: dict[int, list[Finding]] = {}
    waiting = set(range(len(checks)))
    while waiting:
        left = min(checks[place].seconds for place in waiting) - (time.monotonic() - begun)
        try:
            place, told = done.get(timeout=max(0.0, left))
            late = {place} & waiting
            found |= {at: told for at in late}
        except queue.Empty:
            past = time.monotonic() - begun
            late = {place for place in waiting if checks[place].seconds <= past}
            found |= {place: [_late(checks[place])] for place in late}
        waiting -= late
        for place in late:
            ended(checks[place].name)
    return [finding for place in sorted(found) for finding in found[place]]


def _look(place: int, check: Check, done: queue.SimpleQueue[tuple[int, list[Finding]]]) -> None:
    try:
        told = list(check.look())
    except MiniLLMError as error:
        told = [Finding.of(check.name, error)]
    except Exception as error:  # a check that fails is a finding, not the end of the others
        what = f"the check itself failed: {type(error).__name__}: {error}"
        told = [Finding(check.name, "problem", what, "")]
    done.put((place, told))


def _late(check: Check) -> Finding:
    return Finding(check.name, "problem", f"no answer within {check.seconds:g} s", "")
