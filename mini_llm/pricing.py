"""Usage × price → cost, in whole nano-dollars (billionths of a US dollar). Pure; no float touches money."""

from __future__ import annotations

from collections.abc import Callable

from mini_llm.catalogue import FIELDS, Catalogue, price_from
from mini_llm.types import Model, Price, Usage

__all__ = [
    "cost_nanos",
    "cost_of",
    "discounted",
    "dollars",
    "estimate",
    "less",
    "price_from",
    "price_id",
    "saved_nanos",
]

PER = 10**6  # prices are for a million tokens
DOLLAR = 10**9


def cost_nanos(usage: Usage, price: Price | None) -> int | None:
    """Return what *usage* costs at *price*, rounded up once; None if the price of a part that was used is unknown.

    Reasoning counts as output, images as input where they have no price of their own. A class of service that the
    price does not name is unknown, also where it would be cheaper. Of the fees for a provider's own tools only those
    for web searches are in it: no usage tells of others.
    """
    if price is not None and usage.service_tier:
        price = dict(price.services).get(usage.service_tier)
    if price is None:
        return None
    price = _tier(price, usage.input_tokens)
    sound = 0 if price.cache_read_audio is None else min(usage.cache_read_audio_tokens, usage.cache_read_tokens)
    apart = (
        (usage.cache_read_tokens - sound, price.cache_read),
        (sound, price.cache_read_audio),
        (usage.cache_write_5m_tokens, price.cache_write_5m),
        (usage.cache_write_1h_tokens, price.cache_write_1h),
        (usage.input_audio_tokens, price.input_audio),
        (0 if price.input_image is None else usage.input_image_tokens, price.input_image),
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
    if usage.web_searches and price.web_search is None:
        return None
    return -(-total // PER) + (price.request or 0) + usage.web_searches * (price.web_search or 0)


def saved_nanos(cost: int | None, discount: int) -> int:
    """Return what a *discount* (billionths of the whole) took off before *cost* was left."""
    return cost * discount // (DOLLAR - discount) if cost and 0 < discount < DOLLAR else 0


def estimate(input_tokens: int, output_tokens: int, price: Price | None) -> int | None:
    """Return what a request of these sizes costs without any cache; None if unknown."""
    return cost_nanos(Usage(input_tokens=input_tokens, output_tokens=output_tokens), price)


def price_id(model: Model | None, usage: Usage | None, snapshot: str) -> str:
    """Return the name of the price that a use of *model* costs: where it is from, and the class of service.

    *snapshot* stands for a model that is not known: that it was not is found there again.
    """
    tier = usage.service_tier if usage is not None else ""
    name = model.snapshot if model is not None else snapshot
    return f"{name}+{tier}" if tier else name


def cost_of(catalogue: Catalogue) -> Callable[[str, str, str, Usage], int | None]:
    """Return what works out a cost again: (provider, model, `price_id`, usage) → cost.

    That raises LookupError where the price is not at hand any more.
    """

    def cost(provider: str, model: str, id: str, usage: Usage) -> int | None:
        snapshot, _, tier = id.partition("+")
        return cost_nanos(usage._replace(service_tier=tier), catalogue.price(provider, model, snapshot))

    return cost


def discounted(price: Price, percent: int) -> Price:
    """Return *price* less *percent* of each amount, rounded up. What is unknown stays so."""
    amounts = {field: getattr(price, field) for field in FIELDS}
    return price._replace(
        **{field: None if amount is None else less(amount, percent) for field, amount in amounts.items()},
        tiers=tuple((start, discounted(tier, percent)) for start, tier in price.tiers),
        services=tuple((service, discounted(other, percent)) for service, other in price.services),
    )


def less(nanos: int, percent: int) -> int:
    """Return an amount less so many percent, rounded up."""
    return -(-nanos * (100 - percent) // 100)


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
