"""What an entrance wants, and what it gets."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar

from mini_llm.dispatch.spending import Allowance
from mini_llm.meter import Meter
from mini_llm.providers import Provider
from mini_llm.routing import Decision, Needed, Needs, Target
from mini_llm.translation import Body
from mini_llm.types import ChatRequest, ChatResponse, Delta
from mini_llm.upstream import Reply

if TYPE_CHECKING:
    from mini_llm.history import Heard

Content = TypeVar("Content")
Deltas: TypeAlias = AsyncGenerator[Delta, None]


class Recovery(NamedTuple):
    """How a streamed answer can go on elsewhere: the request in our words, and how a changed one is sent and received.

    `recovered` is called right before the first delta that comes from another target than the one that broke.
    """

    request: Callable[[], ChatRequest]
    body_for: Callable[[ChatRequest, Provider, Target], Body | Awaitable[Body]]
    receive: Callable[[Reply, Body, Meter], Awaitable[Deltas]]
    recovered: Callable[[], None] | None = None


class Spoken(NamedTuple):
    """What the history is told of a call: what was asked and received, in our words; None where that is too much.

    `keep` takes it; `conversation` is the id it goes under, "" where what was said tells.
    """

    keep: Callable[[Heard], None]
    request: Callable[[], ChatRequest]
    response: Callable[[Any], ChatResponse | None]
    conversation: str = ""


class Call(NamedTuple, Generic[Content]):
    """What an entrance wants: `body_for` writes the request for one target, `receive` takes its reply.

    `receive` returns once the first content is there (a stream) or all of it (a whole answer). With `recovery`, what
    it returns is a stream of deltas. `timeout` bounds the whole call in seconds; `retried` tells that the caller
    itself is on a second try; `caller` is the id of who pays. `body_within` is `body_for` with at most so many tokens
    to answer, for callers with a budget. `spoken` is set where the call is to be kept in the history.
    `bounds` tells what may have to be paid for at most, where that is known for less work than `needs`.
    """

    model: str
    needs: Needed
    stream: bool
    body_for: Callable[[Provider, Target], Body | Awaitable[Body]]
    receive: Callable[[Reply, Body, Meter], Awaitable[Content]]
    request_id: str = ""
    tool: str = ""
    timeout: float | None = None
    retried: bool = False
    caller: str = ""
    recovery: Recovery | None = None
    body_within: Callable[[Provider, Target, int], Body | Awaitable[Body]] | None = None
    spoken: Spoken | None = None
    bounds: Callable[[], Needs] | None = None


class Answer(Generic[Content]):
    """The target that answers and what it gives. After a recovery all but `content` tells of the last attempt.

    `dropped` names what that target does not take, `allowance` is what budgets allow it. `recovered`: several targets
    had a part in the answer.
    """

    __slots__ = (
        "_cost", "allowance", "attempts", "content", "decision", "dropped", "meter", "recovered", "request_id",
        "spent_nanos", "target",
    )  # fmt: skip

    def __init__(self, decision: Decision, request_id: str, cost: Callable[[Target, Meter], int | None]) -> None:
        self.decision = decision
        self.request_id = request_id
        self.target: Target
        self.attempts = 0
        self.recovered = False
        self.content: Content
        self.meter: Meter
        self.dropped: tuple[str, ...] = ()
        self.allowance: Allowance | None = None
        self.spent_nanos: int | None = 0  # by attempts at this answer that broke
        self._cost = cost

    @property
    def warnings(self) -> tuple[str, ...]:
        """What budgets that only warn have to say."""
        return self.allowance.warnings if self.allowance else ()

    @property
    def cost_nanos(self) -> int | None:
        """What the answer costs by the usage seen so far, None if its price or usage is unknown."""
        last = self._cost(self.target, self.meter)
        return None if last is None or self.spent_nanos is None else last + self.spent_nanos
