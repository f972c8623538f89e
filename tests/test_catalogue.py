"""What is known of models: found by any name, the newest prices first, and refreshed only by data that is sound."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.catalogue import SHIPPED, Catalogue, nanos
from mini_llm.catalogue.dataset import compact, dump
from mini_llm.errors import ConfigError
from mini_llm.types import Price

DOLLAR = 10**9
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC).timestamp
RAW: list[dict[str, Any]] = [
    {
        "id": "google",
        "fallback_model_providers": ["openai"],
        "models": [
            {
                "id": "gem-2",
                "name": "Gem 2",
                "match": {"or": [{"starts_with": "gem-2"}, {"regex": r"^g2-\d{8}$"}]},
                "context_window": 1000,
                "prices": {
                    "input_mtok": {"base": Decimal("0.1"), "tiers": [{"start": 200, "price": Decimal("0.2")}]},
                    "output_mtok": 4,
                    "web_searches_kcount": 14,
                },
            },
            {"id": "claude-x", "match": {"contains": "claude-x"}, "prices": {"input_mtok": 1}},
        ],
    },
    {
        "id": "openai",
        "models": [
            {"id": "paint-1", "match": {"equals": "paint-1"}, "prices": {"input_mtok": 1, "output_image_mtok": 30}},
            {"id": "gift:free", "match": {"equals": "gift:free"}, "prices": {}},
            {"id": "riddle", "match": {"equals": "riddle"}, "prices": {}},
            {
                "id": "dated",
                "match": {"and": [{"starts_with": "dated"}, {"regex": "^(?!.*tts)"}]},
                "prices": [
                    {"prices": {"input_mtok": 1}},
                    {"constraint": {"start_date": "2026-01-01"}, "prices": {"input_mtok": 2, "requests_kcount": 12}},
                    {"constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": 3}},
                    {"constraint": {"start_time": "22:00:00Z", "end_time": "04:00:00Z"}, "prices": {"input_mtok": 9}},
                ],
            },
        ],
    },
    {"id": "unknown-to-us", "models": [{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": 1}}]},
]
OURS = ("openai", "gemini")


def test_the_committed_snapshot_is_what_the_script_makes_from_the_pinned_data_set() -> None:
    pytest.importorskip("genai_prices")
    import catalogue as script  # scripts/catalogue.py

    assert SHIPPED.read_bytes() == script.snapshot(), "run `python scripts/catalogue.py`"


def test_the_snapshot_is_small_and_dated() -> None:
    assert SHIPPED.stat().st_size <= 220_000
    assert Catalogue.open().snapshot >= "2026-11-10"


def test_every_name_the_data_set_gives_a_model_leads_to_the_same_model() -> None:
    pytest.importorskip("genai_prices")
    from genai_prices.data import providers

    known = Catalogue.open()
    theirs = {
        **{name: "google" for name in ("gemini", "vertex", "vertex-anthropic")},
        "xai": "x-ai",
        "moonshot": "moonshotai",
        "bedrock": "aws",
        "azure-deployments": "azure",
    }
    listed: list[str] = []
    wire: dict[str, Callable[[str], str]] = {
        "zai": str.lower,
        "fireworks": lambda id: next(one for one in listed if one.endswith(f"/{id}")),
    }
    labels = {"codestral": "codestral-latest", "mistral-medium-3-1": "mistral-medium"}  # no names of the wire
    compared = 0
    for name in known.providers:
        entry = next(one for one in providers if one.id == theirs.get(name, name))
        listed = [model.id for model in known.models(name)]
        for id in listed:
            for asked in (id, id.upper(), f"{id}-20991231", f"{id}-2099-12-31"):
                meant = entry.find_model(asked, all_providers=providers)
                found = known.get(name, asked)
                if asked.lower() == id.lower():
                    assert found is not None and found.id == id
                elif name == "bedrock":  # whose labels name a place, as in `regional.anthropic`
                    assert found is None or (meant is not None and meant.id.endswith(found.id.removeprefix("us.")))
                elif meant is None:
                    assert found is None, (name, asked)
                else:
                    assert found is not None and found.id == labels.get(meant.id, wire.get(name, str)(meant.id))
                compared += 1
    assert compared > 4_000


@pytest.mark.parametrize(
    ("provider", "asked", "found"),
    [
        ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("anthropic", "claude-haiku-5-5-20260901", "claude-haiku-5-5"),
        ("openai", "GPT-4o", "gpt-4o"),
        ("openai", "gpt-6.1-terra-20261003", "gpt-6.1-terra"),
        ("azure", "gpt-4.1", "gpt-4.1"),
        ("gemini", "gemini-3.5-flash", "gemini-3.5-flash"),
        ("fireworks", "accounts/fireworks/models/glm-5p3", "accounts/fireworks/models/glm-5p3"),
        ("zai", "glm-4.6v", "glm-4.6v"),
    ],
)
def test_a_model_is_found_by_its_names(provider: str, asked: str, found: str) -> None:
    model = Catalogue.open().get(provider, asked)
    assert model is not None and model.id == found
    assert model.price is not None and model.price.input
    assert model.snapshot == "2026-11-10"


@pytest.mark.parametrize("name", ["", "no-such-model", "\0", "é" * 10_000, "gpt-4o/../x", "*", "/^.*$/"])
def test_a_name_nobody_knows_is_none_whatever_it_is(name: str) -> None:
    assert Catalogue.open().get("openai", name) is None
    assert Catalogue.open().get(name, "gpt-4o") is None
    assert Catalogue.open().providers_of(name) == ()


def test_the_providers_of_a_model_are_told_with_the_lenders_last() -> None:
    assert Catalogue.open().providers_of("gpt-4.1") == ("openai", "azure", "azure-deployments")
    assert Catalogue.open().providers_of("llama-3.3-70b-versatile") == ("groq",)


def test_gemini_does_not_claim_what_only_vertex_sells() -> None:
    assert Catalogue.open().get("gemini", "claude-sonnet-4-5") is None


@pytest.mark.parametrize(
    ("asked", "dollars"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "3.3"),  # a tenth more for staying in one region
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "3.3"),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "3.3"),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "3"),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0", "0.06"),
        ("claude-sonnet-4-5-20250929", None),  # Bedrock's names begin with a vendor
        ("claude-3-5-haiku-20241022", None),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", None),
    ],
)
def test_bedrock_is_priced_by_its_own_names(asked: str, dollars: str | None) -> None:
    model = Catalogue.open().get("bedrock", asked)
    price = model.price.input if model and model.price else None
    assert price == (None if dollars is None else int(Decimal(dollars) * DOLLAR))


def test_every_model_of_bedrock_is_listed_by_a_name_that_bedrock_takes() -> None:
    listed = [model.id for model in Catalogue.open().models("bedrock")]
    assert len(listed) > 100
    assert not [id for id in listed if id.startswith("regional.") or "." not in id]


def test_vertex_and_azures_deployments_are_priced() -> None:
    known = Catalogue.open()
    for provider, asked in [
        ("vertex", "gemini-2.5-flash"),
        ("vertex-anthropic", "claude-sonnet-4-5@20250929"),
        ("azure-deployments", "gpt-4.1"),
    ]:
        model = known.get(provider, asked)
        assert model is not None and model.price is not None and model.price.input, provider
    assert known.get("vertex", "claude-sonnet-4-5") is None
    assert known.get("vertex-anthropic", "gemini-2.5-flash") is None


def test_who_lends_a_model_does_not_sell_it_at_its_makers_other_prices() -> None:
    known = Catalogue.open(now=NOON)
    own, lent = known.get("openai", "gpt-4.1"), known.get("azure", "gpt-4.1")
    assert own is not None and own.price is not None and dict(own.price.services)["priority"].input
    assert lent is not None and lent.price == own.price._replace(services=())


def test_the_nearest_names_are_told() -> None:
    known = Catalogue.open()
    names = [model.id for model in known.models("anthropic")]
    assert known.nearest("claude-sonet-5-5", names)[0] == "claude-sonnet-5-5"
    assert known.nearest("x" * 100_000, names) == ()


def test_a_users_price_wins_and_replaces_the_whole_price() -> None:
    prices = {"openai/gpt-4o": {"input": "1"}, "lab/m": {"input": "2", "output": "3"}}
    known = Catalogue.open(overrides=prices)
    dated = known.get("openai", "gpt-4o-2024-11-20")
    assert dated is not None and dated.price == Price(input=DOLLAR)
    assert dated.snapshot.startswith("config-") and dated.context_window == 128_000
    assert [model.id for model in known.models("lab")] == ["m"]
    assert known.providers_of("m") == ("lab",)


def test_a_users_price_that_is_no_amount_is_named() -> None:
    with pytest.raises(ConfigError, match="prices of openai/gpt-4o: `input`"):
        Catalogue.open(overrides={"openai/gpt-4o": {"input": "cheap"}})


def test_nothing_is_read_before_the_first_question() -> None:
    def explode() -> dict[str, Any]:
        raise AssertionError("read too early")

    Catalogue(explode, {})


def small(now: str = "2026-06-01T12:00", raw: Any = RAW) -> Catalogue:
    snapshot = compact(raw, snapshot="2026-06-01", source="test", providers=OURS)
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    return Catalogue(lambda: json.loads(dump(snapshot)), {}, moment.timestamp)


def test_prices_are_exact_and_tiers_begin_above_their_start() -> None:
    model = small().get("gemini", "gem-2-pro")
    assert model is not None and model.name == "Gem 2" and model.context_window == 1000
    base = Price(input=100_000_000, output=4 * DOLLAR, web_search=14_000_000)
    assert model.price == base._replace(tiers=((201, base._replace(input=200_000_000)),))
    assert small().get("gemini", "g2-20260101") == model


def test_what_we_cannot_count_makes_its_side_unknown() -> None:
    model = small().get("openai", "paint-1")
    assert model is not None and model.price == Price(input=DOLLAR)


def test_an_empty_price_is_free_only_where_the_name_says_so() -> None:
    free, unknown = small().get("openai", "gift:free"), small().get("openai", "riddle")
    assert free is not None and free.price is not None and (free.price.input, free.price.output) == (0, 0)
    assert unknown is not None and unknown.price is None


@pytest.mark.parametrize(
    ("now", "dollars"),
    [
        ("2025-12-31T12:00", 1),
        ("2026-06-01T12:00", 2),
        ("2026-06-01T21:59", 2),
        ("2026-06-01T22:00", 9),
        ("2026-06-02T03:59", 9),
        ("2026-06-02T04:00", 2),
        ("2026-12-31T12:00", 2),
        ("2027-01-01T12:00", 3),
    ],
)
def test_a_price_holds_from_its_day_on_and_at_its_hours(now: str, dollars: int) -> None:
    model = small(now).get("openai", "dated-v1")
    assert model is not None and model.price is not None and model.price.input == dollars * DOLLAR


def test_a_fee_for_a_thousand_calls_is_told_for_one() -> None:
    model = small().get("openai", "dated")
    assert model is not None and model.price is not None and model.price.request == 12_000_000


def test_one_model_asked_twice_across_new_year_changes_its_price() -> None:
    moments = iter((datetime(2026, 12, 31, 12, tzinfo=UTC), datetime(2027, 1, 1, 12, tzinfo=UTC)))
    known = Catalogue.open(now=lambda: next(moments).timestamp())
    before, after = known.get("gemini", "gemini-3.6-flash"), known.get("gemini", "gemini-3.6-flash")
    assert before is not None and before.price is not None and before.price.input == 750_000_000
    assert after is not None and after.price is not None and after.price.input == 1_500_000_000


SERVED: list[dict[str, Any]] = [
    {
        "id": "openai",
        "models": [
            {
                "id": "served",
                "match": {"equals": "served"},
                "prices": [
                    {"prices": {"input_mtok": 4, "output_mtok": 8, "cache_read_mtok": 1}},
                    {"constraint": {"start_date": "2026-03-01"}, "prices": {"input_mtok": 2, "output_mtok": 6}},
                ],
                "price_variants": [
                    {"when": {"service_tier": "default"}, "prices": {}},
                    {"when": {"service_tier": "flex"}, "prices": {"input_mtok": 1}},
                    {"when": {"service_tier": "flex"}, "prices": {"input_mtok": 9, "output_mtok": 3}},
                    {
                        "when": {"processing": "batch"},
                        "prices": {"output_mtok": 5},
                        "constraint": {"start_date": "2026-05-01"},
                    },
                    {"when": {"route": "elsewhere"}, "prices": {"input_mtok": 7}},
                    {"when": {"service_tier": "flex", "speed": "fast"}, "prices": {"input_mtok": 7}},
                ],
            }
        ],
    }
]


@pytest.mark.parametrize(
    ("now", "usual", "services"),
    [
        ("2026-02-28T12:00", (4, 8, 1), {"flex": (1, 3, 1)}),
        ("2026-03-01T12:00", (2, 6, None), {"flex": (1, 3, None)}),
        ("2026-05-01T12:00", (2, 6, None), {"flex": (1, 3, None), "batch": (2, 5, None)}),
    ],
)
def test_a_class_of_service_changes_what_it_names_of_the_price_of_the_day(
    now: str, usual: tuple[int | None, ...], services: dict[str, tuple[int | None, ...]]
) -> None:
    model = small(now, SERVED).get("openai", "served")
    assert model is not None and model.price is not None

    def dollars(price: Price) -> tuple[int | None, ...]:
        return tuple(rate and rate // DOLLAR for rate in (price.input, price.output, price.cache_read))

    assert dollars(model.price) == usual
    assert {service: dollars(price) for service, price in model.price.services} == services


@given(st.decimals(0, 999_999, places=9, allow_nan=False, allow_infinity=False))
def test_money_text_is_read_without_a_float(amount: Decimal) -> None:
    assert nanos(format(amount, "f")) == int(amount * DOLLAR)
