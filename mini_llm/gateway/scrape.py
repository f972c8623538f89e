"""The room that Prometheus asks: what was counted, and how things stand at this moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

from mini_llm._version import __version__
from mini_llm.gateway import vitals
from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.exposition import CONTENT_TYPE, Family, Sample, gauge, labelled, written
from mini_llm.gateway.metrics import MOST_MODELS
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder
from mini_llm.gateway.siblings import merged
from mini_llm.gateway.state import Gateway

STATES = ("closed", "half-open", "open")


async def metrics(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
    """Tell the metrics of this gateway, of all its workers, in Prometheus' text format."""
    told = await asyncio.to_thread(own, gateway)
    if gateway.siblings is not None:
        told = merged([told, *(sibling["metrics"] for sibling in gateway.siblings.told())])
    responder.send(
        200, [("content-type", CONTENT_TYPE), ("cache-control", "no-store")], told.encode("utf-8", "replace")
    )


def own(gateway: Gateway) -> str:
    """Return the metrics of this process. With very many models that takes tens of milliseconds: do it in a thread."""
    redact = gateway.runtime.credentials.redact
    families = [*gateway.metrics.families(redact), *_now(gateway, redact), *vitals.process()]
    return written(families, gateway.metrics.constant)


def _now(gateway: Gateway, redact: Callable[[str], str]) -> Iterator[Family]:
    """Yield what is read at this moment."""
    yield gauge("mini_llm_info", "The version that runs.", 1, version=__version__)
    yield gauge("mini_llm_live_requests", "Requests under way.", len(gateway.calls.live))
    yield gauge("mini_llm_draining", "1 while no new work is taken.", gateway.draining)
    yield gauge("mini_llm_config_stale", "1 while the config file is not the one in use.", bool(gateway.stale))
    yield gauge("mini_llm_ledger_trouble", "1 while rows can't be written.", bool(gateway.runtime.ledger.trouble))
    yield gauge("mini_llm_loop_lag_seconds", "Lateness of the event loop's last beat.", gateway.heartbeat.lag)
    yield gauge("mini_llm_loop_lag_worst_seconds", "Its greatest lateness of late.", gateway.heartbeat.worst)
    yield from _targets(gateway, redact)


def _targets(gateway: Gateway, redact: Callable[[str], str]) -> Iterator[Family]:
    """Yield how the targets fare; of very many, those that are known longest."""
    health, now = gateway.runtime.health, time.monotonic()
    keys = [(key, labelled(target=redact(key))) for key in health.keys()[:MOST_MODELS]]
    yield Family(
        "mini_llm_breaker_state",
        "gauge",
        "1 for the state that a target's breaker is in.",
        [
            Sample("", f'{labels},state="{state}"', health.state(key, now) == state)
            for key, labels in keys
            for state in STATES
        ],
    )
    yield Family(
        "mini_llm_target_cooling",
        "gauge",
        "1 while a target is not asked.",
        [Sample("", labels, bool(health.trouble(key, now))) for key, labels in keys],
    )
    yield Family(
        "mini_llm_target_latency_seconds",
        "gauge",
        "Moving average of seconds to first content.",
        [Sample("", labels, known) for key, labels in keys if (known := health.latency(key)) is not None],
    )
