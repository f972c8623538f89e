"""How much a Gemini may think: a level from Gemini 3 on, a budget of tokens before it."""

from __future__ import annotations

from mini_llm.dialects.gemini.words import NAME, Words, version
from mini_llm.types import ChatRequest, Effort, Json, Thinking

LEVELS: dict[str, Effort] = {
    "MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high", "XHIGH": "xhigh",
}  # fmt: skip
_LEVEL_OF: dict[Effort, str] = {
    "none": "MINIMAL", "minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "HIGH",
    "max": "HIGH",
}  # fmt: skip
# Google's own table for OpenAI's efforts. https://ai.google.dev/gemini-api/docs/openai (2026-11)
_BUDGETS: dict[Effort, int] = {
    "none": 0, "minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576, "xhigh": 24_576, "max": 24_576,
}  # fmt: skip
AS_IT_LIKES = -1
# https://ai.google.dev/gemini-api/docs/thinking (2026-11)
SMALLEST_OF_PRO = 128
SMALLEST_OF_LITE = 512
LARGEST, LARGEST_OF_PRO = 24_576, 32_768
# Whether thoughts are shown, in `Thinking.summary`.
SHOWN, HIDDEN = "auto", "omitted"


def read_thinking(config: Words | None) -> Thinking | None:
    """Read `generationConfig.thinkingConfig`."""
    if config is None:
        return None
    shown, budget = config.flag("includeThoughts"), config.whole("thinkingBudget")
    level = config.text("thinkingLevel").upper().removeprefix("THINKING_LEVEL_")
    if level not in ("", "UNSPECIFIED", *LEVELS):
        raise config.wrong("thinkingLevel", f"one of {', '.join(LEVELS)}")
    enabled = None if budget is None else budget != 0
    told = None if budget in (0, AS_IT_LIKES) else budget
    summary = "" if shown is None else SHOWN if shown else HIDDEN
    if enabled is None and level not in LEVELS and not summary:
        return None
    return Thinking(enabled, LEVELS.get(level), told, summary)


def thinking_config(request: ChatRequest) -> Json:
    """Return what `thinkingConfig` says of *request*; empty where nothing is to be said."""
    wanted = request.thinking
    if wanted is None:
        return {}
    config = _as_asked(wanted) if request.dialect == NAME else _amount(wanted, request.model)
    # Callers of other dialects read thoughts wherever they asked for thinking; it costs nothing more to show them.
    off = wanted.enabled is False or wanted.effort == "none"
    shown = wanted.summary == SHOWN if request.dialect == NAME else not off and wanted.summary not in (HIDDEN, "none")
    if shown and version(request.model) >= (2, 5):
        config["includeThoughts"] = True
    elif request.dialect == NAME and wanted.summary == HIDDEN:
        config["includeThoughts"] = False
    return config


def _as_asked(wanted: Thinking) -> Json:
    if wanted.effort:
        return {"thinkingLevel": "XHIGH" if wanted.effort == "xhigh" else _LEVEL_OF[wanted.effort]}
    if wanted.enabled is None:
        return {}
    if wanted.enabled:
        return {"thinkingBudget": AS_IT_LIKES if wanted.budget is None else wanted.budget}
    return {"thinkingBudget": 0}


def _amount(wanted: Thinking, model: str) -> Json:
    """Return the level or the budget; the least there is for a model that cannot but think."""
    age = version(model)
    off = wanted.enabled is False or wanted.effort == "none"
    if age < (2, 5):
        return {}  # these do not think, and refuse to be told how much
    if age >= (3, 0):
        effort = "none" if off else wanted.effort or _nearest(wanted.budget)
        return {"thinkingLevel": _level(effort, model)} if effort else {}
    if off:
        return {"thinkingBudget": SMALLEST_OF_PRO if "pro" in model else 0}
    if wanted.effort:
        return {"thinkingBudget": _BUDGETS[wanted.effort]}
    if wanted.budget is None:
        return {"thinkingBudget": AS_IT_LIKES}
    smallest = SMALLEST_OF_PRO if "pro" in model else SMALLEST_OF_LITE if "lite" in model else 1
    return {"thinkingBudget": min(max(wanted.budget, smallest), LARGEST_OF_PRO if "pro" in model else LARGEST)}


def _level(effort: Effort, model: str) -> str:
    """Return the level for *effort*: a Pro has no minimal one, the first of them no medium one either."""
    level = _LEVEL_OF[effort]
    if "pro" in model and level == "MINIMAL":
        return "LOW"
    return "HIGH" if level == "MEDIUM" and version(model) == (3, 0) and "pro" in model else level


def _nearest(budget: int | None) -> Effort | None:
    if budget is None:
        return None
    return "low" if budget <= _BUDGETS["low"] * 2 else "medium" if budget <= _BUDGETS["medium"] * 2 else "high"
