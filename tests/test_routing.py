"""routing: names, routes, strategies. Pure, so every world here is built by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.catalogue import Catalogue
from mini_llm.config import Config, ProviderSettings, Route, Routing, Wallet
from mini_llm.errors import (
    BudgetError,
    CredentialError,
    NetworkError,
    NoProviderError,
    RateLimitError,
    UnknownModelError,
)
from mini_llm.health import Health
from mini_llm.providers import Registry
from mini_llm.routing import Decision, Needs, Router, Target, needs_of
from mini_llm.types import ChatRequest, Image, Message, ResponseFormat, Text, Tool

LAB = ProviderSettings(base_url="http://localhost:8080/v1", models=("llama-70b", "shared"))
SHED = ProviderSettings(base_url="http://localhost:8081/v1", models=("shared",))
OPENAI_KEY = {"OPENAI_API_KEY": "sk-test-0123456789"}


def router(
    environ: dict[str, str] | None = None, *, health: Health | None = None, draw: float = 0.5, **config: Any
) -> Router:
    settings = Config(**config)
    return Router(
        settings,
        Registry(settings, environ=environ or {}, folder=None),
        Catalogue.open(cache=None, overrides=settings.prices),
        health or Health(draw=lambda: 0.5),
        draw=lambda: draw,
    )


def targets(decision: Decision) -> list[str]:
    return [str(choice.target) for choice in decision.choices]


def two(**config: Any) -> Router:
    return router(providers={"lab": LAB, "shed": SHED}, **config)


def test_provider_slash_model_names_one_target() -> None:
    assert targets(two().decide("lab/anything", Needs(), 0.0)) == ["lab/anything"]


def test_a_model_with_slashes_keeps_them() -> None:
    assert two().decide("lab/meta/llama", Needs(), 0.0).choices[0].target == Target("lab", "meta/llama")


def test_a_bare_name_means_every_configured_provider_that_has_it() -> None:
    assert targets(two().decide("shared", Needs(), 0.0)) == ["lab/shared", "shed/shared"]
    assert targets(two().decide("llama-70b", Needs(), 0.0)) == ["lab/llama-70b"]


def test_a_key_in_the_environment_is_all_the_configuration_there_needs_to_be() -> None:
    decision = router(OPENAI_KEY).decide("", Needs(), 0.0)
    assert [choice.target.provider for choice in decision.choices] == ["openai"]


def test_an_alias_wins_over_a_model_of_the_same_name() -> None:
    aliases = {"llama-70b": Route(("shed/other",))}
    assert targets(two(aliases=aliases).decide("llama-70b", Needs(), 0.0)) == ["shed/other"]


def test_an_alias_may_name_aliases_and_each_target_stands_once() -> None:
    aliases = {"fast": Route(("lab/a",)), "smart": Route(("fast", "shed/b", "lab/a"))}
    decision = two(aliases=aliases).decide("smart", Needs(), 0.0)
    assert targets(decision) == ["lab/a", "shed/b"]
    assert decision.line() == "smart (priority): lab/a, shed/b"


def test_the_default_may_be_an_alias() -> None:
    decision = two(aliases={"fast": Route(("shed/b",))}, default="fast").decide("", Needs(), 0.0)
    assert (decision.route, targets(decision)) == ("fast", ["shed/b"])


def test_nothing_configured_is_told_with_both_ways_out() -> None:
    with pytest.raises(NoProviderError) as raised:
        router().decide("", Needs(), 0.0)
    assert f"{raised.value.message}\n\n{raised.value.hint}" == (
        "No AI wallet configured.\n\n"
        "Quick start with passy.ai (recommended):\n  mini-llm login\n\n"
        "Or configure your own providers:\n  export OPENAI_API_KEY=sk-..."
    )


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownModelError) as raised:
        two().decide("lama-70b", Needs(), 0.0)
    assert "llama-70b" in raised.value.nearest
    assert raised.value.exit_code == 7


def test_a_provider_nobody_knows_is_told_as_such() -> None:
    with pytest.raises(UnknownModelError, match="no provider called labb") as raised:
        two().decide("labb/llama-70b", Needs(), 0.0)
    assert raised.value.nearest[0] == "lab"


def test_a_model_of_a_provider_that_is_not_set_up_says_how_to_set_it_up() -> None:
    with pytest.raises(UnknownModelError) as raised:
        two().decide("claude-opus-4-8", Needs(), 0.0)
    assert "mini-llm providers add" in raised.value.hint


def test_a_target_without_a_key_is_skipped_with_the_reason() -> None:
    decision = two(aliases={"both": Route(("openai/gpt-5.5", "lab/m"))}).decide("both", Needs(), 0.0)
    assert targets(decision) == ["lab/m"]
    assert decision.skipped == ((Target("openai", "gpt-5.5"), "no key for openai"),)


def test_only_a_target_without_a_key_is_an_error_about_the_key() -> None:
    with pytest.raises(CredentialError, match="no key for openai"):
        two().decide("openai/gpt-5.5", Needs(), 0.0)


def test_a_target_in_trouble_goes_last_and_says_why() -> None:
    health = Health(draw=lambda: 0.5)
    health.fail("lab/shared", "lab ", RateLimitError("slow", retry_after=30.0), 0.0)
    decision = two(health=health).decide("shared", Needs(), 1.0)
    assert targets(decision) == ["shed/shared", "lab/shared"]
    assert "cooling down for 29 s" in decision.choices[1].reason


def test_a_window_too_small_puts_a_target_last() -> None:
    aliases = {"both": Route(("openai/gpt-4", "lab/m"))}
    routes = router(OPENAI_KEY, providers={"lab": LAB}, aliases=aliases)
    assert targets(routes.decide("both", Needs(input_tokens=100), 0.0)) == ["openai/gpt-4", "lab/m"]
    decision = routes.decide("both", Needs(input_tokens=500_000), 0.0)
    assert targets(decision) == ["lab/m", "openai/gpt-4"]
    assert "too small" in decision.choices[1].reason


def test_a_target_known_to_lack_what_the_request_uses_goes_last() -> None:
    aliases = {"both": Route(("lab/deepseek-chat", "lab/gpt-4o", "lab/mystery"))}
    decision = two(aliases=aliases).decide("both", Needs(capabilities=frozenset({"images"})), 0.0)
    assert targets(decision) == ["lab/gpt-4o", "lab/mystery", "lab/deepseek-chat"]
    assert decision.choices[2].reason == "it has no images"


def test_cost_puts_the_cheapest_first_and_the_unknown_last() -> None:
    prices = {
        "lab2/m": {"input": "5", "output": "5"},
        "shed2/m": {"input": "1", "output": "1"},
    }
    remote = {
        name: ProviderSettings(base_url=f"https://{name}.example.com/v1") for name in ("lab2", "shed2", "mystery")
    }
    aliases = {"all": Route(("mystery/m", "lab2/m", "shed2/m"), strategy="cost")}
    decision = router(providers=remote, aliases=aliases, prices=prices).decide(
        "all", Needs(input_tokens=1000, max_tokens=1000), 0.0
    )
    assert targets(decision) == ["shed2/m", "lab2/m", "mystery/m"]
    assert decision.choices[0].expected_nanos == 1_500_000
    assert decision.choices[0].reason == "expected $0.0015 for about 1,000 tokens in, 500 out"
    assert decision.choices[2].reason.startswith("expected unknown for ")


def test_latency_puts_the_quickest_first_and_explores_now_and_then() -> None:
    health = Health(draw=lambda: 0.5)
    health.succeed("lab/shared", 0.0, first_content=2.0)
    health.succeed("shed/shared", 0.0, first_content=0.5)
    config = {"routing": Routing(strategy="latency")}
    assert targets(two(health=health, **config).decide("shared", Needs(), 0.0)) == ["shed/shared", "lab/shared"]
    assert targets(two(health=health, draw=0.01, **config).decide("shared", Needs(), 0.0))[0] == "lab/shared"


def test_balanced_begins_elsewhere_each_time() -> None:
    config = {"routing": Routing(strategy="balanced")}
    assert targets(two(draw=0.1, **config).decide("shared", Needs(), 0.0)) == ["lab/shared", "shed/shared"]
    assert targets(two(draw=0.9, **config).decide("shared", Needs(), 0.0)) == ["shed/shared", "lab/shared"]


WALLET = Wallet(api_key="pk-0123456789", endpoint="https://api.passy.ai/v1", fallback=True)


def test_the_wallet_comes_last_behind_own_providers() -> None:
    assert targets(two(wallet=WALLET).decide("lab/m", Needs(), 0.0)) == ["lab/m", "passy/m"]


def test_a_route_may_keep_the_wallet_out() -> None:
    aliases = {"own": Route(("lab/m",), wallet="never")}
    assert targets(two(wallet=WALLET, aliases=aliases).decide("own", Needs(), 0.0)) == ["lab/m"]


def test_a_wallet_without_fallback_is_asked_only_by_name() -> None:
    wallet = Wallet(api_key="pk-0123456789", endpoint="https://api.passy.ai/v1", fallback=False)
    assert targets(two(wallet=wallet).decide("lab/m", Needs(), 0.0)) == ["lab/m"]
    assert targets(two(wallet=wallet).decide("passy/m", Needs(), 0.0)) == ["passy/m"]


def test_the_wallet_pays_for_no_key_of_the_users_before_it_may() -> None:
    wallet = Wallet(api_key="pk-0123456789", endpoint="https://api.passy.ai/v1")
    decision = two(wallet=wallet).decide("lab/m", Needs(), 0.0)
    assert targets(decision) == ["lab/m"]
    [(target, reason)] = decision.skipped
    assert str(target) == "passy/m" and "mini-llm config set wallet.features.fallback true" in reason
    assert targets(two(wallet=wallet).decide("passy/m", Needs(), 0.0)) == ["passy/m"]


def test_the_wallet_answers_alone_when_nothing_else_is_configured() -> None:
    for fallback in (None, True, False):
        wallet = Wallet(api_key="pk-0123456789", endpoint="https://api.passy.ai/v1", fallback=fallback)
        assert targets(router(wallet=wallet).decide("gpt-5.5", Needs(), 0.0)) == ["passy/gpt-5.5"]


def test_the_wallet_is_left_out_where_one_request_may_cost_more_than_its_route_allows() -> None:
    prices = {"passy/m": {"input": "1.00", "output": "2.00"}}
    aliases = {"lean": Route(("lab/m",), wallet_limit=2_000_000), "own": Route(("passy/m",), wallet_limit=2_000_000)}
    ours = two(wallet=WALLET, aliases=aliases, prices=prices)
    small, large = Needs(input_tokens=1000, max_tokens=500), Needs(input_tokens=2000, max_tokens=500)
    assert targets(ours.decide("lean", small, 0.0)) == ["lab/m", "passy/m"]
    decision = ours.decide("lean", lambda: large, 0.0)
    assert targets(decision) == ["lab/m"]
    assert decision.skipped[-1][1] == "about $0.0030, and this route's walletLimit is $0.0020"
    assert targets(ours.decide("own", small, 0.0)) == ["passy/m"]
    with pytest.raises(BudgetError, match="passy/m is not asked"):
        ours.decide("own", large, 0.0)
    unpriced = two(wallet=WALLET, aliases=aliases).decide("lean", small, 0.0)
    assert unpriced.skipped[-1][1].startswith("an unknown price")


@given(st.lists(st.sampled_from(["lab/a", "lab/b", "shed/c", "shared", "nested"]), min_size=1, max_size=6))
def test_a_decision_never_loses_or_doubles_a_target(steps: list[str]) -> None:
    aliases = {"nested": Route(("lab/a", "shed/c")), "route": Route(tuple(steps))}
    health = Health(draw=lambda: 0.5)
    health.fail("lab/a", "lab ", NetworkError("x"), 0.0)
    found = targets(two(aliases=aliases, health=health).decide("route", Needs(), 0.0))
    expected = {
        "lab/a": ["lab/a"],
        "lab/b": ["lab/b"],
        "shed/c": ["shed/c"],
        "shared": ["lab/shared", "shed/shared"],
        "nested": ["lab/a", "shed/c"],
    }
    assert sorted(found) == sorted({target for step in steps for target in expected[step]})


def test_needs_are_read_from_the_request() -> None:
    request = ChatRequest(
        model="",
        messages=(Message("user", (Text("x" * 400), Image(url="https://example.com/cat.png"))),),
        tools=(Tool("weather"),),
        response_format=ResponseFormat("json_schema", {}),
        max_tokens=50,
    )
    needs = needs_of(request)
    assert needs.conversation
    assert needs._replace(conversation=0) == Needs(1100, 50, frozenset({"tools", "images", "json_schema"}))


def test_a_private_provider_file_routes_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "attic.toml").write_text('base_url = "http://localhost:9/v1"\nmodels = ["old"]\nauth = "none"\n')
    registry = Registry(Config(), environ={}, folder=tmp_path)
    routes = Router(Config(), registry, Catalogue.open(cache=None, overrides={}), Health())
    assert targets(routes.decide("attic/old", Needs(), 0.0)) == ["attic/old"]


def test_aliases_of_aliases_of_aliases_do_not_keep_us_busy() -> None:
    wide, deep = 30, 7
    aliases = {
        f"a{level}-{number}": Route(tuple(f"a{level + 1}-{below}" for below in range(wide)))
        for level in range(deep)
        for number in range(wide)
    }
    aliases |= {f"a{deep}-{number}": Route((f"lab/m{number}",)) for number in range(wide)}
    found = targets(two(aliases=aliases).decide("a0-0", Needs(), 0.0))
    assert found == [f"lab/m{number}" for number in range(wide)]


@pytest.mark.parametrize("name", ["lab/a\r\nx: y", "lab/a\0", "lab/\x1b[2J", "lab/\ud800", "lab/" + "x" * 1_000_000])
def test_a_name_that_could_do_harm_further_on_is_no_name(name: str) -> None:
    with pytest.raises(UnknownModelError) as raised:
        two().decide(name, Needs(), 0.0)
    assert name not in raised.value.message


@pytest.mark.parametrize(
    ("key", "known_by"), [("keyring:lab", "lab keyring:lab"), ("${LAB_KEY}", "lab ${LAB_KEY}"), ("", "lab ")]
)
def test_a_credential_is_known_by_its_reference(key: str, known_by: str) -> None:
    lab = ProviderSettings(base_url="http://localhost:8080/v1", api_key=key)
    assert router(providers={"lab": lab}).credentials(Target("lab", "m"))[0].name == known_by


def test_a_key_in_the_config_is_not_known_by_itself() -> None:
    def credential(key: str) -> str:
        lab = ProviderSettings(base_url="http://localhost:8080/v1", api_key=key)
        return router(providers={"lab": lab}).credentials(Target("lab", "m"))[0].name

    assert "sk-plain" not in credential("sk-plain-0123456789")
    assert credential("sk-plain-0123456789") != credential("sk-plain-another1")


def unasked() -> Needs:
    raise AssertionError("nobody needs to know")


def test_what_a_request_needs_is_not_worked_out_where_it_cannot_matter() -> None:
    ours = two(aliases={"both": Route(("lab/a", "shed/b"))})
    assert targets(ours.decide("lab/gpt-4", unasked, 0.0)) == ["lab/gpt-4"]
    assert targets(ours.decide("both", unasked, 0.0)) == ["lab/a", "shed/b"]
    known = router(OPENAI_KEY, aliases={"both": Route(("openai/gpt-4", "openai/gpt-4o-mini"))})
    with pytest.raises(AssertionError):
        known.decide("both", unasked, 0.0)


@given(
    st.sampled_from([0, 5_000, 100_000, 10_000_000]),
    st.frozensets(st.sampled_from(["tools", "images", "audio", "reasoning"])),
    st.lists(st.integers(0, 2), max_size=12),
    st.sampled_from(["priority", "cost", "latency"]),
)
def test_needs_that_are_told_late_lead_to_the_same_decision(
    size: int, capabilities: frozenset[str], failures: list[int], strategy: str
) -> None:
    health = Health(draw=lambda: 0.5)
    names = ("openai/gpt-4", "openai/gpt-4o-mini", "lab/a")
    ours = router(
        OPENAI_KEY,
        health=health,
        providers={"lab": LAB},
        aliases={"all": Route(names, strategy=strategy)},
    )
    for number in failures:
        health.fail(names[number], "", NetworkError("refused"), 0.0)
    needs = Needs(size, 100, capabilities)
    late, early = ours.decide("all", lambda: needs, 0.0), ours.decide("all", needs, 0.0)
    assert targets(late) == targets(early)
    assert [choice.reason for choice in late.choices] == [choice.reason for choice in early.choices]
    assert late.line() == early.line()


def test_names_that_callers_invent_fill_no_memory() -> None:
    ours = two()
    for number in range(3_000):
        ours.decide(f"lab/invented-{number}", Needs(), 0.0)
    assert len(ours._plans) <= 1024


def test_a_refusal_is_final_but_where_the_route_says_next() -> None:
    aliases = {"firm": Route(("lab/a",)), "soft": Route(("lab/a",), after_refusal="next")}
    ours = two(aliases=aliases)
    assert [ours.decide(name, Needs(), 0.0).past_refusal for name in ("firm", "soft", "lab/a")] == [False, True, False]
