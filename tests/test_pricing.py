"""What a call costs: by hand, at every edge, and beside the data set's own calculator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mini_llm.catalogue import FIELDS, Catalogue
from mini_llm.errors import ConfigError
from mini_llm.pricing import cost_nanos, discounted, dollars, estimate, price_from, price_id, saved_nanos
from mini_llm.types import Model, Price, Usage

DOLLAR = 10**9
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)  # the snapshot's day, at an hour without a peak price anywhere
PRICE = Price(
    input=3 * DOLLAR,
    output=15 * DOLLAR,
    cache_read=3 * DOLLAR // 10,
    cache_write_5m=375 * DOLLAR // 100,
    cache_write_1h=6 * DOLLAR,
    input_audio=30 * DOLLAR,
    output_audio=60 * DOLLAR,
)
TIERED = Price(input=2, output=4, tiers=((201, Price(input=20, output=40)), (1001, Price(input=200, output=400))))


def test_each_part_is_charged_once_at_its_own_price() -> None:
    usage = Usage(
        input_tokens=1_000_000,
        cache_read_tokens=400_000,
        cache_write_5m_tokens=100_000,
        cache_write_1h_tokens=50_000,
        input_audio_tokens=50_000,
        output_tokens=200_000,
        reasoning_tokens=150_000,  # inside the output
        output_audio_tokens=20_000,
    )
    # 400k text $1.20, read $0.12, 5 m $0.375, 1 h $0.30, audio in $1.50, 180k out $2.70, audio out $1.20
    assert cost_nanos(usage, PRICE) == 7_395_000_000


def test_sound_from_the_cache_has_a_price_of_its_own_where_one_is_known() -> None:
    usage = Usage(input_tokens=10, cache_read_tokens=8, cache_read_audio_tokens=6)
    price = Price(input=100 * 10**6, cache_read=10 * 10**6)
    assert cost_nanos(usage, price) == 2 * 100 + 8 * 10
    assert cost_nanos(usage, price._replace(cache_read_audio=50 * 10**6)) == 2 * 100 + 2 * 10 + 6 * 50


def test_each_web_search_has_its_fee_and_one_without_a_known_fee_makes_the_cost_unknown() -> None:
    usage = Usage(input_tokens=1_000_000, web_searches=3)
    assert cost_nanos(usage, Price(input=DOLLAR, web_search=DOLLAR // 100)) == DOLLAR + 3 * DOLLAR // 100
    assert cost_nanos(usage, Price(input=DOLLAR)) is None


def test_what_a_discount_saved_and_what_was_left_are_the_whole() -> None:
    assert saved_nanos(900, DOLLAR // 10) == 100
    assert [saved_nanos(None, 5), saved_nanos(900, 0), saved_nanos(900, DOLLAR), saved_nanos(0, 5)] == [0, 0, 0, 0]


def test_a_fraction_is_rounded_up_once_for_the_whole_row() -> None:
    one = Price(input=1, output=1)
    assert cost_nanos(Usage(input_tokens=1, output_tokens=1), one) == 1
    assert cost_nanos(Usage(input_tokens=500_000, output_tokens=500_000), one) == 1
    assert cost_nanos(Usage(input_tokens=500_000, output_tokens=500_001), one) == 2


@pytest.mark.parametrize(("tokens", "rate"), [(200, 2), (201, 20), (1000, 20), (1001, 200)])
def test_a_tier_holds_for_the_whole_request_from_its_first_token_on(tokens: int, rate: int) -> None:
    assert cost_nanos(Usage(input_tokens=tokens * 10**6), Price(input=7)) == tokens * 7
    assert cost_nanos(Usage(input_tokens=tokens), TIERED) == -(-tokens * rate // 10**6)


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input_tokens=1),
        Usage(output_tokens=1),
        Usage(input_tokens=1, cache_read_tokens=1),
        Usage(input_tokens=1, cache_write_5m_tokens=1),
        Usage(input_tokens=1, cache_write_1h_tokens=1),
        Usage(input_tokens=1, input_audio_tokens=1),
        Usage(output_tokens=1, output_audio_tokens=1),
    ],
)
def test_an_unknown_price_is_unknown_and_never_free(usage: Usage) -> None:
    assert cost_nanos(usage, None) is None
    assert cost_nanos(usage, Price()) is None
    assert cost_nanos(Usage(), Price()) == 0


def test_a_price_that_was_not_needed_may_be_unknown() -> None:
    assert cost_nanos(Usage(input_tokens=10**6), Price(input=5)) == 5


def test_parts_that_exceed_their_whole_never_lower_the_bill() -> None:
    usage = Usage(input_tokens=10, cache_read_tokens=10**6, output_tokens=1, output_audio_tokens=10**6)
    assert cost_nanos(usage, PRICE) == 300_000_000 + 60 * DOLLAR


def test_a_fee_for_the_call_is_added_even_to_an_empty_answer() -> None:
    assert cost_nanos(Usage(), Price(input=1, output=1, request=12_000_000)) == 12_000_000


def test_a_class_of_service_has_its_own_price_and_its_own_tiers() -> None:
    flex = Price(input=1 * DOLLAR, output=2 * DOLLAR, tiers=((1_001, Price(input=4 * DOLLAR, output=8 * DOLLAR)),))
    price = PRICE._replace(services=(("flex", flex), ("free", Price(input=0, output=0))))
    usage = Usage(input_tokens=1_000, output_tokens=10)
    assert cost_nanos(usage, price) == 3_150_000
    assert cost_nanos(usage._replace(service_tier="flex"), price) == 1_020_000
    assert cost_nanos(usage._replace(service_tier="flex", input_tokens=1_001), price) == 4_084_000
    assert cost_nanos(usage._replace(service_tier="free"), price) == 0


@pytest.mark.parametrize("service", ["priority", "provisioned_throughput", "us", "x"])
def test_a_class_of_service_without_a_known_price_is_unknown_and_never_the_usual_price(service: str) -> None:
    price = PRICE._replace(services=(("flex", PRICE),))
    assert cost_nanos(Usage(input_tokens=1, service_tier=service), price) is None


def test_pictures_cost_as_text_does_unless_they_have_a_price() -> None:
    usage = Usage(input_tokens=1_000, input_image_tokens=400)
    assert cost_nanos(usage, Price(input=1 * DOLLAR)) == 1_000_000
    assert cost_nanos(usage, Price(input=1 * DOLLAR, input_image=2 * DOLLAR)) == 1_400_000


RATES = st.none() | st.integers(0, 100 * DOLLAR)
PRICES = st.tuples(*[RATES] * len(FIELDS)).map(lambda rates: Price(**dict(zip(FIELDS, rates, strict=True))))


@given(PRICES, st.integers(0, 100))
def test_a_discount_takes_as_much_off_every_part_and_rounds_up(price: Price, percent: int) -> None:
    whole = price._replace(tiers=((9, price),), services=(("flex", price),))
    less = discounted(whole, percent)
    for field in FIELDS:
        before, after = getattr(price, field), getattr(less, field)
        assert (after is None) == (before is None)
        assert before is None or after == -(-before * (100 - percent) // 100)
    assert less.tiers == ((9, discounted(price, percent)),) and less.services == (("flex", discounted(price, percent)),)


@given(PRICES, st.builds(Usage, *[st.integers(0, 10**6)] * 2, raw=st.just({}), service_tier=st.just("")))
def test_more_tokens_never_cost_less(price: Price, usage: Usage) -> None:
    cost = cost_nanos(usage, price)
    more = cost_nanos(usage._replace(output_tokens=usage.output_tokens + 1), price)
    assert cost is None or more is None or cost <= more


def test_the_name_of_a_price_says_where_it_is_from_and_for_which_service() -> None:
    model = Model("lab", "m", price=PRICE, snapshot="2026-11-10@2026-08-21")
    assert price_id(model, Usage(service_tier="flex"), "2026-11-10") == "2026-11-10@2026-08-21+flex"
    assert price_id(model, None, "2026-11-10") == "2026-11-10@2026-08-21"
    assert price_id(None, Usage(), "2026-11-10") == "2026-11-10"


def test_an_estimate_knows_no_cache() -> None:
    assert estimate(1_000_000, 100_000, PRICE) == 4_500_000_000
    assert estimate(1, 1, None) is None


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (None, "unknown"),
        (0, "$0"),
        (1, "$0.000000001"),
        (12, "$0.000000012"),
        (2_149_999, "$0.0021"),
        (2_150_000, "$0.0022"),
        (9_960_000, "$0.0100"),
        (123_456_789, "$0.12"),
        (999_999_999, "$1.00"),
        (12_300_000_000, "$12.30"),
        (1_234_567_890_000_000, "$1234567.89"),
        (-2_100_000, "-$0.0021"),
    ],
)
def test_amounts_read_well(nanos: int | None, text: str) -> None:
    assert dollars(nanos) == text


@given(st.integers(-(10**15), 10**15).filter(bool))
def test_an_amount_that_is_shown_is_right_to_its_second_digit(nanos: int) -> None:
    shown = Decimal(dollars(nanos).replace("$", "")) * DOLLAR
    assert abs(shown - nanos) <= max(Decimal(abs(nanos)) / 20, Decimal(0))


def test_a_users_price_is_read_exactly() -> None:
    price = price_from({"input": "0.50", "output": "1.5", "cache_write": "0.000000001", "request": "2"})
    assert price == Price(input=500_000_000, output=1_500_000_000, cache_write_5m=1, request=2_000_000_000)


@pytest.mark.parametrize("text", ["", "-1", "1e3", "nan", "1.0000000001", "1,5", "٣", "0x1", "1.", ".5", "9" * 40, 1.5])
def test_a_users_price_that_is_no_amount_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(ConfigError, match="prices of lab/m: `input`"):
        price_from({"input": text}, "lab/m")


def test_a_users_price_with_an_unknown_word_is_refused() -> None:
    with pytest.raises(ConfigError, match="`inptu` is no price"):
        price_from({"inptu": "1"})


# Ours, theirs, and a model with prices of many kinds: flat, tiered, cached both ways, audio, a fee for the call.
COMPARED = [
    ("openai", "openai", "gpt-4o"),
    ("openai", "openai", "gpt-5.5"),
    ("openai", "openai", "gpt-5.6-sol"),
    ("openai", "openai", "gpt-audio"),
    ("anthropic", "anthropic", "claude-sonnet-4-5-20250929"),
    ("anthropic", "anthropic", "claude-opus-5-5"),
    ("gemini", "google", "gemini-2.5-pro"),
    ("gemini", "google", "gemini-2.5-flash"),
    ("gemini", "google", "gemini-3.6-flash"),
    ("groq", "groq", "llama-3.3-70b-versatile"),
    ("mistral", "mistral", "mistral-large-2512"),
    ("deepseek", "deepseek", "deepseek-v4-pro"),
    ("xai", "x-ai", "grok-4.3"),
    ("moonshot", "moonshotai", "kimi-k3"),
    ("perplexity", "perplexity", "sonar"),
    ("openrouter", "openrouter", "anthropic/claude-haiku-4.5"),
    ("fireworks", "fireworks", "accounts/fireworks/models/gpt-oss-120b"),
    ("azure", "azure", "gpt-4.1"),
]
COUNTS = st.one_of(st.integers(0, 3_000), st.integers(0, 600_000))


@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize(("ours", "theirs", "model"), COMPARED)
@given(counts=st.lists(COUNTS, min_size=7, max_size=7))
def test_the_cost_is_what_the_data_sets_own_calculator_says(
    ours: str, theirs: str, model: str, counts: list[int]
) -> None:
    genai_prices = pytest.importorskip("genai_prices")
    known = Catalogue.open(now=NOON.timestamp).get(ours, model)
    assert known is not None and known.price is not None
    price = known.price
    text, out, read, write, write_1h, audio, out_audio = counts
    # Where the data says no price, that calculator takes the price of the whole; we say unknown.
    read, write, write_1h, audio, out_audio = (
        count if rate is not None else 0
        for count, rate in (
            (read, price.cache_read),
            (write, price.cache_write_5m),
            (write_1h, price.cache_write_1h),
            (audio, price.input_audio),
            (out_audio, price.output_audio),
        )
    )
    usage = Usage(
        input_tokens=text + read + write + write_1h + audio,
        cache_read_tokens=read,
        cache_write_5m_tokens=write,
        cache_write_1h_tokens=write_1h,
        input_audio_tokens=audio,
        output_tokens=out + out_audio,
        output_audio_tokens=out_audio,
    )
    said = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=read,
            cache_write_tokens=write + write_1h,
            cache_write_5m_tokens=write,
            cache_write_1h_tokens=write_1h,
            input_audio_tokens=audio,
            cache_audio_read_tokens=0,
            output_audio_tokens=out_audio,
        ),
        model,
        provider_id=theirs,
        genai_request_timestamp=NOON,
    )
    assert cost_nanos(usage, price) == (said.total_price * DOLLAR).to_integral_value(ROUND_CEILING)


@pytest.mark.parametrize("model", ["gpt-5.5", "gpt-5.6-sol", "gpt-4.1", "o3"])
@pytest.mark.parametrize("service", ["flex", "priority", "batch"])
@given(counts=st.tuples(COUNTS, COUNTS, COUNTS), days=st.integers(0, 365))
@settings(max_examples=30, deadline=None)
def test_another_service_on_another_day_costs_what_the_data_sets_own_calculator_says(
    model: str, service: str, counts: tuple[int, int, int], days: int
) -> None:
    genai_prices = pytest.importorskip("genai_prices")
    moment = NOON - timedelta(days=days)
    known = Catalogue.open(now=moment.timestamp).get("openai", model)
    assert known is not None and known.price is not None
    if service not in dict(known.price.services):  # not sold then, or not told of
        return
    text, read, out = counts
    said = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=text + read, cache_read_tokens=read, output_tokens=out),
        model,
        provider_id="openai",
        genai_request_timestamp=moment,
        price_context={"processing" if service == "batch" else "service_tier": service},
    )
    usage = Usage(input_tokens=text + read, cache_read_tokens=read, output_tokens=out, service_tier=service)
    assert cost_nanos(usage, known.price) == (said.total_price * DOLLAR).to_integral_value(ROUND_CEILING)
