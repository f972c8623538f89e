"""OpenAI SDK: a library, which takes address and key from the environment.

https://github.com/openai/openai-python (2026-11)
"""

from __future__ import annotations

from mini_llm.setup.environment import openai
from mini_llm.setup.tool import Start, Tool

TOOL = Tool(
    name="openai",
    title="OpenAI SDK",
    route="openai_chat",
    start=lambda offer, place: Start(openai(offer)),
)
