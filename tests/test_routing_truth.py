"""What is told of a decision is what then happens: who is asked first, who next, and who is passed over."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.catalogue import Catalogue
from mini_llm.config import Config, ProviderSettings, Route, Routing, Wallet
from mini_llm.dispatch.turns import Turns
from mini_llm.errors import AuthError, NetworkError, RateLimitError, ServerError
from mini_llm.health import Health
from mini_llm.providers import Registry
from mini_llm.routing import Decision, Needs, Router, Target
from mini_llm.types import Usage
from tests.upstream import Provider, Say, Status
from tests.world import World

NAMES = ("a", "b", "c", "d")
MODELS = ("m", "gpt-4", "deepseek-chat")  # windows and abilities that are known of these two
STRATEGIES = ("priority", "cost", "latency", "balanced")
TARGETS = st.builds("{}/{}".format, st.sampled_from(NAMES), st.sampled_from(MODELS))
FAULTS = (NetworkError("refused"), RateLimitError("slow", retry_after=30.0), ServerError("broken"), AuthError("no"))

configs = st.fixed_dictionaries(
    {
        "route": st.lists(TARGETS, min_size=1, max_size=6, unique=True),
        "strategy": st.sampled_from(STRATEGIES),
        "prices": st.dictionaries(
            TARGETS, st.fixed_dictionaries({"input": st.sampled_from(["1", "2"]), "cache_read": st.just("0.1")})
        ),
        "max_attempts": st.integers(1, 6),
        "wallet": st.sampled_from([None, True, False]),
    }
)
histories = st.lists(
    st.tuples(TARGETS, st.one_of(st.sampled_from(FAULTS), st.floats(0.1, 9.0), st.integers(1, 9000))), max_size=30
)
needs_told = st.builds(
    Needs,
    st.sampled_from([0, 100, 20_000, 500_000]),
    st.sampled_from([None, 50]),
    st.frozensets(st.sampled_from(["tools", "images"])),
    st.sampled_from([0, 1]),
)


def world(config: dict[str, Any], draws: list[float]) -> tuple[Router, Health]:
    """Return a router over an own health; its draws come anew each time they are gone through."""
    optimizes = config["wallet"]
    settings = Config(
        providers={name: ProviderSettings(base_url=f"https://{name}.example.com/v1") for name in NAMES},
        aliases={"r": Route(tuple(config["route"]))},
        prices={name: {**price, "output": "3"} for name, price in config["prices"].items()},
        routing=Routing(strategy=config["strategy"], max_attempts=config["max_attempts"]),
        wallet=None
        if optimizes is None
        else Wallet(api_key="pk-0123456789", endpoint="https://w.example/v1", cost_optimization=optimizes),
    )
    health = Health(draw=lambda: 0.5)
    catalogue = Catalogue.open(cache=None, overrides=settings.prices)
    return Router(
        settings, Registry(settings, environ={}, folder=None), catalogue, health, draw=lambda: draws.pop(0)
    ), health


def live(router: Router, health: Health, history: list[tuple[str, Any]]) -> None:
    """Let targets fail, answer in so many seconds, or answer a conversation with so many tokens."""
    for name, what in history:
        target = Target(*name.split("/"))
        key = router.credentials(target)[0]
        if isinstance(what, float):
            health.succeed(key.key, 0.0, first_content=what)
        elif isinstance(what, int):
            router.learn(target, Usage(what, 10, cache_read_tokens=what), Needs(what, conversation=1), 0.0)
        else:
            health.fail(key.key, key.name, what, 0.0)


def asked(router: Router, health: Health, decision: Decision, now: float) -> list[str]:
    """Return whom dispatch asks, if nobody answers."""
    turns = Turns(router, health, decision, lambda: now)
    order = []
    while (turn := turns.next()) is not None:
        order.append(str(turn.choice.target))
    return order


def announced(decision: Decision) -> list[str]:
    """Return whom a decision says will be asked, if nobody answers."""
    told = [str(choice.target) for choice in decision.choices if not choice.reason.endswith("passed over")]
    return told[: decision.max_attempts]


@given(configs, histories, needs_told, st.sampled_from([0.5, 6.0, 40.0]), st.integers(0, 2**20))
def test_who_is_asked_is_who_was_announced(
    config: dict[str, Any], history: list[tuple[str, Any]], needs: Needs, now: float, seed: int
) -> None:
    draws = [random.Random(seed).random() for _ in range(40)]
    router, health = world(config, list(draws))
    live(router, health, history)
    told = router.decide("r", needs, now)
    # The same moment again, as dispatch comes to it: it tells what the request needs only if it is asked.
    same, same_health = world(config, list(draws))
    live(same, same_health, history)
    done = same.decide("r", lambda: needs, now)
    assert [choice.target for choice in told.choices] == [choice.target for choice in done.choices]
    assert told.line() == done.line()
    assert asked(same, same_health, done, now) == announced(told)


@given(configs, histories, needs_told)
def test_each_price_that_is_told_is_the_price_that_decided(
    config: dict[str, Any], history: list[tuple[str, Any]], needs: Needs
) -> None:
    router, health = world(config | {"strategy": "cost"}, [0.5] * 40)
    live(router, health, history)
    fit = [
        choice
        for choice in router.decide("r", needs, 0.5).choices
        if choice.reason.startswith(("expected", "has ")) and choice.target.provider != "passy"
    ]
    prices = [choice.expected_nanos for choice in fit]
    known = [price for price in prices if price is not None]
    assert prices == sorted(known) + [None] * (len(prices) - len(known))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("broken", [0, 1, 2])
def test_the_answer_and_its_rows_say_what_explain_said(tmp_path: Path, strategy: str, broken: int) -> None:
    scripts = {name: Provider(Say("Hello")) for name in NAMES[:3]}
    settings = {"aliases": {"r": {"targets": [f"{name}/m" for name in scripts], "strategy": strategy}}}
    with scripts["a"], scripts["b"], scripts["c"]:
        ours = World(tmp_path / "home", scripts, settings)
        runtime = ours.runtime
        runtime.router = Router(
            runtime.loaded.config, runtime.registry, runtime.catalogue, runtime.health, draw=lambda: 0.7
        )
        told = runtime.decide("r")
        order = [choice.target.provider for choice in told.choices]
        for name in order[:broken]:
            scripts[name].script[:] = [Status(404, {"error": {"code": "model_not_found", "message": "gone"}})]
        answer = ours.ask(model="r")
        rows = ours.rows()
    assert [row["provider"] for row in rows] == order[: broken + 1]
    assert answer.provider == order[broken]
    assert {answer.route, *(row["route"] for row in rows)} == {told.line()}


def priced(home: Path, providers: dict[str, Provider]) -> World:
    """Return a world whose providers are not local ones, and so cost something; `r` asks the cheapest."""
    (home / "providers").mkdir(parents=True, mode=0o700, exist_ok=True)
    for name, provider in providers.items():
        told = f'base_url = "{provider.url}"\nmodels = ["m"]\nauth = "none"\n'
        (home / "providers" / f"{name}.toml").write_text(told, encoding="utf-8")
    settings = {
        "providers": {name: {} for name in providers},
        "aliases": {"r": {"targets": ["a/m", "b/m"], "strategy": "cost"}},
        "prices": {"a/m": {"input": "1", "output": "1"}, "b/m": {"input": "1.5", "output": "1.5"}},
    }
    return World(home, {}, settings)


def test_answers_teach_what_the_next_will_cost_also_the_next_process(tmp_path: Path) -> None:
    with Provider(Say("Hello", usage=(10, 90_000))) as wordy, Provider() as terse:
        ours = priced(tmp_path / "home", {"a": wordy, "b": terse})
        before = ours.runtime.decide("r")
        ours.ask(model="r")
        after = ours.runtime.decide("r")
        anew = priced(tmp_path / "home", {"a": wordy, "b": terse}).runtime.decide("r")
    assert [str(choice.target) for choice in before.choices] == ["a/m", "b/m"]
    assert [str(choice.target) for choice in after.choices] == ["b/m", "a/m"]
    assert anew == after


def test_a_ledger_that_cannot_be_read_leaves_the_guesses(tmp_path: Path) -> None:
    with Provider() as first, Provider() as second:
        ours = priced(tmp_path / "home", {"a": first, "b": second})
        data = tmp_path / "home" / "data"
        data.mkdir()
        (data / "ledger.db").write_bytes(b"nonsense" * 1000)
        assert [str(choice.target) for choice in ours.runtime.decide("r").choices] == ["a/m", "b/m"]
