"""The strategies: what is asked first, how often, and the sums that are told for it."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from mini_llm.catalogue import Catalogue
from mini_llm.config import Config, ProviderSettings, Route, Wallet
from mini_llm.errors import NetworkError, RateLimitError
from mini_llm.health import Health
from mini_llm.providers import Registry
from mini_llm.routing import Decision, Expectations, Needs, Router, Target, needs_of
from mini_llm.routing.expectations import EXPECTED_OUTPUT, MOST_KNOWN
from mini_llm.types import ChatRequest, Message, Text, Usage

PROVIDERS = {name: ProviderSettings(base_url=f"https://{name}.example.com/v1") for name in ("a", "b", "c")}
WALLET = Wallet(api_key="pk-0123456789", endpoint="https://api.passy.ai/v1", fallback=True)
# `a` is dearer by list, and cheap to read again; `b` sells no cache.
PRICES = {
    "a/m": {"input": "3", "output": "6", "cache_read": "0.3"},
    "b/m": {"input": "2", "output": "4"},
}
LONG = Needs(10_000, 100, conversation=7)


def router(
    strategy: str,
    *,
    targets: tuple[str, ...] = ("a/m", "b/m"),
    seed: int | None = None,
    health: Health | None = None,
    expectations: Expectations | None = None,
    **config: Any,
) -> Router:
    settings = Config(
        providers=PROVIDERS, **{"aliases": {"r": Route(targets, strategy=strategy)}, "prices": PRICES, **config}
    )
    return Router(
        settings,
        Registry(settings, environ={}, folder=None),
        Catalogue.open(cache=None, overrides=settings.prices),
        health or Health(draw=lambda: 0.5),
        draw=(lambda: 0.5) if seed is None else random.Random(seed).random,
        expectations=expectations,
    )


def order(decision: Decision) -> list[str]:
    return [str(choice.target) for choice in decision.choices]


def measured(**seconds: float) -> Health:
    health = Health(draw=lambda: 0.5)
    for name, first_content in seconds.items():
        health.succeed(f"{name}/m", 0.0, first_content=first_content)
    return health


def test_cost_counts_the_answers_that_a_target_is_known_to_give() -> None:
    wordy = Expectations()
    ours = router("cost", expectations=wordy)
    assert order(ours.decide("r", Needs(1000), 0.0)) == ["b/m", "a/m"]
    for _ in range(200):
        ours.learn(Target("b", "m"), Usage(10, 5000), None, 0.0)
    decision = ours.decide("r", Needs(1000), 0.0)
    assert order(decision) == ["a/m", "b/m"]
    assert decision.choices[0].expected_nanos == 1000 * 3_000 + EXPECTED_OUTPUT * 6_000
    assert (
        decision.choices[1].reason
        == f"expected $0.021 for about 1,000 tokens in, {wordy.output(Target('b', 'm')):,} out"
    )


def test_a_limit_on_the_answer_is_a_limit_on_what_is_expected() -> None:
    ours = router("cost")
    assert ours.decide("r", Needs(1000, 10), 0.0).choices[0].expected_nanos == 1000 * 2_000 + 10 * 4_000


def test_what_is_expected_of_a_target_begins_as_a_guess_and_follows_what_it_does() -> None:
    expected, target = Expectations(), Target("a", "m")
    assert expected.output(target) == EXPECTED_OUTPUT
    expected.learn(target, 100)
    assert 450 < expected.output(target) < EXPECTED_OUTPUT
    expected.learn(target, 100 * 5000, 5000)
    assert 95 <= expected.output(target) <= 105
    for _ in range(3000):
        expected.learn(target, 1000)
    assert 900 < expected.output(target) <= 1000


def test_invented_targets_do_not_fill_what_is_expected() -> None:
    expected = Expectations()
    for number in range(3 * MOST_KNOWN):
        expected.learn(Target("a", f"m{number}"), 1)
    assert len(expected._seen) == MOST_KNOWN


def test_a_guess_of_ours_teaches_nothing() -> None:
    expected = Expectations()
    ours = router("cost", expectations=expected)
    ours.learn(Target("a", "m"), Usage(10, 9000, estimated=True), LONG, 0.0)
    assert expected.output(Target("a", "m")) == EXPECTED_OUTPUT


@pytest.mark.parametrize(
    ("asks", "optimizes", "expected"),
    [
        (("2.20", "4.40"), True, ["b/m", "passy/m", "a/m"]),
        (("1.76", "3.52"), True, ["passy/m", "b/m", "a/m"]),
        (("1.76", "3.52"), False, ["b/m", "a/m", "passy/m"]),
    ],
)
def test_the_wallet_competes_at_what_it_asks(asks: tuple[str, str], optimizes: bool, expected: list[str]) -> None:
    wallet = Wallet(
        api_key="pk-0123456789", endpoint="https://api.passy.ai/v1", fallback=True, cost_optimization=optimizes
    )
    prices = {**PRICES, "passy/m": {"input": asks[0], "output": asks[1]}}
    assert order(router("cost", wallet=wallet, prices=prices).decide("r", Needs(1000, 100), 0.0)) == expected


@pytest.mark.parametrize("strategy", ["latency", "balanced"])
def test_the_wallet_that_nobody_asked_for_takes_no_share(strategy: str) -> None:
    ours = router(strategy, wallet=WALLET, seed=1)
    assert {order(ours.decide("r", Needs(), 0.0))[-1] for _ in range(200)} == {"passy/m"}
    named = router(strategy, targets=("passy/m", "a/m"), wallet=WALLET, seed=1)
    assert {order(named.decide("r", Needs(), 0.0))[0] for _ in range(200)} == {"passy/m", "a/m"}


def test_shares_are_equal_also_of_what_a_failing_target_leaves() -> None:
    """Chi square over three thousand draws; 13.8 is passed by chance once in a thousand, and the draw has a seed."""
    health = Health(draw=lambda: 0.5)
    ours = router("balanced", targets=("a/m", "b/m", "c/m"), seed=5, health=health)

    def chi_square(names: list[str]) -> float:
        first = [order(ours.decide("r", Needs(), 0.0))[0] for _ in range(3000)]
        share = len(first) / len(names)
        assert set(first) <= set(names)
        return sum((first.count(name) - share) ** 2 / share for name in names)

    assert chi_square(["a/m", "b/m", "c/m"]) < 13.8
    health.fail("a/m", "a ", RateLimitError("slow", retry_after=60.0), 0.0)
    assert chi_square(["b/m", "c/m"]) < 10.8


def test_latency_measures_a_slower_target_anew_in_one_of_twenty() -> None:
    ours = router("latency", seed=3, health=measured(a=0.2, b=2.0))
    decisions = [ours.decide("r", Needs(), 0.0) for _ in range(2000)]
    explored = [one for one in decisions if order(one)[0] == "b/m"]
    assert abs(len(explored) - 100) < 5 * math.sqrt(95)
    assert explored[0].choices[0].reason == "first content after 2.00 s, measured anew now and then"


def turn(ours: Router, target: str, usage: Usage, *, now: float = 0.0, needs: Needs = LONG) -> None:
    """Let *target* answer a turn of a conversation."""
    ours.learn(Target(*target.split("/")), usage, needs, now)


def test_a_conversation_goes_to_who_is_cheapest_with_the_cache_counted() -> None:
    ours = router("cost")
    assert order(ours.decide("r", LONG, 0.0)) == ["b/m", "a/m"]
    turn(ours, "a/m", Usage(9_000, 100))
    decision = ours.decide("r", LONG, 1.0)
    assert order(decision) == ["a/m", "b/m"]
    # 9,000 read at $0.30 and 1,000 at $3 a million, 100 out at $6; elsewhere 10,000 at $2 and 100 at $4
    assert decision.choices[0].expected_nanos == 9_000 * 300 + 1_000 * 3_000 + 100 * 6_000
    assert decision.choices[1].expected_nanos == 10_000 * 2_000 + 100 * 4_000
    assert decision.choices[0].reason == (
        "has 9,000 tokens of the conversation in its cache: $0.0063 at a/m, $0.020 at b/m"
    )
    assert order(ours.decide("r", LONG._replace(conversation=8), 1.0)) == ["b/m", "a/m"]


def test_a_conversation_leaves_a_cache_that_has_gone_cold() -> None:
    ours = router("cost")
    turn(ours, "a/m", Usage(9_000, 100))
    assert order(ours.decide("r", LONG, 299.0)) == ["a/m", "b/m"]
    assert order(ours.decide("r", LONG, 301.0)) == ["b/m", "a/m"]


def test_a_cache_that_is_sold_for_an_hour_is_warm_for_an_hour() -> None:
    prices = {**PRICES, "a/m": {**PRICES["a/m"], "cache_write_5m": "3.75", "cache_write_1h": "6"}}
    ours = router("cost", prices=prices)
    turn(ours, "a/m", Usage(9_000, 100))  # who sells writing keeps only what was bought
    assert order(ours.decide("r", LONG, 1.0)) == ["b/m", "a/m"]
    turn(ours, "a/m", Usage(9_000, 100, cache_write_1h_tokens=8_000))
    assert order(ours.decide("r", LONG, 3500.0)) == ["a/m", "b/m"]


def test_the_quickest_target_gives_way_to_the_one_with_the_cache() -> None:
    ours = router("latency", health=measured(a=2.0, b=0.2))
    assert order(ours.decide("r", LONG, 0.0)) == ["b/m", "a/m"]
    turn(ours, "a/m", Usage(9_000, 100))
    decision = ours.decide("r", LONG, 1.0)
    assert order(decision) == ["a/m", "b/m"]
    assert "$0.0063 at a/m, $0.020 at b/m" in decision.choices[0].reason


def test_a_conversation_moves_where_that_is_cheaper_and_says_so() -> None:
    prices = {**PRICES, "b/m": {"input": "0.1", "output": "0.2"}}
    ours = router("latency", health=measured(a=2.0, b=0.2), prices=prices)
    turn(ours, "a/m", Usage(9_000, 100))
    decision = ours.decide("r", LONG, 1.0)
    assert order(decision) == ["b/m", "a/m"]
    assert decision.choices[0].reason.endswith(
        "cheaper than a cache with 9,000 tokens of the conversation: $0.0063 at a/m, $0.0010 at b/m"
    )


def test_a_balanced_conversation_stays_and_others_are_shared() -> None:
    ours = router("balanced", seed=2)
    turn(ours, "a/m", Usage(9_000, 100))
    assert {order(ours.decide("r", LONG, 1.0))[0] for _ in range(100)} == {"a/m"}
    other = LONG._replace(conversation=8)
    assert {order(ours.decide("r", other, 1.0))[0] for _ in range(100)} == {"a/m", "b/m"}


def test_no_conversation_stays_with_a_target_in_trouble() -> None:
    health = measured(a=2.0, b=0.2)
    ours = router("latency", health=health)
    turn(ours, "a/m", Usage(9_000, 100))
    health.fail("a/m", "a ", RateLimitError("slow", retry_after=60.0), 0.0)
    assert order(ours.decide("r", LONG, 1.0)) == ["b/m", "a/m"]


def test_what_the_user_wrote_stands_whatever_is_in_a_cache() -> None:
    ours = router("priority", targets=("b/m", "a/m"))
    turn(ours, "a/m", Usage(9_000, 100))
    assert order(ours.decide("r", LONG, 1.0)) == ["b/m", "a/m"]


def test_a_target_without_a_price_does_not_win_on_price_by_its_cache() -> None:
    ours = router("cost", targets=("c/m", "b/m"))
    turn(ours, "c/m", Usage(9_000, 100, cache_read_tokens=8_000))
    assert order(ours.decide("r", LONG, 1.0)) == ["b/m", "c/m"]


def test_conversations_that_are_forgotten_make_room() -> None:
    ours = router("cost")
    for number in range(1, 10_001):
        turn(ours, "a/m", Usage(9_000, 100), needs=LONG._replace(conversation=number))
    assert len(ours._caches._holders) <= 4096
    assert order(ours.decide("r", LONG._replace(conversation=10_000), 1.0)) == ["a/m", "b/m"]


def conversation(*texts: str, system: str = "You are a router. " * 400) -> int:
    turns = [Message("system", (Text(system),))]
    turns += [Message("assistant" if place % 2 else "user", (Text(text),)) for place, text in enumerate(texts)]
    return needs_of(ChatRequest(model="", messages=tuple(turns))).conversation


def test_the_turns_of_a_conversation_are_known_by_how_it_begins() -> None:
    assert conversation("Hi") == conversation("Hi", "Hello", "And now?") != 0
    assert conversation("Hi") != conversation("Ho")
    assert conversation("Hi") != conversation("Hi", system="You are something else. " * 400)
    assert conversation("Hi", system="Short") == 0


def test_a_target_in_trouble_tells_whether_it_is_asked_at_all() -> None:
    health = Health(draw=lambda: 0.5)
    for name in ("a", "b"):
        health.fail(f"{name}/m", f"{name} ", RateLimitError("slow", retry_after=60.0), 0.0)
    health.fail("c/m", "c ", NetworkError("once"), 0.0)
    decision = router("priority", targets=("a/m", "b/m", "c/m"), health=health).decide("r", Needs(), 1.0)
    assert order(decision) == ["c/m", "a/m", "b/m"]
    assert [choice.reason for choice in decision.choices] == [
        "fallback 2",
        "cooling down for 59 s (rate_limited), passed over",
        "cooling down for 59 s (rate_limited)",
    ]
