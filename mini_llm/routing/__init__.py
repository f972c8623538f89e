"""A model's name → the targets to ask, in order, each with its reason. Pure: no I/O, the clock is handed in."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import NamedTuple

from mini_llm import pricing
from mini_llm.catalogue import Catalogue, traits_of
from mini_llm.config import Config
from mini_llm.errors import BudgetError, MiniLLMError
from mini_llm.health import Health
from mini_llm.providers import WALLET, Registry
from mini_llm.routing import strategies
from mini_llm.routing.caches import Caches, Holder
from mini_llm.routing.expectations import EXPECTED_INPUT, EXPECTED_OUTPUT, Expectations, Forecast, forecast
from mini_llm.routing.names import LONGEST_NAME, Names
from mini_llm.routing.words import Choice, Credential, Decision, Needed, Needs, Target, needed, needs_of
from mini_llm.types import Model, Price, Usage

__all__ = [
    "EXPECTED_OUTPUT",
    "LONGEST_NAME",
    "Caches",
    "Choice",
    "Credential",
    "Decision",
    "Expectations",
    "Needed",
    "Needs",
    "Router",
    "Target",
    "needed",
    "needs_of",
]

FREE = Price(input=0, output=0, cache_read=0, cache_write_5m=0)
MOST_PLANS = 1024  # names come from callers: what is remembered of them must end


class _Plan(NamedTuple):
    """What a name means while the configuration stands; `usual` is the decision when every target is well and fits.

    `wallet_waits`: it was not asked for, and stands behind the user's own targets; `wallet_limit`: and is not asked
    for what may cost more (nano-dollars).
    """

    usual: Decision
    limits: tuple[_Limits, ...]
    unlimited: bool
    missing: MiniLLMError | None
    wallet_waits: bool = False
    wallet_limit: int | None = None


class _Limits(NamedTuple):
    """What a target is known to lack: room beyond `window` tokens (0: unknown), and capabilities."""

    window: int
    lacks: frozenset[str]

    def problem(self, needs: Needs) -> str:
        """Return what this request asks for in vain, "" if nothing."""
        size = needs.input_tokens + (needs.max_tokens or 0)
        if self.window and size > self.window:
            return f"its window of {self.window} tokens is too small for about {size}"
        if self.lacks.isdisjoint(needs.capabilities):
            return ""
        return f"it has no {', '.join(sorted(self.lacks & needs.capabilities))}"


class Router:
    """Decide, from what the user set and how the targets fare. What a name means is worked out once.

    `learns`: what answers used may change an order, and is to be told.
    """

    def __init__(
        self,
        config: Config,
        registry: Registry,
        catalogue: Catalogue,
        health: Health,
        *,
        draw: Callable[[], float] = random.random,
        expectations: Expectations | None = None,
        caches: Caches | None = None,
    ) -> None:
        self._config = config
        self._registry = registry
        self._catalogue = catalogue
        self._health = health
        self._draw = draw
        self._expectations = expectations or Expectations()
        self._caches = caches or Caches()
        orders = {config.routing.strategy, *(route.strategy for route in config.aliases.values())}
        self.learns = not orders <= {"", "priority"}  # who wrote down the order of all pays nothing for knowing more
        self._names = Names(config, registry, catalogue)
        self._plans: dict[str, _Plan] = {}
        self._rotations: dict[str, int] = {}

    def minds_budgets(self, name: str) -> bool:
        """Tell whether *name* is another's while a budget is low: then `decide` is to be told whether one is."""
        route = self._config.aliases.get(name or self._config.default)
        return route is not None and route.when_low != ""

    def decide(self, name: str, needs: Needed, now: float, low: str = "") -> Decision:
        """Return the targets for *name* ("" is the default); those in trouble or unfit go last.

        *low* says which budget is low, if one is: then a route's `whenLow` is asked in its place.

        Needs that are a function are asked for only if they can matter; what the request would cost is then not told.
        Raises UnknownModelError, CredentialError (no key), NoProviderError, BudgetError (dearer than a route's limit).
        """
        if low and self.minds_budgets(name):
            with suppress(MiniLLMError):  # nothing there can be asked: better the dear one than none
                return self._instead(name or self._config.default, needs, now, low)
        plan = self._plans.get(name) or self._planned(name)
        if plan.missing is not None:
            raise plan.missing
        usual = plan.usual
        alone = len(usual.choices) == 1
        quick = (alone or usual.strategy == "priority") and plan.wallet_limit is None
        if not isinstance(needs, Needs) and quick and self._all_well(usual, now):
            if alone or plan.unlimited:
                return usual
            needs = needs()
            if not any(limits.problem(needs) for limits in plan.limits):
                return usual
        if usual.strategy == "cost" and len(usual.choices) > 1:
            self._expectations.begin()
        needs = needed(needs)
        holder = self._caches.holder(needs.conversation, now)
        forecasts = {choice.target: self._forecast(choice.target, needs, holder) for choice in usual.choices}
        choices = [self._weighed(choice, forecasts, now) for choice in usual.choices]
        skipped = usual.skipped
        if plan.wallet_limit is not None:
            choices, dear = _within(choices, plan.wallet_limit)
            if not choices:
                raise BudgetError(f"{dear[0][0]} is not asked: it costs {dear[0][1]}")
            skipped += dear
        fit, others = self._apart(self._ordered(choices, plan, forecasts), needs)
        if holder is not None and usual.strategy != "priority" and ":" not in usual.strategy:
            fit = strategies.stay(fit, holder, forecasts, by_price=usual.strategy == "cost")
        return usual._replace(choices=(*fit, *others), skipped=skipped, told="")

    def _instead(self, name: str, needs: Needed, now: float, low: str) -> Decision:
        """Decide for what stands in for *name*, and say so."""
        found = self.decide(self._config.aliases[name].when_low, needs, now)
        choices = tuple(choice._replace(reason=f"{choice.reason}, as {low}") for choice in found.choices)
        return found._replace(asked=name, choices=choices, told=f"{name}, as {low}: {found.line()}")

    def learn(self, target: Target, usage: Usage, needs: Needs | None, now: float) -> None:
        """Take note of what an answer used; *needs* of its request, where they were asked for."""
        if usage.estimated:
            return
        self._expectations.learn(target, usage.output_tokens)
        if needs is not None and needs.conversation:
            self._caches.note(needs.conversation, target, usage, self._price(target), now)

    def model(self, target: Target) -> Model | None:
        """Return what the catalogue knows of *target*."""
        return self._catalogue.get(target.provider, target.model)

    def credentials(self, target: Target) -> tuple[Credential, ...]:
        """Return the keys that *target* can be asked with. Raises CredentialError if it needs one and has none."""
        provider = self._registry.get(target.provider)
        references = self._registry.key_references(provider)
        return tuple(_credential(target, reference, alone=len(references) == 1) for reference in references)

    def rotation(self, choice: Choice) -> int:
        """Return which of the keys of *choice* comes next."""
        provider, count = choice.target.provider, len(choice.credentials)
        if provider not in self._rotations:
            self._rotations[provider] = int(self._draw() * count)
        return self._rotations[provider] % count

    def rotate(self, choice: Choice, credential: Credential) -> None:
        """Note that *credential* is used: the one after it comes next."""
        if len(choice.credentials) > 1:
            self._rotations[choice.target.provider] = choice.credentials.index(credential) + 1

    def _planned(self, name: str) -> _Plan:
        """Work out what *name* means."""
        asked = name or self._config.default
        route = self._config.aliases.get(asked)
        routing = self._config.routing
        choices: list[Choice] = []
        skipped: list[tuple[Target, str]] = []
        missing: MiniLLMError | None = None
        targets = self._names.targets(asked)
        wallet, objection = self._names.behind(targets, route)
        if wallet is not None and objection:
            skipped.append((wallet, objection))
        elif wallet is not None:
            targets.append(wallet)
        for target in targets:
            try:
                choices.append(Choice(target, _place(len(choices)), credentials=self.credentials(target)))
            except MiniLLMError as error:  # no key, a broken file, switched off: the next target may do
                missing = missing or error
                skipped.append((target, error.message))
        decision = Decision(
            asked=asked,
            route=asked if route else "",
            strategy=(route.strategy if route else "") or routing.strategy,
            choices=tuple(choices),
            skipped=tuple(skipped),
            max_attempts=(route.max_attempts if route and route.max_attempts else routing.max_attempts),
            timeouts=(route.timeouts if route and route.timeouts else routing.timeouts),
            recovery=(route.recovery if route else "") or routing.recovery,
            past_refusal=route is not None and route.after_refusal == "next",
            withheld=wallet if objection else None,
        )
        limits = tuple(self._limits(choice.target) for choice in choices)
        plan = _Plan(
            decision._replace(told=decision.line()),
            limits,
            unlimited=not any(limit.window or limit.lacks for limit in limits),
            missing=None if choices else missing,
            wallet_waits=self._wallet_waits(asked, decision),
            wallet_limit=route.wallet_limit if route and any(_is_wallets(choice) for choice in choices) else None,
        )
        if choices:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            self._plans[name] = plan
        return plan

    def _all_well(self, decision: Decision, now: float) -> bool:
        well = self._health.well  # in plain loops: each request comes by here
        for choice in decision.choices:
            for one in choice.credentials:
                if not well(one.key, one.name, now):
                    return False
        return True

    def _wallet_waits(self, asked: str, decision: Decision) -> bool:
        """Tell whether the wallet stands behind the other targets whatever the strategy says."""
        if decision.strategy == "cost":
            return self._config.wallet is not None and not self._config.wallet.cost_optimization
        return decision.strategy != "priority" and not self._names.chosen(asked, WALLET)

    def _weighed(self, choice: Choice, forecasts: Mapping[Target, Forecast], now: float) -> Choice:
        """Return *choice* with its price for this request, and its trouble if none of its keys can be used now."""
        troubles = [
            self._health.trouble(one.key, now) or self._health.resting(one.name, now) for one in choice.credentials
        ]
        trouble = troubles[0] if troubles and all(troubles) else ""
        return choice._replace(expected_nanos=forecasts[choice.target].nanos, trouble=trouble)

    def _forecast(self, target: Target, needs: Needs, holder: Holder | None) -> Forecast:
        """Return what this request will come to at *target*."""
        output = self._expectations.output(target)
        if needs.max_tokens is not None:
            output = min(output, needs.max_tokens)
        cached = holder.tokens if holder is not None and holder.target == target else 0
        return forecast(self._price(target), needs.input_tokens or EXPECTED_INPUT, output, cached)

    def _price(self, target: Target) -> Price | None:
        """Return what *target* costs us, None if that is not known."""
        if self._registry.get(target.provider).local:
            return FREE
        model = self.model(target)
        return model.price if model else None

    def _ordered(self, choices: list[Choice], plan: _Plan, forecasts: Mapping[Target, Forecast]) -> list[Choice]:
        """Put *choices* in the strategy's order, saying why each stands there."""
        strategy = plan.usual.strategy
        if strategy == "priority":
            return choices
        own = [choice for choice in choices if not plan.wallet_waits or not _is_wallets(choice)]
        waiting = [choice._replace(reason="when the others fail") for choice in choices if choice not in own]
        if not own:
            own, waiting = choices, []
        if strategy == "cost":
            return strategies.by_cost(own, forecasts) + waiting
        if strategy == "latency":
            return strategies.by_latency(own, self._latency, self._draw) + waiting
        if ":" in strategy:
            return self._by_plugin(own, strategy, forecasts) + waiting
        return strategies.balanced(own, self._draw) + waiting

    def _by_plugin(self, choices: list[Choice], strategy: str, forecasts: strategies.Forecasts) -> list[Choice]:
        """Let the strategy PLUGIN:NAME order. Raises PluginError where there is none."""
        from mini_llm import plugins  # most people have none
        from mini_llm.routing import added

        order = plugins.part("strategies", strategy, self._config.plugins)
        return added.ordered(choices, order, forecasts, self._latency)

    def _latency(self, choice: Choice) -> float | None:
        """Return the least that was measured with any of the keys."""
        measured = (self._health.latency(one.key) for one in choice.credentials)
        return min((seconds for seconds in measured if seconds is not None), default=None)

    def _apart(self, choices: list[Choice], needs: Needs) -> tuple[list[Choice], list[Choice]]:
        """Part those that may be asked from the others: in trouble, or not able to hold the request."""
        fit: list[Choice] = []
        troubled: list[Choice] = []
        unfit: list[Choice] = []
        for choice in choices:
            lack = self._limits(choice.target).problem(needs)
            if not lack and not choice.trouble:
                fit.append(choice)
                continue
            reason = "; ".join(filter(None, (lack, choice.trouble)))
            (unfit if lack else troubled).append(choice._replace(reason=reason))
        others = troubled + unfit
        for place, choice in enumerate(others[:-1]):  # dispatch asks the last one left, come what may
            if choice.trouble:
                others[place] = choice._replace(reason=f"{choice.reason}, passed over")
        return fit, others

    def _limits(self, target: Target) -> _Limits:
        model = self.model(target)
        return _Limits(model.context_window if model else 0, traits_of(target.model).lacks)


