"""Anthropic SDK: a library, which takes address and key from the environment.

https://github.com/anthropics/anthropic-sdk-python (2026-11)
"""

from __future__ import annotations

from mini_llm.setup.environment import anthropic
from mini_llm.setup.tool import Start, Tool

TOOL = Tool(
    name="anthropic",
    title="Anthropic SDK",
    route="anthropic_messages",
    start=lambda offer, place: Start(anthropic(offer)),
)
