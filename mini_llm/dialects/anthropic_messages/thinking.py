"""How much a Claude may think, and how long its answer may get: both depend on how old the model is."""

from __future__ import annotations

import re

from mini_llm.dialects.anthropic_messages.words import CANNOT, NAME
from mini_llm.types import ChatRequest, Effort, Json, Message, Reasoning, Thinking, ToolCall

# Anthropic requires `max_tokens`; this is what we send for callers that leave it out: the most that every model of
# its kind can do. https://docs.anthropic.com/en/docs/about-claude/models (2026-11)
DEFAULT_MAX_TOKENS = 8_192
DEFAULT_MAX_TOKENS_OF = (("claude-3-5", 8_192), ("claude-3-7", 32_000), ("claude-3", 4_096), ("claude", 32_000))
SMALLEST_BUDGET = 1_024
LEAST_TOP_P = 0.95
_BUDGETS: dict[Effort, int] = {
    "minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 24_576, "max": 31_999,
}  # fmt: skip
# These take a budget; every later Claude decides itself ("adaptive") and refuses a budget from Opus 4.7 on.
# https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking (2026-11)
_TAKES_BUDGET = re.compile(
    r"claude-(?:[123]\b|instant|(?:4[.-][0-5]-(?:opus|sonnet|haiku)|(?:opus|sonnet|haiku)-4(?:[.-][0-5])?)"
    r"(?:$|[^\w.-]|-(?:20\d{6}|latest|v\d|thinking)))"
)


def max_tokens(request: ChatRequest) -> int:
    """Return the limit to send."""
    if request.max_tokens is not None:
        return request.max_tokens
    known = (limit for prefix, limit in DEFAULT_MAX_TOKENS_OF if prefix in request.model)
    return next(known, DEFAULT_MAX_TOKENS)


def thinking_fields(request: ChatRequest, limit: int) -> Json:
    """Return `thinking` and the effort of `output_config` for *request*, whose answer may be *limit* tokens long."""
    wanted = request.thinking
    if wanted is None:
        return {}
    if wanted.enabled is False or wanted.effort == "none":
        return {"thinking": {"type": "disabled"}} | _effort(wanted)
    if request.dialect == NAME:
        return _effort(wanted) if wanted.budget and _lost_its_thoughts(request.messages) else _as_asked(wanted)
    if takes_budget(request.model):
        budget = wanted.budget or _BUDGETS[wanted.effort or "medium"]
        budget = min(budget, limit // 2)  # it counts against the limit: half is left for the answer
        if budget < SMALLEST_BUDGET or _lost_its_thoughts(request.messages):
            return {}
        return {"thinking": {"type": "enabled", "budget_tokens": budget}}
    effort = wanted.effort or _nearest(wanted.budget)
    # Later models keep their thoughts to themselves unless they are asked for them.
    return {"thinking": {"type": "adaptive", "display": "summarized"}} | _effort(Thinking(effort=effort))


def refuse_beside(request: ChatRequest, fields: Json) -> None:
    """Raise for what cannot stand beside *fields*, if they turn thinking on.

    https://platform.claude.com/docs/en/build-with-claude/extended-thinking (2026-11)
    """
    if request.dialect == NAME or not thinks(fields):
        return
    if request.temperature not in (None, 1):
        raise CANNOT.error("temperature", "while a Claude thinks it is 1")
    if request.top_p is not None and request.top_p < LEAST_TOP_P:
        raise CANNOT.error("top_p", f"while a Claude thinks it is at least {LEAST_TOP_P}")
    if request.tools and request.tool_choice and request.tool_choice.mode in ("required", "tool"):
        raise CANNOT.error("tool_choice", "a Claude that thinks cannot be made to call a tool")


def thinks(fields: Json) -> bool:
    """Whether *fields* turn thinking on."""
    return bool(fields.get("thinking", {}).get("type", "disabled") != "disabled")


def takes_budget(model: str) -> bool:
    """Whether *model* wants a budget of tokens. Models that are no Claude speak the older form."""
    return "claude" not in model or bool(_TAKES_BUDGET.search(model))


def _as_asked(wanted: Thinking) -> Json:
    display = {"display": wanted.summary} if wanted.summary else {}
    if wanted.budget is not None:
        return {"thinking": {"type": "enabled", "budget_tokens": wanted.budget} | display} | _effort(wanted)
    if wanted.enabled:
        return {"thinking": {"type": "adaptive"} | display} | _effort(wanted)
    return _effort(wanted)


def _effort(wanted: Thinking) -> Json:
    if wanted.effort in (None, "none"):
        return {}
    return {"output_config": {"effort": "low" if wanted.effort == "minimal" else wanted.effort}}


def _nearest(budget: int | None) -> Effort | None:
    return None if budget is None else next((effort for effort, most in _BUDGETS.items() if budget <= most), "max")


def _lost_its_thoughts(messages: tuple[Message, ...]) -> bool:
    """Whether the last answer called tools and does not begin with a signed thought: a budget would be refused then."""
    last = next((message for message in reversed(messages) if message.role == "assistant"), None)
    if last is None or not any(isinstance(part, ToolCall) for part in last.parts):
        return False
    first = last.parts[0]
    return not (isinstance(first, Reasoning) and first.dialect == NAME)