def _is_wallets(choice: Choice) -> bool:
    return choice.target.provider == WALLET


def _within(choices: list[Choice], limit: int) -> tuple[list[Choice], tuple[tuple[Target, str], ...]]:
    """Part the wallet's choices that may cost more than *limit* nano-dollars from the others, with the reason."""
    kept: list[Choice] = []
    dear: list[tuple[Target, str]] = []
    for choice in choices:
        if not _is_wallets(choice) or (choice.expected_nanos is not None and choice.expected_nanos <= limit):
            kept.append(choice)
        else:
            cost = (
                "an unknown price"
                if choice.expected_nanos is None
                else f"about {pricing.dollars(choice.expected_nanos)}"
            )
            dear.append((choice.target, f"{cost}, and this route's walletLimit is {pricing.dollars(limit)}"))
    return kept, tuple(dear)


def _place(number: int) -> str:
    return f"fallback {number}" if number else "first choice"


def _credential(target: Target, reference: str, *, alone: bool) -> Credential:
    """Return how a key is known: by where it is, or by its digest if that would tell a part of it."""
    shown = reference.startswith(("keyring:", "env:", "file:")) or (reference[:2] == "${" and reference[-1:] == "}")
    label = reference
    if reference and not shown:
        label = sha256(reference.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    key = str(target) if alone else f"{target} {label}"
    return Credential(reference, label, key, f"{target.provider} {label}")
