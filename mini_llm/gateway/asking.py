"""What every room does that gets its answer from a provider: put the call together, and write down who answered."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from mini_llm.dispatch import Answer, Call, Recovery
from mini_llm.gateway import names
from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.request import Request
from mini_llm.meter import Meter
from mini_llm.providers import Provider
from mini_llm.routing import Needed, Needs, Target
from mini_llm.runtime import Runtime
from mini_llm.translation import Body
from mini_llm.upstream import Reply

Content = TypeVar("Content")
LONGEST_CALL = 86_400
NOTHING = Needs()


def call(
    runtime: Runtime,
    request: Request,
    exchange: Exchange,
    body_for: Callable[[Provider, Target], Body | Awaitable[Body]],
    receive: Callable[[Reply, Body, Meter], Awaitable[Content]],
    needs: Needed = NOTHING,
    recovery: Recovery | None = None,
    body_within: Callable[[Provider, Target, int], Body | Awaitable[Body]] | None = None,
    *,
    bounds: Callable[[], Needs] | None = None,
) -> Call[Content]:
    """Return the call for what *exchange* says is asked."""
    headers = request.headers
    timeout = seconds(headers.get("x-mini-llm-timeout", ""))
    retried = headers.get("x-stainless-retry-count", "0") != "0"
    return Call(
        model(runtime, exchange), needs, exchange.stream, body_for, receive,
        exchange.id, exchange.tool, timeout, retried, exchange.caller, recovery, body_within, None, bounds,
    )  # fmt: skip


def model(runtime: Runtime, exchange: Exchange) -> str:
    """Return the name to route by. Raises UnknownModelError, or what who pays has to say against it."""
    name = names.checked(exchange.model, runtime)
    if exchange.patron is not None:
        exchange.patron.check_model(name)
    return name


def note(exchange: Exchange, answer: Answer[Any]) -> None:
    """Write down who answers."""
    exchange.provider, exchange.target = answer.target
    exchange.attempts = answer.attempts
    exchange.route = answer.decision.line()
    first, before = answer.meter.first_content, max(0.0, time.time() - exchange.started - answer.meter.elapsed)
    exchange.first_content = None if first is None else before + first
    exchange.overhead = before if answer.attempts == 1 else None
    settle(exchange, answer)


def settle(exchange: Exchange, answer: Answer[Any]) -> None:
    """Write down what the answer used and cost, as far as that is known."""
    exchange.usage, exchange.cost_nanos = answer.meter.usage, answer.cost_nanos


def seconds(text: str) -> float | None:
    """Return what a caller allows for the whole call; None if it says nothing that makes sense."""
    if not text:
        return None
    try:
        told = float(text)
    except ValueError:
        return None
    return told if 0 < told <= LONGEST_CALL else None
