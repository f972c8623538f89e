"""A model's name → the targets to ask, in order, each with its reason. Pure: no I/O, the clock is handed in."""

from __future__ import annotations

import random
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from mini_llm import pricing
from mini_llm.catalogue import Catalogue, traits_of
from mini_llm.config import Config
from mini_llm.errors import MiniLLMError
from mini_llm.health import Health
from mini_llm.providers import WALLET, Registry
from mini_llm.routing.names import LONGEST_NAME, Names
from mini_llm.routing.words import Choice, Credential, Decision, Needed, Needs, Target, needed, needs_of
from mini_llm.types import Model

__all__ = [
    "LONGEST_NAME",
    "Choice",
    "Credential",
    "Decision",
    "Needed",
    "Needs",
    "Router",
    "Target",
    "needed",
    "needs_of",
]

EXPECTED_OUTPUT = 500
EXPLORE = 0.05
MOST_PLANS = 1024  # names come from callers: what is remembered of them must end


class _Plan(NamedTuple):
    """What a name means while the configuration stands; `usual` is the decision when every target is well and fits."""

    usual: Decision
    limits: tuple[_Limits, ...]
    unlimited: bool
    missing: MiniLLMError | None


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
    """Decide, from what the user set and how the targets fare. What a name means is worked out once."""

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
        self._names = Names(config, registry, catalogue)
        self._plans: dict[str, _Plan] = {}
        self._rotations: dict[str, int] = {}

    def decide(self, name: str, needs: Needed, now: float) -> Decision:
        """Return the targets for *name* ("" is the default); those in trouble or unfit go last.

        Needs that are a function are asked for only if they can matter; what the request would cost is then not told.
        Raises UnknownModelError, CredentialError (no key), NoProviderError.
        """
        plan = self._plans.get(name) or self._planned(name)
        if plan.missing is not None:
            raise plan.missing
        usual = plan.usual
        if not isinstance(needs, Needs) and usual.strategy == "priority" and self._all_well(usual, now):
            if len(usual.choices) == 1 or plan.unlimited:
                return usual
            needs = needs()
            if not any(limits.problem(needs) for limits in plan.limits):
                return usual
        needs = needed(needs)
        choices = [self._weighed(choice, needs, now) for choice in usual.choices]
        ordered = self._ordered(choices, usual.strategy)
        return usual._replace(choices=tuple(self._last_resorts_last(ordered, needs)), told="")

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
        for target in self._names.targets(asked, route):
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
        )
        limits = tuple(self._limits(choice.target) for choice in choices)
        plan = _Plan(
            decision._replace(told=decision.line()),
            limits,
            unlimited=not any(limit.window or limit.lacks for limit in limits),
            missing=None if choices else missing,
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

    def _weighed(self, choice: Choice, needs: Needs, now: float) -> Choice:
        """Return *choice* with its price for this request, and its trouble if none of its keys can be used now."""
        troubles = [
            self._health.trouble(one.key, now) or self._health.resting(one.name, now) for one in choice.credentials
        ]
        trouble = troubles[0] if troubles and all(troubles) else ""
        return choice._replace(expected_nanos=self._expected(choice.target, needs), trouble=trouble)

    def _expected(self, target: Target, needs: Needs) -> int | None:
        if self._registry.get(target.provider).local:
            return 0
        model = self.model(target)
        if model is None or model.price is None:
            return None
        output = EXPECTED_OUTPUT if needs.max_tokens is None else min(needs.max_tokens, EXPECTED_OUTPUT)
        return pricing.estimate(needs.input_tokens, output, model.price)

    def _ordered(self, choices: list[Choice], strategy: str) -> list[Choice]:
        """Put *choices* in the strategy's order, saying why each stands there."""
        if strategy == "cost":
            return self._by_cost(choices)
        if strategy == "latency":
            return self._by_latency(choices)
        if strategy == "balanced":
            start = int(self._draw() * len(choices)) if choices else 0
            turned = choices[start:] + choices[:start]
            return [choice._replace(reason="its turn" if not n else "after it") for n, choice in enumerate(turned)]
        return choices

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
        timed = [(self._latency(choice), choice) for choice in choices]
        ranked = sorted(timed, key=lambda pair: -1.0 if pair[0] is None else pair[0])
        if len(ranked) > 1 and self._draw() < EXPLORE:
            ranked.insert(0, ranked.pop(1 + int(self._draw() * (len(ranked) - 1))))
        return [
            choice._replace(reason="not measured yet" if seconds is None else f"first content after {seconds:.2f} s")
            for seconds, choice in ranked
        ]

    def _latency(self, choice: Choice) -> float | None:
        """Return the least that was measured with any of the keys."""
        measured = (self._health.latency(one.key) for one in choice.credentials)
        return min((seconds for seconds in measured if seconds is not None), default=None)

    def _last_resorts_last(self, choices: list[Choice], needs: Needs) -> list[Choice]:
        """Move targets that cannot hold the request, or are in trouble, behind the others."""
        fit: list[Choice] = []
        troubled: list[Choice] = []
        unfit: list[Choice] = []
        for choice in choices:
            lack = self._limits(choice.target).problem(needs)
            if lack:
                unfit.append(choice._replace(reason=lack))
            elif choice.trouble:
                troubled.append(choice._replace(reason=choice.trouble))
            else:
                fit.append(choice)
        return fit + troubled + unfit

    def _limits(self, target: Target) -> _Limits:
        model = self.model(target)
        return _Limits(model.context_window if model else 0, traits_of(target.model).lacks)


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
