"""A model's name → the targets to ask, in order, each with its reason. Pure: no I/O, the clock is handed in."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import NamedTuple

from mini_llm import pricing
from mini_llm.catalogue import Catalogue, traits_of
from mini_llm.config import Config, Route, Timeouts, is_reference
from mini_llm.errors import MiniLLMError, NoProviderError, UnknownModelError
from mini_llm.health import Health
from mini_llm.providers import WALLET, Registry
from mini_llm.types import Audio, ChatRequest, Document, Image, Model, Reasoning, Text, ToolCall, ToolResult

EXPECTED_OUTPUT = 500
EXPLORE = 0.05
CHARACTERS_A_TOKEN = 4
TOKENS_A_PICTURE = 1000
DEEPEST_ALIAS = 8
LONGEST_NAME = 512


class Target(NamedTuple):
    """One model at one provider."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


class Needs(NamedTuple):
    """What a request asks of a target. Token counts may be estimates; 0 is unknown."""

    input_tokens: int = 0
    max_tokens: int | None = None
    capabilities: frozenset[str] = frozenset()


class Choice(NamedTuple):
    """A target, why it stands where it stands, and what the request would cost there (nano-dollars)."""

    target: Target
    reason: str
    expected_nanos: int | None = None
    trouble: str = ""


class Decision(NamedTuple):
    """Which targets are asked, in order; `skipped` are those that cannot be, with the reason."""

    asked: str
    route: str
    strategy: str
    choices: tuple[Choice, ...]
    skipped: tuple[tuple[Target, str], ...]
    max_attempts: int
    timeouts: Timeouts

    def line(self) -> str:
        """Tell the decision in one line: what `explain`, the answer's header and the ledger all say."""
        order = ", ".join(str(choice.target) for choice in self.choices)
        name = self.route or self.asked or "default"
        return f"{name} ({self.strategy}): {order}"


