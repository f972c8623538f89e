"""The header fields an answer carries beside what its framing needs."""

from __future__ import annotations

from mini_llm import pricing
from mini_llm.gateway.calls import Exchange
from mini_llm.transport import Headers

JSON = ("content-type", "application/json")
EVENTS = (
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-store, no-transform"),
    ("x-accel-buffering", "no"),
)
# What a provider says of its limits, for callers that speak its dialect.
_LIMITS = ("x-ratelimit-", "anthropic-ratelimit-")


def answered(
    exchange: Exchange, dropped: tuple[str, ...] = (), most: int | None = None, warnings: tuple[str, ...] = ()
) -> list[tuple[str, str]]:
    """Return who answered, and how it was found.

    *most* is how many tokens a budget allowed for the answer, *warnings* what those say that only warn.
    """
    fields = [
        *named(exchange),
        ("x-mini-llm-provider", exchange.provider),
        ("x-mini-llm-model", exchange.target),
        ("x-mini-llm-attempts", str(exchange.attempts)),
        ("x-mini-llm-route", exchange.route),
    ]
    if exchange.cost_nanos is not None:
        fields.append(("x-mini-llm-cost", pricing.dollars(exchange.cost_nanos)))
    if exchange.patron is not None:
        fields += exchange.patron.fields(exchange)
    if dropped:
        fields.append(("x-mini-llm-dropped", ", ".join(dropped)))
    if most is not None:
        fields.append(("x-mini-llm-max-tokens", str(most)))
    if warnings:
        told = "; ".join(warnings).encode("ascii", "backslashreplace").decode()
        fields.append(("x-mini-llm-budget-warning", "".join(filter(str.isprintable, told))))
    return fields


def named(exchange: Exchange) -> list[tuple[str, str]]:
    """Return the names of a request: the caller's own if it has one, those that its SDK looks for, and ours."""
    theirs = exchange.client_id or exchange.id
    return [("x-request-id", theirs), ("request-id", exchange.id), ("x-mini-llm-request-id", exchange.id)]


def limits(headers: Headers) -> list[tuple[str, str]]:
    """Return what an upstream's answer says of its limits."""
    return [(name, value) for name, value in headers.items() if name.startswith(_LIMITS)]
