"""Google GenAI SDK: a library, which takes address and key from the environment.

https://googleapis.github.io/python-genai (2026-11)
"""

from __future__ import annotations

from mini_llm.setup.environment import google
from mini_llm.setup.tool import Start, Tool

TOOL = Tool(
    name="google-genai",
    title="Google GenAI SDK",
    route="gemini",
    start=lambda offer, place: Start(google(offer)),
)
