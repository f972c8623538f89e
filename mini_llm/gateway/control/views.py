"""What the control API shows. No provider is asked for it, and nothing that reads a file stays on the event loop."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from mini_llm._version import __version__
from mini_llm.errors import LedgerError, MiniLLMError, UnknownModelError
from mini_llm.gateway import described, process
from mini_llm.gateway.calls import MOST_RECENT, Exchange
from mini_llm.gateway.control.problems import problem
from mini_llm.gateway.request import Request
from mini_llm.gateway.state import Gateway
from mini_llm.ledger import Ledger
from mini_llm.ledger.windows import window_at
from mini_llm.routing import Target
from mini_llm.runtime import Runtime

Json = dict[str, Any]

HOUR = 3600.0


async def status(gateway: Gateway, request: Request, name: str) -> Json:
    """Return how the gateway itself stands."""
    runtime = gateway.runtime
    record = await asyncio.to_thread(process.find, runtime.loaded.paths.home)
    now = gateway.calls.clock()
    return {
        "version": __version__,
        "pid": record.pid if record else os.getpid(),
        "since": record.started if record else None,
        "address": record.url if record else f"{'https' if request.tls else 'http'}://{request.headers['host']}",
        "workers": record.options.workers if record else 1,
        "pids": list((record and record.workers) or [os.getpid()]),
        "draining": gateway.draining,
        "config": {
            "path": str(runtime.loaded.paths.config),
            "stale": bool(gateway.stale),
            "problems": [problem(one) for one in gateway.stale],
        },
        "requests": {
            "live": len((await requests(gateway, request, name))["live"]),
            "last_hour": (await _sums(runtime.ledger, now - HOUR)).get("requests"),
        },
        "today": await _sums(runtime.ledger, window_at("daily", now).starts),
        "ledger": {"trouble": runtime.ledger.trouble},
        "log": {"trouble": gateway.log.trouble if gateway.log else ""},
        "history": {
            "on": runtime.history is not None,
            "trouble": runtime.history.trouble if runtime.history is not None else "",
        },
        "loop_lag": round(gateway.heartbeat.lag, 6),
    }


async def targets(gateway: Gateway, request: Request, name: str) -> Json:
    """Return how each target fares, and which keys rest."""
    runtime, now = gateway.runtime, time.monotonic()
    return {"targets": _targets(runtime, now), "resting": _resting(runtime, now)}


async def routes(gateway: Gateway, request: Request, name: str) -> Json:
    """Return where the default and each alias would go now."""
    names = ["", *gateway.runtime.loaded.config.aliases]
    return {"routes": [_decided(gateway.runtime, one) for one in names]}


async def route(gateway: Gateway, request: Request, name: str) -> Json:
    """Return where a request for one name would go now."""
    return described.decision(gateway.runtime.decide(name))


async def requests(gateway: Gateway, request: Request, name: str) -> Json:
    """Return the requests that run, and the last that ended, newest first: metadata alone."""
    told = own_requests(gateway)
    for sibling in gateway.siblings.told() if gateway.siblings else ():
        told = {kind: [*rows, *sibling["requests"][kind]] for kind, rows in told.items()}
    live = [one for one in told["live"] if one["id"] != request.id]
    return {"live": live, "recent": sorted(told["recent"], key=_ended, reverse=True)[:MOST_RECENT]}


def own_requests(gateway: Gateway) -> Json:
    """Return the requests of this process."""
    calls = gateway.calls
    return {"live": list(map(_exchange, calls.live.values())), "recent": list(map(_exchange, reversed(calls.recent)))}


async def usage(gateway: Gateway, request: Request, name: str) -> Json:
    """Return what was used today, this week and this month."""
    now = gateway.calls.clock()
    ledger = gateway.runtime.ledger
    return {
        "today": await _sums(ledger, window_at("daily", now).starts),
        "week": await _sums(ledger, window_at("weekly", now).starts),
        "month": await _sums(ledger, window_at("monthly", now).starts),
        "budgets": dict(gateway.runtime.loaded.config.budgets),
        "trouble": ledger.trouble,
    }


async def providers(gateway: Gateway, request: Request, name: str) -> Json:
    """Return the providers that are set up, or can be used without."""
    runtime = gateway.runtime
    names = await asyncio.to_thread(described.names, runtime)
    return {"providers": [await asyncio.to_thread(provider_row, runtime, one) for one in names]}


async def provider(gateway: Gateway, request: Request, name: str) -> Json:
    """Return one provider."""
    gateway.runtime.registry.get(name)  # UnknownModelError with the nearest names
    return await asyncio.to_thread(provider_row, gateway.runtime, name)


async def aliases(gateway: Gateway, request: Request, name: str) -> Json:
    """Return the aliases."""
    return {"aliases": [alias_row(gateway.runtime, one) for one in gateway.runtime.loaded.config.aliases]}


def provider_row(runtime: Runtime, name: str) -> Json:
    """Return what is known of a provider; where its key is, never the key. Header values are not told."""
    settings = runtime.loaded.config.providers.get(name)
    return {
        **described.provider(runtime, name),
        "enabled": settings.enabled if settings else True,
        "models": list(settings.models) if settings else [],
        "headers": sorted(settings.headers) if settings else [],
        "source": runtime.loaded.source(("providers", name)) if settings else "built-in",
    }


def alias_row(runtime: Runtime, name: str) -> Json:
    """Return what an alias means. Raises UnknownModelError."""
    found = runtime.loaded.config.aliases.get(name)
    if found is None:
        raise UnknownModelError(f"there is no alias {name}")
    return {
        "name": name,
        "targets": list(found.targets),
        "strategy": found.strategy or runtime.loaded.config.routing.strategy,
        "source": runtime.loaded.source(("aliases", name)),
    }


def _targets(runtime: Runtime, now: float) -> list[Json]:
    """Return what health knows, and the targets of the routes that were not asked yet."""
    keys = dict.fromkeys(runtime.health.keys())
    for name in ("", *runtime.loaded.config.aliases):
        try:
            choices = runtime.decide(name).choices
        except MiniLLMError:
            continue
        keys |= dict.fromkeys(one.key for choice in choices for one in choice.credentials)
    return [_target(runtime, key, now) for key in keys]


def _target(runtime: Runtime, key: str, now: float) -> Json:
    target, _, credential = key.partition(" ")
    provider, _, model = target.partition("/")
    return {
        "target": target,
        "provider": provider,
        "model": model,
        "credential": credential,
        "state": runtime.health.state(key, now),
        "trouble": runtime.health.trouble(key, now),
        "latency": runtime.health.latency(key),
    }


def _resting(runtime: Runtime, now: float) -> list[Json]:
    found = []
    for one in runtime.registry.configured():
        try:
            credentials = runtime.router.credentials(Target(one.name, ""))
        except MiniLLMError:  # it has no key: nothing rests
            continue
        for credential in credentials:
            if why := runtime.health.resting(credential.name, now):
                found.append({"provider": one.name, "credential": credential.label, "why": why})
    return found


def _decided(runtime: Runtime, name: str) -> Json:
    try:
        return described.decision(runtime.decide(name))
    except MiniLLMError as error:
        return {"asked": name, "error": {"code": error.code, "message": error.message}}


def _ended(row: Json) -> float:
    moment: float = row["started"] + row["seconds"]
    return moment


def _exchange(exchange: Exchange) -> Json:
    used = exchange.usage
    return {
        "id": exchange.id,
        "client_id": exchange.client_id,
        "started": exchange.started,
        "seconds": exchange.seconds if exchange.outcome else None,
        "first_content": exchange.first_content,
        "overhead": exchange.overhead,
        "caller": exchange.caller,
        "tool": exchange.tool,
        "peer": exchange.peer,
        "method": exchange.method,
        "path": exchange.path,
        "dialect": exchange.dialect,
        "model": exchange.model,
        "stream": exchange.stream,
        "route": exchange.route,
        "provider": exchange.provider,
        "target": exchange.target,
        "attempts": exchange.attempts,
        "status": exchange.status,
        "outcome": exchange.outcome,
        "input_tokens": used.input_tokens if used else None,
        "output_tokens": used.output_tokens if used else None,
        "cost_nanos": exchange.cost_nanos,
        "request_bytes": exchange.request_bytes,
        "sent_bytes": exchange.sent_bytes,
    }


async def _sums(ledger: Ledger, since: float) -> Json:
    """Return the sums since then, {} where the ledger can't be read."""
    try:
        return (await asyncio.to_thread(ledger.totals, since))._asdict()
    except LedgerError:
        return {}
