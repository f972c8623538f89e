"""What a provider itself says that it charged."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

from mini_llm.dialects import loose
from mini_llm.types import Json

_NANOS = 10**9
_DECIMAL = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,18})?")


def told_cost(usage: Json, body: Json = loose.NOTHING) -> int | None:
    """Return the cost that *usage*, or *body* around it, names, in billionths of a dollar; None if it names none."""
    if "cost" not in usage and "cost" not in body and "cost_in_usd_ticks" not in usage:
        return None
    cost = usage.get("cost")
    if isinstance(cost, dict):  # Perplexity
        cost = cost.get("total_cost")
    if cost is None:
        cost = loose.object_of(body.get("cost")).get("usd")  # Venice
    if (nanos := nanos_of(cost)) is not None:
        # With a key of one's own OpenRouter's cost is its fee; the model's own price stands beside it.
        upstream = loose.object_of(usage.get("cost_details")).get("upstream_inference_cost")
        return nanos + (nanos_of(upstream) or 0) if usage.get("is_byok") is True else nanos
    ticks = loose.count(usage.get("cost_in_usd_ticks"))  # xAI: ten to the dollar's billionth; Azure always says 0
    return -(-ticks // 10) if ticks else None


def nanos_of(cost: object) -> int | None:
    """Return an amount in dollars, a number or a decimal string, in their billionths; None for anything else."""
    if isinstance(cost, str):
        if not _DECIMAL.fullmatch(cost):
            return None
    elif not isinstance(cost, (int, float)) or isinstance(cost, bool) or not 0 <= cost < 1e9:
        return None
    return int((Decimal(str(cost)) * _NANOS).to_integral_value(ROUND_CEILING))


def dollars(nanos: int) -> float:
    """Return *nanos* as the number of dollars that goes on the wire."""
    return float(Decimal(nanos) / _NANOS)
