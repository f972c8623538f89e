"""The one table of settings. Checking, the JSON Schema, masking and the documentation all read it."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal[
    "object",  # named things below it
    "switch",  # true or false, or an object that says more
    "list",  # objects, one after the other
    "route",  # a target, a list of targets, or an object
    "targets",
    "texts",
    "text",
    "choice",
    "boolean",
    "integer",
    "seconds",
    "money",
    "zone",
    "address",
    "secret",  # a reference, or a plain key
    "secrets",
    "header",  # may hold a secret
]

PERIODS: tuple[Literal["daily", "weekly", "monthly", "total"], ...] = ("daily", "weekly", "monthly", "total")
ENFORCEMENTS = ("hard", "warning")
DURABILITIES = ("process", "power")
STRATEGIES = ("priority", "cost", "latency", "balanced")
RECOVERIES = ("continue", "restart", "off")
DIALECTS = (
    *("openai", "anthropic", "gemini", "responses"),
    *("openai_chat", "openai_responses", "anthropic_messages"),
    *("bedrock", "bedrock_converse", "cohere", "mistral", "ollama"),
)
OF_PLUGIN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}:[A-Za-z0-9][A-Za-z0-9._-]{0,63}"  # PLUGIN:NAME
AUTHS = ("bearer", "x-api-key", "x-goog-api-key", "api-key", "none", "aws_sigv4", "google_adc")


class Key(NamedTuple):
    """One setting. In `path`, `*` stands for a name the user chooses."""

    path: str
    kind: Kind
    about: str
    default: Any = None
    choices: tuple[str, ...] = ()
    least: float = 0
    most: float = 0
    plugins: bool = False  # a plugin may have more choices: PLUGIN:NAME


def _provider(prefix: str) -> tuple[Key, ...]:
    return (
        Key(f"{prefix}.apiKey", "secret", "Its key: keyring:NAME, ${VARIABLE}, env:NAME, file:PATH or cmd:PROGRAM"),
        Key(f"{prefix}.apiKeys", "secrets", "Several keys, used in turn; one that is refused or used up rests"),
        Key(f"{prefix}.apiKeys.*", "secret", "One of the keys"),
        Key(f"{prefix}.baseUrl", "address", "Where its API lives, version included"),
        Key(f"{prefix}.dialect", "choice", "The API it speaks", choices=DIALECTS, plugins=True),
        Key(f"{prefix}.models", "texts", "Model names to offer beside those of the catalogue"),
        Key(f"{prefix}.headers", "object", "Headers to send with every request"),
        Key(f"{prefix}.headers.*", "header", "One header; ${VARIABLE} is filled in"),
        Key(f"{prefix}.auth", "choice", "How it wants its key", choices=AUTHS),
        Key(f"{prefix}.keyEnv", "text", "The environment variable that holds its key"),
        Key(f"{prefix}.enabled", "boolean", "false switches it off", default=True),
    )


def _budget(prefix: str, enforce: str | None = None) -> tuple[Key, ...]:
    return (
        Key(f"{prefix}.daily", "money", "A day"),
        Key(f"{prefix}.weekly", "money", "A week"),
        Key(f"{prefix}.monthly", "money", "A month"),
        Key(f"{prefix}.total", "money", "In all"),
        Key(f"{prefix}.enforce", "choice", "hard refuses what is over it, warning only tells", enforce, ENFORCEMENTS),
    )


def _timeouts(prefix: str, *, defaults: bool) -> tuple[Key, ...]:
    def seconds(name: str, about: str, default: float | None = None) -> Key:
        return Key(f"{prefix}.{name}", "seconds", about, default if defaults else None, least=0.001, most=86400)

    return (
        Key(prefix, "object", "Deadlines in seconds"),
        seconds("connect", "To connect, TLS included", 5.0),
        seconds("firstContent", "To the first content; without it 10 s while another target is left, else 120 s"),
        seconds("silence", "Between bytes; without it 20 s where recovery is possible, else 120 s"),
        seconds("total", "For a whole answer", 600.0),
        seconds("stream", "For a whole stream", 1800.0),
    )


def _routing(prefix: str, *, defaults: bool) -> tuple[Key, ...]:
    return (
        Key(
            f"{prefix}.strategy",
            "choice",
            "How targets are ordered",
            "priority" if defaults else None,
            STRATEGIES,
            plugins=True,
        ),
        Key(
            f"{prefix}.recovery",
            "choice",
            "What happens when a stream breaks",
            "continue" if defaults else None,
            RECOVERIES,
        ),
        Key(f"{prefix}.maxAttempts", "integer", "Attempts in all", 4 if defaults else None, least=1, most=20),
        *_timeouts(f"{prefix}.timeouts", defaults=defaults),
    )


_PRICES = {
    "input": "input tokens",
    "output": "output tokens",
    "cacheRead": "input tokens read from the cache",
    "cacheWrite5m": "tokens written to the 5-minute cache",
    "cacheWrite1h": "tokens written to the 1-hour cache",
    "inputAudio": "audio input tokens",
    "outputAudio": "audio output tokens",
    "cacheReadAudio": "audio tokens read from the cache",
}

KEYS: tuple[Key, ...] = (
    Key("$schema", "text", "Where an editor finds the schema; not used otherwise"),
    Key("wallet", "object", "The wallet: one key for everything, and the last fallback"),
    Key("wallet.type", "choice", "custom means: only my own providers", "passy", ("passy", "custom", "none")),
    Key("wallet.apiKey", "secret", "Its key; mini-llm login writes it"),
    Key("wallet.endpoint", "address", "The wallet service; a team server works the same"),
    Key("wallet.features", "object", "What the wallet may do"),
    Key("wallet.features.fallback", "boolean", "Pay for what your own keys fail at; unset: ask first"),
    Key("wallet.features.costOptimization", "boolean", "Compete on price with strategy cost", True),
    Key("wallet.features.discounts", "boolean", "Count its discount", True),
    Key("wallet.providers", "list", "For type custom: the same as providers, as a list"),
    Key("wallet.providers.*", "object", "One provider"),
    Key("wallet.providers.*.id", "text", "Its name"),
    *_provider("wallet.providers.*"),
    Key("providers", "object", "Your own providers, by name"),
    Key("providers.*", "object", "One provider"),
    *_provider("providers.*"),
    Key("aliases", "object", "Names of your own for models"),
    Key("aliases.*", "route", "A model, a list (first choice, then fallbacks), or a route"),
    Key("aliases.*.targets", "targets", "First choice, then fallbacks"),
    Key("aliases.*.wallet", "choice", "Whether the wallet stands last in this route", None, ("last", "never")),
    Key("aliases.*.walletLimit", "money", "The most one request may be expected to cost for the wallet to be asked"),
    Key("aliases.*.whenLow", "text", "The model, alias or route asked instead while a budget is low"),
    Key("aliases.*.afterRefusal", "choice", "Whether a content filter's refusal is final", None, ("stop", "next")),
    *_routing("aliases.*", defaults=False),
    Key("default", "text", "The model, alias or route used when none is named", ""),
    Key("routing", "object", "How targets are ordered and tried"),
    *_routing("routing", defaults=True),
    Key("budgets", "object", "The most to spend, in US dollars"),
    *_budget("budgets", "hard"),
    Key("budgets.low", "integer", "A budget is low when less than so many percent are left", 20, least=1, most=99),
    Key("budgets.zone", "zone", "The time zone whose days count, like Europe/Berlin; without it this system's"),
    Key("budgets.tools", "object", "Budgets of single tools, by name"),
    Key("budgets.tools.*", "object", "One tool's budget"),
    *_budget("budgets.tools.*"),
    Key("budgets.keys", "object", "Budgets of single keys or members, by id"),
    Key("budgets.keys.*", "object", "One key's budget"),
    *_budget("budgets.keys.*"),
    Key("ledger", "object", "The record of what was asked"),
    Key("ledger.durability", "choice", "What its rows outlive: process (a crash) or power", "process", DURABILITIES),
    Key("gateway", "object", "The gateway on this machine"),
    Key("gateway.host", "text", "The address it listens on", "127.0.0.1"),
    Key("gateway.port", "integer", "The port it listens on; 0 for any", 6464, least=0, most=65535),
    Key("gateway.apiKey", "secret", "A key of your own that callers may use; needed where other machines can connect"),
    Key("gateway.hosts", "texts", "Names it is called by from elsewhere, with a port or without"),
    Key("gateway.origins", "texts", "Web pages that may call it, such as https://chat.example.com"),
    Key("gateway.memoryLimit", "integer", "MiB of memory above which no new request is taken", least=64, most=1 << 24),
    Key("gateway.otel", "address", "Where traces go: an OTLP collector, such as http://localhost:4318"),
    Key("history", "switch", "Keep prompts and answers, here: true, or an object that says for how long", False),
    Key("history.enabled", "boolean", "Keep them"),
    Key("history.days", "integer", "For how many days (90); 0 for ever", least=0, most=36_500),
    Key("history.megabytes", "integer", "How much room they may have (500); the oldest go", least=1, most=1 << 20),
    Key("plugins", "texts", "Installed packages that add to this program; only your own file may name them"),
    Key("prices", "object", "Prices that replace the catalogue's"),
    Key("prices.*", "object", "US dollars a million tokens, for one provider/model"),
    *(Key(f"prices.*.{name}", "money", about.capitalize()) for name, about in _PRICES.items()),
    Key("prices.*.request", "money", "US dollars a request"),
    Key("prices.*.webSearch", "money", "US dollars a web search of the provider's own"),
)


class Branch:
    """A place in the tree of settings: its key, and what may stand below it."""

    __slots__ = ("below", "key")

    def __init__(self) -> None:
        self.key = Key("", "object", "")
        self.below: dict[str, Branch] = {}

    def step(self, name: str | int) -> Branch | None:
        """Go down by one name."""
        return self.below.get(str(name)) or self.below.get("*")


def _grow() -> Branch:
    root = Branch()
    for key in KEYS:
        branch = root
        for name in key.path.split("."):
            branch = branch.below.setdefault(name, Branch())
        branch.key = key
    return root


TREE = _grow()


def find(path: tuple[str | int, ...]) -> Key | None:
    """Return the setting at *path*, None if there is no such."""
    branch: Branch | None = TREE
    for name in path:
        branch = branch.step(name) if branch else None
    return branch.key if branch else None
