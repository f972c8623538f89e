"""Which class of service an answer says it came from, in OpenAI's words."""

from __future__ import annotations

from mini_llm.types import ChatResponse

# The official SDKs document these and no others. Anthropic and Google say "standard", Groq "on_demand".
_OPENAI = frozenset({"auto", "default", "flex", "scale", "priority"})
_USUAL = frozenset({"standard", "on_demand"})


def openai_tier(response: ChatResponse, dialect: str) -> str:
    """Return the class of service for an answer in *dialect*, one of OpenAI's; "" where there is no word for it."""
    tier = response.service_tier
    if tier in _OPENAI or response.dialect == dialect:
        return tier
    return "default" if tier in _USUAL else ""
