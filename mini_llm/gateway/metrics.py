"""Count what the gateway does, at next to no cost a request; the sums are made when somebody asks for them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import NamedTuple

from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.exposition import Family, Sample, histogram, labelled

MOST_MODELS = 200  # model names may come from callers: what comes after so many is counted as one
MOST_ROWS = 5_000
OTHER = "other"
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 600.0)
OVERHEADS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
KINDS = ("input", "output", "cache_read", "cache_write", "reasoning")


class _Key(NamedTuple):
    """What is told apart."""

    dialect: str
    provider: str
    model: str
    status: str
    outcome: str


class _Row:
    """What was counted of one kind of request. `first` and `whole` have one place more than there are bounds."""

    __slots__ = (
        "attempts", "cost_nanos", "first", "first_sum", "requests", "tokens", "unpriced", "whole", "whole_sum",
    )  # fmt: skip

    def __init__(self) -> None:
        self.requests = self.attempts = self.cost_nanos = self.unpriced = 0
        self.tokens = [0] * len(KINDS)
        self.first = [0] * (len(BOUNDS) + 1)
        self.whole = [0] * (len(BOUNDS) + 1)
        self.first_sum = self.whole_sum = 0.0

    def add(self, other: _Row) -> None:
        """Add what *other* counted."""
        self.requests += other.requests
        self.attempts += other.attempts
        self.cost_nanos += other.cost_nanos
        self.unpriced += other.unpriced
        self.first_sum += other.first_sum
        self.whole_sum += other.whole_sum
        for mine, theirs in ((self.tokens, other.tokens), (self.first, other.first), (self.whole, other.whole)):
            mine[:] = [a + b for a, b in zip(mine, theirs, strict=True)]


class Metrics:
    """An observer of exchanges. `constant` are labels that every sample carries, such as the worker's number."""

    def __init__(self) -> None:
        self.constant = ""
        self._rows: dict[tuple[str, str, str, int, str], _Row] = {}
        self._models: set[tuple[str, str]] = set()
        self._labels: dict[tuple[str, str, str, int, str], _Key] = {}
        self._overhead = [0] * (len(OVERHEADS) + 1)
        self._overhead_sum = 0.0

    def __call__(self, exchange: Exchange) -> None:
        """Count an exchange that has ended."""
        provider = exchange.provider
        status = exchange.status // 100
        key = (exchange.dialect, provider, exchange.target, status, exchange.outcome)
        row = self._rows.get(key)
        if row is None:
            row = self._row(exchange)
        row.requests += 1
        if not provider:
            return
        row.attempts += exchange.attempts
        seconds = exchange.seconds
        row.whole[bisect_left(BOUNDS, seconds)] += 1
        row.whole_sum += seconds
        first = exchange.first_content
        if first is not None:
            row.first[bisect_left(BOUNDS, first)] += 1
            row.first_sum += first
        overhead = exchange.overhead
        if overhead is not None:
            self._overhead[bisect_left(OVERHEADS, overhead)] += 1
            self._overhead_sum += overhead
        usage = exchange.usage
        if usage is not None:
            tokens = row.tokens
            tokens[0] += usage.input_tokens
            tokens[1] += usage.output_tokens
            tokens[2] += usage.cache_read_tokens
            tokens[3] += usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
            tokens[4] += usage.reasoning_tokens
        if exchange.cost_nanos is None:
            row.unpriced += 1
        else:
            row.cost_nanos += exchange.cost_nanos

    def families(self, redact: Callable[[str], str]) -> list[Family]:
        """Return all that was counted. Names go through *redact*: callers choose those of models."""
        rows = [(self._told(key, redact), row) for key, row in list(self._rows.items())]
        requests = [Sample("_total", labelled(**told._asdict()), row.requests) for told, row in rows]
        return [
            Family("mini_llm_requests", "counter", "Requests that ended, by how they ended.", requests),
            Family(
                "mini_llm_overhead_seconds",
                "histogram",
                "Seconds before an attempt that answered at once was begun: what the gateway itself takes.",
                list(histogram(OVERHEADS, self._overhead, self._overhead_sum)),
            ),
            *_by_target(rows),
        ]

    def _row(self, exchange: Exchange) -> _Row:
        """Return the row for a kind of request that was not seen before; what is one too many is "other"."""
        dialect, provider, model, outcome = exchange.dialect, exchange.provider, exchange.target, exchange.outcome
        if (provider, model) not in self._models:
            if len(self._models) < MOST_MODELS:
                self._models.add((provider, model))
            else:
                model = OTHER
        if len(self._rows) >= MOST_ROWS:
            dialect, provider, model, outcome = OTHER, OTHER, OTHER, OTHER
        return self._rows.setdefault((dialect, provider, model, exchange.status // 100, outcome), _Row())

    def _told(self, key: tuple[str, str, str, int, str], redact: Callable[[str], str]) -> _Key:
        """Return *key* as its labels say it; that is worked out once."""
        told = self._labels.get(key)
        if told is None:
            dialect, provider, model, status, outcome = key
            status_class = f"{status}xx" if status else "none"
            told = _Key(dialect, redact(provider), redact(model), status_class, outcome)
            self._labels[key] = told
        return told


def _by_target(rows: list[tuple[_Key, _Row]]) -> Iterable[Family]:
    """Return what is known of each target that answered."""
    sums: dict[tuple[str, str], _Row] = {}
    for key, row in rows:
        if key.provider:
            sums.setdefault((key.provider, key.model), _Row()).add(row)
    targets = [(labelled(provider=provider, model=model), row) for (provider, model), row in sums.items()]

    def counted(name: str, about: str, values: Iterable[tuple[str, float]]) -> Family:
        return Family(name, "counter", about, [Sample("_total", labels, value) for labels, value in values])

    yield counted(
        "mini_llm_attempts",
        "Attempts made for requests that were answered, by who answered.",
        [(labels, row.attempts) for labels, row in targets],
    )
    yield counted(
        "mini_llm_tokens",
        "Tokens by kind: input contains cache_read and cache_write, output contains reasoning.",
        [(f'{labels},kind="{kind}"', row.tokens[at]) for labels, row in targets for at, kind in enumerate(KINDS)],
    )
    yield counted(
        "mini_llm_cost_dollars",
        "What answers cost in US dollars, as far as their price is known.",
        [(labels, row.cost_nanos / 1e9) for labels, row in targets],
    )
    yield counted(
        "mini_llm_unpriced_requests",
        "Answers whose cost is not known.",
        [(labels, row.unpriced) for labels, row in targets],
    )
    yield Family(
        "mini_llm_first_content_seconds",
        "histogram",
        "Seconds to the first content.",
        [sample for labels, row in targets for sample in histogram(BOUNDS, row.first, row.first_sum, labels)],
    )
    yield Family(
        "mini_llm_request_seconds",
        "histogram",
        "Seconds to the end of the answer.",
        [sample for labels, row in targets for sample in histogram(BOUNDS, row.whole, row.whole_sum, labels)],
    )
