"""Usage × price → cost, in whole nano-dollars (billionths of a US dollar). Pure; no float touches money."""

from __future__ import annotations

from mini_llm.catalogue import price_from
from mini_llm.types import Price, Usage

__all__ = ["cost_nanos", "dollars", "estimate", "price_from"]

PER = 10**6  # prices are for a million tokens
DOLLAR = 10**9


def cost_nanos(usage: Usage, price: Price | None) -> int | None:
    """Return what *usage* costs at *price*, rounded up once; None if the price of a part that was used is unknown.

    Images in the prompt count as input, reasoning as output. Fees for tools (a web search) are not in it.
    """
    if price is None:
        return None
    price = _tier(price, usage.input_tokens)
    apart = (
        (usage.cache_read_tokens, price.cache_read),
        (usage.cache_write_5m_tokens, price.cache_write_5m),
        (usage.cache_write_1h_tokens, price.cache_write_1h),
        (usage.input_audio_tokens, price.input_audio),
    )
    # Parts that are more than their whole are a provider's mistake: what is left is none, never less.
    plain_input = max(0, usage.input_tokens - sum(tokens for tokens, _ in apart))
    plain_output = max(0, usage.output_tokens - usage.output_audio_tokens)
    total = 0
    for tokens, rate in (
        *apart,
        (plain_input, price.input),
        (plain_output, price.output),
        (usage.output_audio_tokens, price.output_audio),
    ):
        if not tokens:
            continue
        if rate is None:
            return None
        total += tokens * rate
    return -(-total // PER) + (price.request or 0)


def estimate(input_tokens: int, output_tokens: int, price: Price | None) -> int | None:
    """Return what a request of these sizes costs without any cache; None if unknown."""
    return cost_nanos(Usage(input_tokens=input_tokens, output_tokens=output_tokens), price)


def dollars(nanos: int | None) -> str:
    """Return an amount as people read it: `$12.30`, `$0.0021` (two digits that count), `$0`, `unknown`."""
    if nanos is None:
        return "unknown"
    if nanos == 0:
        return "$0"
    sign, amount = ("-", -nanos) if nanos < 0 else ("", nanos)
    places = 2 if amount >= DOLLAR else max(2, 11 - len(str(amount)))
    unit = DOLLAR // 10 ** min(places, 9)
    amount = (amount + unit // 2) // unit * unit
    whole, rest = divmod(amount, DOLLAR)
    return f"{sign}${whole}.{f'{rest:09d}'[: min(places, 9)]}"


def decimal(nanos: int) -> str:
    """Return an amount in dollars as an exact decimal number for machines: "0.0021"."""
    sign, (whole, rest) = ("-" if nanos < 0 else ""), divmod(abs(nanos), DOLLAR)
    return f"{sign}{whole}.{rest:09d}".rstrip("0").rstrip(".")


def _tier(price: Price, input_tokens: int) -> Price:
    """Return the price that holds for a request with so many input tokens."""
    begun = [tier for start, tier in price.tiers if input_tokens >= start]
    return begun[-1] if begun else price
