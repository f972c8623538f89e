"""What the gateway knows of each request, live and recent: metadata only, never a prompt, an answer or a key."""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from mini_llm.types import Usage

MOST_RECENT = 200


class Patron(Protocol):
    """Who pays for what is asked, where that is not the gateway's own user: a member of a team, say."""

    def check_model(self, name: str) -> None:
        """Raise MiniLLMError unless it may ask for what *name* routes to."""

    def cost(self, nanos: int | None) -> int | None:
        """Return what is asked of it for an answer that costs us *nanos*, None where that is not known."""

    def fields(self, exchange: Exchange) -> Sequence[tuple[str, str]]:
        """Return what the head of an answer says about the money."""


class Exchange:
    """One request to the gateway. `started` is Unix seconds; `first_content` and `seconds` count from there.

    `client_id` is the caller's own name for it, `traceparent` the trace it belongs to; both as sent, or "".
    `dialect` is the caller's, `model` what it asked for; `provider` and `target` who answered, as far as that is known.
    `overhead` is what we took before the one attempt that answered was begun, None where there were more.
    `patron` is who pays, None for the gateway's own user.
    `outcome` is "" while it runs, then "ok", "partial" (it broke after content), "cancelled" or an error's code.
    """

    __slots__ = (
        "attempts", "caller", "client_id", "cost_nanos", "dialect", "first_content", "id", "method", "model", "outcome",
        "overhead", "path", "patron", "peer", "provider", "request_bytes", "route", "seconds", "sent_bytes", "session",
        "started", "status", "stream", "target", "tool", "traceparent", "usage",
    )  # fmt: skip

    def __init__(self, request_id: str, method: str, path: str, *, started: float, peer: str = "") -> None:
        self.id = request_id
        self.method = method
        self.path = path
        self.started = started
        self.peer = peer
        self.client_id = ""
        self.traceparent = ""
        self.caller = ""
        self.tool = ""
        self.session = ""
        self.patron: Patron | None = None
        self.dialect = ""
        self.model = ""
        self.stream = False
        self.route = ""
        self.provider = ""
        self.target = ""
        self.attempts = 0
        self.status = 0
        self.outcome = ""
        self.usage: Usage | None = None
        self.cost_nanos: int | None = None
        self.first_content: float | None = None
        self.overhead: float | None = None
        self.seconds = 0.0
        self.request_bytes = 0
        self.sent_bytes = 0


class Calls:
    """The exchanges that run now, and the last that ended."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._process = os.urandom(8).hex()
        self._numbers = itertools.count(1)
        self.live: dict[str, Exchange] = {}
        self.recent: deque[Exchange] = deque(maxlen=MOST_RECENT)

    def new_id(self) -> str:
        """Return a name that no other request has, of this process or another."""
        return f"ml-{self._process}{next(self._numbers):08x}"

    def begin(self, exchange: Exchange) -> None:
        """Note that *exchange* runs."""
        self.live[exchange.id] = exchange

    def end(self, exchange: Exchange) -> None:
        """Note that *exchange* has ended."""
        self.live.pop(exchange.id, None)
        self.recent.append(exchange)
