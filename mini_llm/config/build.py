"""Make a `Config` of merged, checked values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mini_llm.config.checks import targets_of
from mini_llm.config.fields import PERIODS
from mini_llm.config.settings import Budget, Config, Gateway, ProviderSettings, Route, Routing, Timeouts, Wallet

PASSY = "https://api.passy.ai/v1"

_PRICE_NAMES = {
    "cacheRead": "cache_read",
    "cacheWrite5m": "cache_write_5m",
    "cacheWrite1h": "cache_write_1h",
    "inputAudio": "input_audio",
    "outputAudio": "output_audio",
    "cacheReadAudio": "cache_read_audio",
    "webSearch": "web_search",
}


def config(values: Mapping[str, Any]) -> Config:
    """Build it. Unknown keys are left out."""
    listed = values.get("wallet", {}).get("providers", ())
    providers = {item["id"]: item for item in listed}
    for name, told in values.get("providers", {}).items():
        providers[name] = {**providers.get(name, {}), **told}
    routing = _routing(values.get("routing", {}))
    return Config(
        wallet=_wallet(values["wallet"]) if "wallet" in values else None,
        providers={name: _provider(told) for name, told in providers.items()},
        aliases={name: _route(told, routing.timeouts) for name, told in values.get("aliases", {}).items()},
        default=values.get("default", ""),
        routing=routing,
        budgets={name: dollars(told) for name, told in values.get("budgets", {}).items() if name in PERIODS},
        limits=tuple(_limits(values.get("budgets", {}))),
        budget_zone=values.get("budgets", {}).get("zone", ""),
        budget_low=values.get("budgets", {}).get("low", 20),
        durability=values.get("ledger", {}).get("durability", "process"),
        gateway=_gateway(values.get("gateway", {})),
        **_history(values.get("history", False)),
        prices={name: _price(told) for name, told in values.get("prices", {}).items()},
        plugins=tuple(dict.fromkeys(values.get("plugins", ()))),
    )


def dollars(told: str | float) -> str:
    """Write money as a decimal string, never with an exponent."""
    if isinstance(told, str):
        return told
    if isinstance(told, int):
        return str(told)
    return f"{told:.9f}".rstrip("0").rstrip(".")


def _history(told: bool | Mapping[str, Any]) -> dict[str, Any]:
    """Return what the switch `history` says, in either of its forms."""
    if not isinstance(told, Mapping):
        return {"history": told}
    names = {"enabled": "history", "days": "history_days", "megabytes": "history_megabytes"}
    return {names[name]: value for name, value in told.items() if name in names}


def _limits(told: Mapping[str, Any]) -> Iterator[Budget]:
    usual = told.get("enforce", "hard")
    scopes = [("all", told)]
    scopes += [(f"tool:{name}", below) for name, below in told.get("tools", {}).items()]
    scopes += [(f"key:{name}", below) for name, below in told.get("keys", {}).items()]
    for scope, below in scopes:
        hard = below.get("enforce", usual) == "hard"
        yield from (Budget(scope, period, dollars(below[period]), hard) for period in PERIODS if period in below)


def nanos(told: str | float) -> int:
    """Return money in billionths of a US dollar."""
    whole, _, rest = dollars(told).partition(".")
    return int(whole) * 10**9 + int(rest.ljust(9, "0"))


def _wallet(told: Mapping[str, Any]) -> Wallet:
    features = told.get("features", {})
    kind = told.get("type", "passy")
    return Wallet(
        type=kind,
        api_key=told.get("apiKey", ""),
        endpoint=told.get("endpoint", PASSY if kind == "passy" else ""),
        **_only(features, fallback="fallback", costOptimization="cost_optimization", discounts="discounts"),
    )


def _gateway(told: Mapping[str, Any]) -> Gateway:
    return Gateway(
        hosts=tuple(told.get("hosts", ())),
        origins=tuple(told.get("origins", ())),
        **_only(told, host="host", port="port", apiKey="api_key", otel="otel", memoryLimit="memory_limit"),
    )


def _provider(told: Mapping[str, Any]) -> ProviderSettings:
    names = {"apiKey": "api_key", "baseUrl": "base_url", "keyEnv": "key_env"}
    names |= {name: name for name in ("dialect", "auth", "enabled", "headers")}
    return ProviderSettings(
        api_keys=tuple(told.get("apiKeys", ())), models=tuple(told.get("models", ())), **_only(told, **names)
    )


def _route(told: object, usual: Timeouts) -> Route:
    if not isinstance(told, Mapping):
        return Route(targets_of(told))
    return Route(
        targets_of(told),
        timeouts=_timeouts(told["timeouts"], usual) if "timeouts" in told else None,
        **_only(told, strategy="strategy", recovery="recovery", wallet="wallet", maxAttempts="max_attempts"),
        **_only(told, afterRefusal="after_refusal", whenLow="when_low"),
        wallet_limit=nanos(told["walletLimit"]) if "walletLimit" in told else None,
    )


def _routing(told: Mapping[str, Any]) -> Routing:
    return Routing(
        timeouts=_timeouts(told.get("timeouts", {}), Timeouts()),
        **_only(told, strategy="strategy", recovery="recovery", maxAttempts="max_attempts"),
    )


def _timeouts(told: Mapping[str, Any], usual: Timeouts) -> Timeouts:
    names = {"firstContent": "first_content"} | {name: name for name in ("connect", "silence", "total", "stream")}
    return usual._replace(**_only(told, **names))


def _price(told: Mapping[str, Any]) -> dict[str, str]:
    known = ("input", "output", "request", *_PRICE_NAMES)
    return {_PRICE_NAMES.get(name, name): dollars(price) for name, price in told.items() if name in known}


def _only(told: Mapping[str, Any], **names: str) -> dict[str, Any]:
    return {ours: told[theirs] for theirs, ours in names.items() if theirs in told}
