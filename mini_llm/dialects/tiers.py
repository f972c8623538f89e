"""Which class of service an answer says it came from: in OpenAI's words, and for its price."""

from __future__ import annotations

from mini_llm.types import ChatResponse

# The official SDKs document these and no others. Anthropic and Google say "standard", Groq "on_demand".
_OPENAI = frozenset({"auto", "default", "flex", "scale", "priority"})
_USUAL = frozenset({"standard", "on_demand"})
# What each of them says where nothing special was paid for.
_PLAIN = frozenset({"", "auto", "default", "standard", "on_demand", "unspecified", "not_available", "global"})
_LONGEST = 24


def openai_tier(response: ChatResponse, dialect: str) -> str:
    """Return the class of service for an answer in *dialect*, one of OpenAI's; "" where there is no word for it."""
    tier = response.service_tier
    if tier in _OPENAI or response.dialect == dialect:
        return tier
    return "default" if tier in _USUAL else ""


def paid(*told: object) -> str:
    """Return the first class of service in *told* that has a price of its own, "" where all are the usual one."""
    for word in told:
        if word is None or word == "default":
            continue
        if isinstance(word, str) and (service := _service(word)) not in _PLAIN:
            return service
    return ""


def _service(word: str) -> str:
    """Return the word that prices go by: Vertex says `ON_DEMAND_FLEX`."""
    short = word.lower()
    for prefix in ("traffic_type_", "service_tier_", "on_demand_"):
        short = short.removeprefix(prefix)
    known = not short or (len(short) <= _LONGEST and short.isascii() and short.replace("_", "").isalpha())
    return short if known else "other"
