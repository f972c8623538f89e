"""LangChain: a library, which takes address and key from the environment.

https://docs.langchain.com/oss/python/integrations/chat/openai (2026-11)
"""

from __future__ import annotations

from mini_llm.setup.environment import anthropic, openai
from mini_llm.setup.tool import Start, Tool

TOOL = Tool(
    name="langchain",
    title="LangChain",
    route="openai_chat",
    start=lambda offer, place: Start({**openai(offer), **anthropic(offer)}),
)
