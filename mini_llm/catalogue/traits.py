"""What families of models can and cannot do, by their names: the price data set does not say.

Put down from the vendors' public model lists as of 2026-11; recorded answers are held against it by a test. A trait
only orders targets and stretches a deadline: nothing is refused by it, and what is in neither set is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple


class Traits(NamedTuple):
    """`has` and `lacks` hold "images", "documents", "audio", "tools", "json_schema", "reasoning" (thinks unasked)."""

    has: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()


# A pattern for the name behind any vendor's prefix, what such a model has, what it lacks. Every row that fits counts.
FAMILIES: tuple[tuple[str, str, str], ...] = (
    (r"gpt-3\.5", "tools", "images documents audio json_schema"),
    (r"gpt-4(-\d{4}.*)?$", "tools", "images documents audio json_schema"),
    (r"gpt-4o|gpt-4\.1|gpt-4\.5", "images documents tools json_schema", ""),
    (r"gpt-[5-9](?!.*chat)", "images documents tools json_schema reasoning", "audio"),
    (r"o1(-pro|-\d{4}.*)?$|o3(-pro|-\d{4}.*)?$|o4", "images documents tools json_schema reasoning", "audio"),
    (r"o3-mini", "tools json_schema reasoning", "images audio"),
    (r"o1-(mini|preview)", "reasoning", "images audio tools json_schema"),
    (r"gpt-oss", "tools reasoning", "images documents audio"),
    (r"claude", "images documents tools", "audio"),
    (r"gemini-(2\.5|[3-9])", "images documents audio tools json_schema reasoning", ""),
    (r"gemini-(1\.5|2\.0)", "images documents audio tools json_schema", ""),
    (r"deepseek-(r1|reasoner)", "reasoning", "images documents audio"),
    (r"deepseek-(chat|v3)", "tools", "images documents audio"),
    (r"grok-4(?!.*non-reasoning)", "images tools json_schema reasoning", "audio"),
    (r"grok-3-mini", "tools json_schema reasoning", "images audio"),
    (r"(qwq|qwen3?.*-thinking)", "tools reasoning", "audio"),
    (r"qwen[\d.]*(?!.*(vl|omni|vision)).*-(coder|instruct)", "tools", "images audio"),
    (r".*-vl\b|qwen.*-vl|pixtral|llava|llama-3\.2-(11|90)b|llama-4|gemma-3-(4|12|27)b", "images", "audio"),
    (r"(meta-)?llama-?3([.-][013])?-(8|70|405)b|llama-3\.3|mixtral|codestral|command-r", "tools", "images audio"),
    (r"magistral", "tools reasoning", "audio"),
    (r"kimi-k2-thinking", "tools reasoning", "images audio"),
    (r"glm-(4\.[5-9]|5)(?!v)", "tools reasoning", "audio"),
    (r"minimax-m[12]", "tools reasoning", "images audio"),
)
_VENDOR = re.compile(r"^(.*/)?([a-z]+\.)?")


@lru_cache(maxsize=1024)
def traits_of(model: str) -> Traits:
    """Return what is known of any model with this name, wherever it runs."""
    name = _VENDOR.sub("", model.lower())
    fitting = [(has, lacks) for pattern, has, lacks in FAMILIES if re.match(pattern, name)]
    has = _words(has for has, _ in fitting)
    return Traits(has, _words(lacks for _, lacks in fitting) - has)


def _words(lists: Iterable[str]) -> frozenset[str]:
    return frozenset(word for words in lists for word in words.split())
