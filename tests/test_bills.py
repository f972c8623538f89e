"""Golden bills: recorded usage at published prices, worked out by hand, equal to ours to the billionth of a dollar."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

import pytest

from mini_llm import dialects
from mini_llm.catalogue import Catalogue
from mini_llm.dialects.bedrock_converse import words as converse
from mini_llm.dialects.cohere import words as cohere
from mini_llm.pricing import cost_nanos, cost_of
from mini_llm.types import Usage
from tests.bills import BILLS, Bill
from tests.dialects.reading import OURS, WIRE, decoded

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
CATALOGUE = Catalogue.open(now=NOON.timestamp)
each_bill = pytest.mark.parametrize("bill", BILLS, ids=lambda bill: f"{bill.provider}/{bill.model}")
# Answers that were charged otherwise, each with what makes it right: the model, the day, a fee for something else.
CHARGED_OTHERWISE = {
    # An alias: grok-4.3 answered.
    "xai/rig-response-identity-streaming-terminal-carries-identity-0-d2dff2": ("xai/grok-4.3", NOON, 0),
    # Recorded before OpenAI cut the price on 2026-08-21, which OpenRouter passes on.
    "openrouter/pai-test-openai-prompt-cache-test-openrouter-responses-prompt-cache-0-b54575": (
        "openai/gpt-5.6-sol",
        datetime(2026, 8, 20, 12, tzinfo=UTC),
        0,
    ),
    "openrouter/pai-test-openai-prompt-cache-test-openrouter-responses-prompt-cache-1-82c00e": (
        "openai/gpt-5.6-sol",
        datetime(2026, 8, 20, 12, tzinfo=UTC),
        0,
    ),
    # $0.002 for reading a file, which is not a matter of tokens.
    "openrouter/pai-test-openrouter-test-openrouter-file-annotation-0-2b5a4f": (
        "openrouter/openai/gpt-5.1-codex-mini",
        NOON,
        2_000_000,
    ),
}


def told(bill: Bill) -> Usage:
    """Return what the provider told, in our words."""
    if bill.dialect == "cohere":
        usage = cohere.decode_usage(bill.told["usage"])
    elif bill.dialect == "bedrock_converse":
        usage = converse.decode_usage(bill.told["usage"])
    else:
        usage = dialects.get(bill.dialect).used(bill.told)
    assert usage is not None
    return usage


def priced(provider: str, model: str, usage: Usage, moment: datetime = NOON) -> int | None:
    """Return what *usage* cost at *moment* by the catalogue."""
    catalogue = CATALOGUE if moment == NOON else Catalogue.open(now=moment.timestamp)
    known = catalogue.get(provider, model)
    return cost_nanos(usage, known.price if known else None)


def recorded(path: Path) -> Usage | None:
    """Return what the recording at *path* says of its usage."""
    entry = json.loads(path.read_text(encoding="utf-8"))
    dialect = {**OURS, "bedrock-converse": "bedrock_converse", "cohere": "cohere"}[entry["dialect"]]
    answer = entry["response"]
    if "sse" in answer:
        usages = [delta.usage for delta in decoded(dialect, answer["sse"].encode()) if delta.usage]
        return usages[-1] if usages else None
    return dialects.of_target(dialect).decode_response(answer["body"]).usage


def test_there_are_bills_of_many_providers() -> None:
    assert len({bill.provider for bill in BILLS}) >= 17


@each_bill
def test_a_bill_worked_out_by_hand_is_what_the_answer_costs(bill: Bill) -> None:
    by_hand = sum(Decimal(tokens) * Decimal(dollars) * 1000 for tokens, dollars in bill.lines)
    assert Decimal(by_hand).to_integral_value(ROUND_CEILING) == bill.nanos
    usage = told(bill)
    assert usage.input_tokens + usage.output_tokens == sum(tokens for tokens, _ in bill.lines)
    assert priced(bill.provider, bill.model, usage) == bill.nanos


@each_bill
def test_the_bill_is_worked_out_again_from_the_name_of_its_price(bill: Bill) -> None:
    known = CATALOGUE.get(bill.provider, bill.model)
    assert known is not None
    assert cost_of(CATALOGUE)(bill.provider, bill.model, known.snapshot, told(bill)) == bill.nanos


@each_bill
def test_the_bill_is_that_of_the_recorded_answer(bill: Bill) -> None:
    path = WIRE / f"{bill.recording}.json"
    if not path.exists():
        pytest.skip("no recordings in ../shared/wire")
    usage = recorded(path)
    assert usage is not None
    assert usage._replace(raw={}) == told(bill)._replace(raw={})
    assert priced(bill.provider, bill.model, usage) == bill.nanos


@each_bill
def test_the_data_sets_own_calculator_comes_to_the_same_bill(bill: Bill) -> None:
    genai_prices = pytest.importorskip("genai_prices")
    usage = told(bill)
    said = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_5m_tokens,
            cache_write_5m_tokens=usage.cache_write_5m_tokens,
            input_audio_tokens=usage.input_audio_tokens,
            cache_audio_read_tokens=0,
            output_audio_tokens=0,
        ),
        bill.model,
        provider_id=bill.theirs,
        genai_request_timestamp=NOON,
    )
    assert (said.total_price * 10**9).to_integral_value(ROUND_CEILING) == bill.nanos


def charged() -> Iterator[tuple[str, str, str, int, Usage]]:
    """Yield each recorded answer for which xAI or OpenRouter told its own charge, and for which there is a price."""
    for provider in ("xai", "openrouter"):
        for path in sorted((WIRE / provider).glob("*.json")):
            entry = json.loads(path.read_text(encoding="utf-8"))
            if entry["response"]["status"] != 200 or entry["dialect"] not in OURS:
                continue
            usage = recorded(path)
            if usage is None or usage.cost_nanos is None or priced(provider, entry["model"], usage) is None:
                continue
            yield f"{provider}/{path.stem}", provider, entry["model"], usage.cost_nanos, usage


def test_what_providers_say_that_they_charged_is_what_we_work_out() -> None:
    if not WIRE.exists():
        pytest.skip("no recordings in ../shared/wire")
    compared = 0
    for name, provider, model, cost, usage in charged():
        if name not in CHARGED_OTHERWISE:
            assert priced(provider, model, usage) == cost, name
            compared += 1
            continue
        assert priced(provider, model, usage) != cost, f"{name} is no exception any more"
        right, moment, fee = CHARGED_OTHERWISE[name]
        seller, _, sold = right.partition("/")
        tokens = priced(seller, sold, usage, moment)
        assert tokens is not None and tokens + fee == cost, name
    assert compared >= 20


@pytest.mark.parametrize(
    ("dialect", "answer", "service"),
    [
        ("openai_chat", {"usage": {"prompt_tokens": 1}, "service_tier": "default"}, ""),
        ("openai_chat", {"usage": {"prompt_tokens": 1}, "service_tier": "flex"}, "flex"),
        ("openai_chat", {"usage": {"prompt_tokens": 1}, "service_tier": "on_demand"}, ""),
        ("openai_chat", {"usage": {"prompt_tokens": 1}, "service_tier": 7}, ""),
        ("openai_chat", {"usage": {"prompt_tokens": 1}, "service_tier": "+@ " * 99}, "other"),
        ("openai_responses", {"usage": {"input_tokens": 1}, "service_tier": "priority"}, "priority"),
        ("anthropic_messages", {"usage": {"input_tokens": 1, "service_tier": "batch"}}, "batch"),
        ("anthropic_messages", {"usage": {"input_tokens": 1, "service_tier": "standard", "speed": "fast"}}, "fast"),
        ("anthropic_messages", {"usage": {"input_tokens": 1, "inference_geo": "us"}}, "us"),
        ("gemini", {"usageMetadata": {"promptTokenCount": 1, "serviceTier": "standard"}}, ""),
        ("gemini", {"usageMetadata": {"promptTokenCount": 1, "trafficType": "ON_DEMAND_PRIORITY"}}, "priority"),
        ("gemini", {"usageMetadata": {"promptTokenCount": 1, "trafficType": "TRAFFIC_TYPE_UNSPECIFIED"}}, ""),
    ],
)
def test_the_answer_says_which_class_of_service_is_paid(dialect: str, answer: dict[str, Any], service: str) -> None:
    usage = dialects.get(dialect).used(answer)
    assert usage is not None and usage.service_tier == service
