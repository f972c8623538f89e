"""What the rooms of one gateway process share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, NamedTuple, Protocol

from mini_llm.errors import MiniLLMError
from mini_llm.gateway.access_log import AccessLog
from mini_llm.gateway.calls import Calls, Exchange
from mini_llm.gateway.guard import Guard
from mini_llm.gateway.metrics import Metrics
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Fields, Responder
from mini_llm.gateway.siblings import Siblings
from mini_llm.gateway.vitals import Heartbeat
from mini_llm.runtime import Runtime

Access = Literal["open", "session", "caller", "admin"]
BodyType = Literal["json", "json or files", "form"]
Tell = Callable[[MiniLLMError, Exchange], tuple[int, Fields, bytes]]


class Gateway:
    """The parts. `runtime` is swapped when the configuration changes, so a request reads it once and keeps it.

    Each of `observers` is called with every exchange that has ended: metrics, the access log, traces. `draining`: no
    new work is taken; `closing`: what still runs is being cut; `pressed`: memory is short. `stale` holds what is wrong
    with the configuration where the one in use is an older one, else nothing. `reload` has it read anew, if somebody
    watches it. `siblings` are the other workers, if there are any. `table` are the rooms, the gateway's own if None.
    """

    def __init__(self, runtime: Runtime, guard: Guard, calls: Calls) -> None:
        self.runtime = runtime
        self.guard = guard
        self.calls = calls
        self.metrics = Metrics()
        self.heartbeat = Heartbeat()
        self.log: AccessLog | None = None
        self.observers: list[Callable[[Exchange], None]] = [self.metrics]
        self.reload: Callable[[], None] | None = None
        self.siblings: Siblings | None = None
        self.table: Table | None = None
        self.draining = False
        self.closing = False
        self.pressed = False
        self.stale: tuple[str, ...] = ()


Handler = Callable[[Gateway, Request, Responder, Exchange], Awaitable[None]]


class Room(NamedTuple):
    """Who answers a path, and who may ask: anyone, who is signed in, a caller with a token, or the gateway's admin.

    Sessions are looked at by the room itself. `dialect` is the one in which errors are told there, unless `tell` has
    other words for them; `body` is what a request may bring.
    """

    handler: Handler
    access: Access
    dialect: str = "openai_chat"
    body: BodyType = "json"
    tell: Tell | None = None


class Table(Protocol):
    """The rooms there are."""

    def find(self, path: str) -> Mapping[str, Room] | None:
        """Return the rooms at *path* by method, None if there is nothing."""

    def nearest(self, path: str) -> str:
        """Return words that lead from a wrong *path* to the right one, "" if none is near."""