def needs_of(request: ChatRequest) -> Needs:
    """Return what *request* asks of a target; its size is a guess: four characters a token, 1,000 a picture."""
    characters = 0
    tokens = 0
    capabilities = {"tools"} if request.tools else set()
    if request.response_format is not None and request.response_format.kind == "json_schema":
        capabilities.add("json_schema")
    if request.thinking is not None and request.thinking.enabled is not False and request.thinking.effort != "none":
        capabilities.add("reasoning")
    parts = [part for message in request.messages for part in message.parts]
    while parts:
        part = parts.pop()
        match part:
            case Text(text=text) | Reasoning(text=text) | ToolCall(arguments=text):
                characters += len(text)
            case ToolResult(parts=inner):
                parts += inner
            case Image():
                capabilities.add("images")
                tokens += TOKENS_A_PICTURE
            case Document() | Audio():
                capabilities.add("documents" if isinstance(part, Document) else "audio")
                characters += len(part.data) // 2
            case _:
                pass
    return Needs(tokens + characters // CHARACTERS_A_TOKEN, request.max_tokens, frozenset(capabilities))


class Router:
    """Decide, from what the user set and how the targets fare."""

    def __init__(
        self,
        config: Config,
        registry: Registry,
        catalogue: Catalogue,
        health: Health,
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._config = config
        self._registry = registry
        self._catalogue = catalogue
        self._health = health
        self._draw = draw

    def decide(self, name: str, needs: Needs, now: float) -> Decision:
        """Return the targets for *name* ("" is the default); those in trouble or unfit go last.

        Raises UnknownModelError, CredentialError (no key), NoProviderError.
        """
        asked = name or self._config.default
        if len(asked) > LONGEST_NAME or not asked.isprintable():  # it goes into paths, headers, rows and terminals
            raise UnknownModelError("what was asked for cannot be the name of a model")
        route = self._config.aliases.get(asked)
        candidates = list(dict.fromkeys(self._resolve(asked, 0, set())))
        candidates = self._with_wallet(candidates, route)
        choices, skipped = self._usable(candidates, needs, now)
        strategy = (route.strategy if route else "") or self._config.routing.strategy
        routing = self._config.routing
        return Decision(
            asked=asked,
            route=asked if route else "",
            strategy=strategy,
            choices=tuple(self._last_resorts_last(self._ordered(choices, strategy, needs), needs)),
            skipped=tuple(skipped),
            max_attempts=(route.max_attempts if route and route.max_attempts else routing.max_attempts),
            timeouts=(route.timeouts if route and route.timeouts else routing.timeouts),
        )

    def model(self, target: Target) -> Model | None:
        """Return what the catalogue knows of *target*."""
        return self._catalogue.get(target.provider, target.model)

    def credential(self, target: Target) -> str:
        """Return what *target*'s key is known by in `health`: never the key itself, should it stand in the config."""
        reference = self._registry.key_reference(self._registry.get(target.provider))
        if reference and not is_reference(reference):
            reference = sha256(reference.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        return f"{target.provider} {reference}"

    def _resolve(self, name: str, depth: int, seen: set[str]) -> Iterator[Target]:
        """Yield what *name* stands for: an alias's targets, one target, or every provider that has the model.

        What was *seen* is not followed again: thirty aliases of thirty aliases, eight deep, would never end.
        """
        if name in seen:
            return
        seen.add(name)
        if not name:
            yield from self._defaults()
            return
        route = self._config.aliases.get(name)
        if route is not None and depth < DEEPEST_ALIAS:
            for step in route.targets:
                # A route may name a model as its provider does: `fast` → `groq/fast` is no circle.
                yield from self._resolve(step, depth + 1, seen) if step != name else self._plain(step)
            return
        yield from self._plain(name)

    def _plain(self, name: str) -> Iterator[Target]:
        provider, slash, model = name.partition("/")
        if slash and model and provider in self._registry.names():
            yield Target(provider, model)
            return
        found = list(self._holders(name))
        if not found and not self._wallet_has(name):
            raise self._unknown(name)
        yield from found or [Target(WALLET, name)]

    def _holders(self, model: str) -> Iterator[Target]:
        """Yield a target for every configured provider that has the bare *model*."""
        listed = set(self._catalogue.providers_of(model))
        for provider in self._registry.configured():
            if provider.name in listed or model in provider.models:
                yield Target(provider.name, model)

    def _wallet_has(self, model: str) -> bool:
        """Tell whether the wallet may be asked for *model*: it sells what the catalogue knows of anybody."""
        return self._registry.wallet() is not None and bool(self._catalogue.providers_of(model))

    def _defaults(self) -> Iterator[Target]:
        """Yield each configured provider's usual model: what answers when nobody chose."""
        found = False
        for provider in self._registry.configured():
            usual = provider.default or next(iter(provider.models), "")
            if usual:
                found = True
                yield Target(provider.name, usual)
        wallet = None if found else self._registry.wallet()
        if wallet is not None and wallet.default:
            found = True
            yield Target(WALLET, wallet.default)
        if not found and not self._registry.configured():
            raise NoProviderError
        if not found:
            raise UnknownModelError(
                "no model was named, and no default is set",
                hint="name one with `-m PROVIDER/MODEL`, or run `mini-llm config set default PROVIDER/MODEL`",
            )

    def _unknown(self, name: str) -> MiniLLMError:
        configured = self._registry.configured()
        elsewhere = self._catalogue.providers_of(name)
        if not configured and not elsewhere:
            return NoProviderError()
        if elsewhere:
            provider = self._registry.get(elsewhere[0])
            key = provider.key_env[0] if provider.key_env else ""
            way = f"set `{key}`, or run " if key else "run "
            return UnknownModelError(
                f"no configured provider has {name}",
                hint=f"{provider.name} has it: {way}`mini-llm providers add {provider.name} --key`",
                nearest=[f"{holder}/{name}" for holder in elsewhere],
            )
        vendor, slash, _ = name.partition("/")
        if slash and not self._catalogue.providers_of(name.rpartition("/")[2]):
            self._registry.get(vendor)  # tells that there is no such provider, and which names come near
        nearest = self._catalogue.nearest(name, self._known_names())
        near = f"nearest: {', '.join(nearest)}; " if nearest else ""
        return UnknownModelError(
            f"unknown model {name}",
            hint=f"{near}see `mini-llm models`, or add a provider with `mini-llm providers add NAME`",
            nearest=nearest,
        )

    def _known_names(self) -> list[str]:
        names = list(self._config.aliases)
        for provider in self._registry.configured():
            ids = [*provider.models, *(model.id for model in self._catalogue.models(provider.name))]
            names += [*ids, *(f"{provider.name}/{model}" for model in ids)]
        return names or [f"{provider}/" for provider in self._registry.names()]

    def _with_wallet(self, candidates: list[Target], route: Route | None) -> list[Target]:
        """Put the wallet behind the user's own targets, unless it is off or already among them."""
        wallet = self._config.wallet
        if (wallet is not None and not wallet.fallback) or (route is not None and route.wallet == "never"):
            return candidates
        if any(target.provider == WALLET for target in candidates) or self._registry.wallet() is None:
            return candidates
        return [*candidates, Target(WALLET, candidates[0].model)]

    def _usable(
        self, candidates: Iterable[Target], needs: Needs, now: float
    ) -> tuple[list[Choice], list[tuple[Target, str]]]:
        """Split *candidates* into what can be asked and what cannot; raise if nothing is left."""
        choices: list[Choice] = []
        skipped: list[tuple[Target, str]] = []
        missing: MiniLLMError | None = None
        for target in candidates:
            try:
                credential = self.credential(target)
            except MiniLLMError as error:  # no key, a broken file, switched off: the next target may do
                missing = missing or error
                skipped.append((target, error.message))
                continue
            trouble = self._health.trouble(str(target), now) or self._health.resting(credential, now)
            choices.append(Choice(target, "", self._expected(target, needs), trouble))
        if not choices and missing:
            raise missing
        return choices, skipped

    def _expected(self, target: Target, needs: Needs) -> int | None:
        if self._registry.get(target.provider).local:
            return 0
        model = self.model(target)
        if model is None or model.price is None:
            return None
        output = EXPECTED_OUTPUT if needs.max_tokens is None else min(needs.max_tokens, EXPECTED_OUTPUT)
        return pricing.estimate(needs.input_tokens, output, model.price)

    def _ordered(self, choices: list[Choice], strategy: str, needs: Needs) -> list[Choice]:
        """Put *choices* in the strategy's order, saying why each stands there."""
        if strategy == "cost":
            return self._by_cost(choices)
        if strategy == "latency":
            return self._by_latency(choices)
        if strategy == "balanced":
            start = int(self._draw() * len(choices)) if choices else 0
            turned = choices[start:] + choices[:start]
            return [choice._replace(reason="its turn" if not n else "after it") for n, choice in enumerate(turned)]
        return [
            choice._replace(reason="first choice" if not n else f"fallback {n}") for n, choice in enumerate(choices)
        ]

    def _by_cost(self, choices: list[Choice]) -> list[Choice]:
        wallet = self._config.wallet
        competes = wallet is not None and wallet.cost_optimization

        def rank(choice: Choice) -> tuple[bool, bool, int]:
            waits = choice.target.provider == WALLET and not competes
            return waits, choice.expected_nanos is None, choice.expected_nanos or 0

        return [
            choice._replace(reason=f"expected {pricing.dollars(choice.expected_nanos)}")
            for choice in sorted(choices, key=rank)
        ]

    def _by_latency(self, choices: list[Choice]) -> list[Choice]:
        """Order by seconds to first content; a target nobody measured goes first, a slow one now and then."""
        timed = [(self._health.latency(str(choice.target)), choice) for choice in choices]
        ranked = sorted(timed, key=lambda pair: -1.0 if pair[0] is None else pair[0])
        if len(ranked) > 1 and self._draw() < EXPLORE:
            ranked.insert(0, ranked.pop(1 + int(self._draw() * (len(ranked) - 1))))
        return [
            choice._replace(reason="not measured yet" if seconds is None else f"first content after {seconds:.2f} s")
            for seconds, choice in ranked
        ]

    def _last_resorts_last(self, choices: list[Choice], needs: Needs) -> list[Choice]:
        """Move targets that cannot hold the request, or are in trouble, behind the others."""
        fit: list[Choice] = []
        troubled: list[Choice] = []
        unfit: list[Choice] = []
        for choice in choices:
            lack = self._lack(choice.target, needs)
            if lack:
                unfit.append(choice._replace(reason=lack))
            elif choice.trouble:
                troubled.append(choice._replace(reason=choice.trouble))
            else:
                fit.append(choice)
        return fit + troubled + unfit

    def _lack(self, target: Target, needs: Needs) -> str:
        """Return what *target* is known to lack for this request, "" if nothing."""
        model = self.model(target)
        size = needs.input_tokens + (needs.max_tokens or 0)
        if model is not None and model.context_window and size > model.context_window:
            return f"its window of {model.context_window} tokens is too small for about {size}"
        missing = sorted(needs.capabilities & traits_of(target.model).lacks)
        return f"it has no {', '.join(missing)}" if missing else ""
