"""The ledger's words: one attempt, sums over many, and what a database must offer. Frozen, and without logic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from mini_llm.errors import LedgerError
from mini_llm.memory import Memo
from mini_llm.types import Usage

Status = Literal["ok", "failed", "partial", "cancelled", "unknown"]
Payer = Literal["own", "wallet", "local"]
Period = Literal["daily", "weekly", "monthly", "total"]
Grouping = Literal[
    "day", "week", "month", "provider", "model", "tool", "key", "member", "credential", "route", "payer", "status"
]


class Entry(NamedTuple):
    """One attempt. `time` is Unix seconds; `first_content` and `seconds` are seconds since it was sent.

    `caller` is the id of the member or key that asked, `credential` a label of the key that was used (never a secret),
    `reservation` the id of the money taken from budgets before it was sent, "" if none was. `saved_nanos` is what the
    wallet's discount took off before `cost_nanos` was left.
    """

    time: float
    request_id: str
    attempt: int
    route: str
    provider: str
    model: str
    status: Status
    error: str = ""
    tool: str = ""
    usage: Usage | None = None
    price_snapshot: str = ""
    cost_nanos: int | None = None
    paid_by: Payer = "own"
    first_content: float | None = None
    seconds: float = 0.0
    caller: str = ""
    credential: str = ""
    upstream_request_id: str = ""
    reservation: str = ""
    saved_nanos: int = 0


class Totals(NamedTuple):
    """Sums over rows. `unpriced` counts those whose cost is not known; `cost_nanos` does not contain them."""

    requests: int = 0
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nanos: int = 0
    unpriced: int = 0


class UsageRow(NamedTuple):
    """What one day, model, tool … used. A request counts where its first attempt went, an attempt where it went."""

    name: str
    requests: int = 0
    attempts: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nanos: int = 0
    unpriced: int = 0
    estimated: int = 0
    saved_nanos: int = 0


class Limit(NamedTuple):
    """The most a scope may spend in a period: "all", "tool:NAME" or "key:ID". Not `hard`: passing it only warns."""

    scope: str
    period: Period
    nanos: int
    hard: bool = True


class Window(NamedTuple):
    """One day, week or month. `id` only ever grows; `starts` and `ends` are Unix seconds."""

    id: int
    starts: float
    ends: float


class Standing(NamedTuple):
    """How a limit stands: spent for good, held for requests under way, and when it starts anew (None: never)."""

    limit: Limit
    spent: int
    held: int
    resets_at: float | None


class Hold(NamedTuple):
    """A wish to set money aside for the attempt `entry`: `nanos`, or what is left if that is at least `least`.

    `entry` is the row that is written if nobody ever tells how the attempt ended.
    """

    entry: Entry
    nanos: int
    least: int
    limits: tuple[tuple[Limit, Window], ...]


class Held(NamedTuple):
    """Money set aside. `warnings` are the limits that only warn and are passed now."""

    id: str
    nanos: int
    warnings: tuple[Standing, ...] = ()


class Refused(NamedTuple):
    """No money was set aside: `standing` is the limit that stood against it."""

    standing: Standing


class Batch(NamedTuple):
    """What is written in one transaction. `void` and `expire` are ids of reservations."""

    entries: Sequence[Entry] = ()
    holds: Sequence[Hold] = ()
    void: Sequence[str] = ()
    expire: Sequence[str] = ()
    memos: Sequence[Memo] = ()


class Unsettled(NamedTuple):
    """An attempt of which nobody told how it ended. `open`: its money is still set aside."""

    request_id: str
    attempt: int
    time: float
    provider: str
    model: str
    nanos: int | None
    open: bool


class Difference(NamedTuple):
    """A row whose cost is not what its tokens and its price come to."""

    request_id: str
    attempt: int
    written: int | None
    computed: int | None


class Findings(NamedTuple):
    """What `verify` found: `rows` looked at, `recomputed` of them; `problems` are sums that do not agree."""

    rows: int
    recomputed: int
    differences: tuple[Difference, ...]
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Tell whether every figure agrees."""
        return not self.differences and not self.problems


CostOf = Callable[[str, str, str, Usage], int | None]
"""(provider, model, price snapshot, usage) → cost; raises LookupError where that snapshot is not at hand."""


class Claim(Protocol):
    """The sign that a process lives; it falls with the process, however that ends."""

    token: str

    def release(self) -> None: ...
    def drop(self) -> None: ...


class Book(Protocol):
    """What a database offers the ledger. What `write` returns from is durable against a crash of the process."""

    def claim(self) -> Claim: ...
    def write(self, batch: Batch, owner: str = "") -> Sequence[Held | Refused | LedgerError]: ...
    def tidy(self) -> None: ...
    def examine(self) -> None: ...
    def recover(self, owner: str = "") -> int: ...
    def recall(self, keys: Sequence[bytes], now: float) -> Mapping[bytes, bytes]: ...
    def totals(self, since: float, until: float = ...) -> Totals: ...
    def usage(
        self, by: Grouping, since: float, until: float, only: Mapping[str, str], day_of: Callable[[float], int]
    ) -> Sequence[UsageRow]: ...
    def standings(self, limits: Sequence[tuple[Limit, Window]]) -> Sequence[Standing]: ...
    def unsettled(self) -> Sequence[Unsettled]: ...
    def verify(self, cost_of: CostOf) -> Findings: ...
    def close(self) -> None: ...
