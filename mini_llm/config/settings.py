"""What the user can set, as frozen words. Secrets in them are references or plain keys, so `repr` hides them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

# Tuples, not dataclasses, where nothing has to be hidden: a dataclass costs 0.6 ms at import, a tuple 0.07.


class Timeouts(NamedTuple):
    """Deadlines in seconds. None means: decided for each attempt (design §5)."""

    connect: float = 5.0
    first_content: float | None = None
    silence: float | None = None
    total: float = 600.0
    stream: float = 1800.0


class Route(NamedTuple):
    """First choice, then fallbacks. "" and None mean: as `Routing` says.

    `wallet_limit`: the most, in nano-dollars, that one request may be expected to cost for the wallet to be asked.
    `when_low`: the name that is asked in its place while a budget is low.
    """

    targets: tuple[str, ...]
    strategy: str = ""
    recovery: str = ""
    wallet: Literal["last", "never"] = "last"
    wallet_limit: int | None = None
    after_refusal: Literal["stop", "next"] = "stop"
    max_attempts: int | None = None
    timeouts: Timeouts | None = None
    when_low: str = ""


class Routing(NamedTuple):
    """How targets are ordered and tried, unless a route says otherwise."""

    strategy: str = "priority"
    recovery: str = "continue"
    timeouts: Timeouts = Timeouts()
    max_attempts: int = 4


class Gateway(NamedTuple):
    """Where the gateway listens, and whom it lets in."""

    host: str = "127.0.0.1"
    port: int = 6464
    api_key: str = ""
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    otel: str = ""
    memory_limit: int = 0

    def __repr__(self) -> str:
        return f"Gateway(host={self.host!r}, port={self.port}, hosts={self.hosts}, origins={self.origins})"


class Budget(NamedTuple):
    """The most that `scope` ("all", "tool:NAME", "key:ID") may spend in a period; only told, where it is not hard."""

    scope: str
    period: Literal["daily", "weekly", "monthly", "total"]
    dollars: str
    hard: bool = True


_ROUTING = Routing()
_GATEWAY = Gateway()


@dataclass(frozen=True, slots=True, eq=False)
class Wallet:
    """The wallet: "passy", "custom" (the user's own providers, nothing else) or "none".

    `fallback`: whether it may pay for what the user's own keys were to serve; None until the user has said so.
    """

    type: Literal["passy", "custom", "none"] = "passy"
    api_key: str = field(default="", repr=False)
    endpoint: str = ""
    fallback: bool | None = None
    cost_optimization: bool = True
    discounts: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class ProviderSettings:
    """What the user says of one provider; all of it optional."""

    api_key: str = field(default="", repr=False)
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    base_url: str = ""
    dialect: str = ""
    models: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: str = ""
    key_env: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Config:
    """Everything that is set, after all layers. `prices` are US dollars a million tokens, by "provider/model".

    `budgets` are those for everything, by period; `limits` are all of them.
    """

    wallet: Wallet | None = None
    providers: Mapping[str, ProviderSettings] = field(default_factory=dict)
    aliases: Mapping[str, Route] = field(default_factory=dict)
    default: str = ""
    routing: Routing = _ROUTING
    budgets: Mapping[str, str] = field(default_factory=dict)
    limits: tuple[Budget, ...] = ()
    budget_zone: str = ""
    budget_low: int = 20
    durability: Literal["process", "power"] = "process"
    gateway: Gateway = _GATEWAY
    history: bool = False
    history_days: int = 90
    history_megabytes: int = 500
    prices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    plugins: tuple[str, ...] = ()
