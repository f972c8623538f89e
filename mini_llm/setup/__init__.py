"""Tools of others, told to use the gateway: one module each in `tools/`. Every change is seen, agreed to, undone."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

from mini_llm.errors import UsageError
from mini_llm.setup.tool import Tool

# The tools by name, each with its module.
TOOLS = {
    "claude": "claude",
    "codex": "codex",
    "opencode": "opencode",
    "aider": "aider",
    "gemini": "gemini",
    "continue": "continue_dev",  # its own name is a word of Python's
    "cline": "cline",
    "zed": "zed",
    "vscode": "vscode",
    "copilot": "copilot",
    "llm": "llm",
    "langchain": "langchain",
    "openai": "openai",
    "anthropic": "anthropic",
    "google-genai": "google_genai",
    "cursor": "cursor",
}


def find(name: str) -> Tool:
    """Return one tool. Raises UsageError with the names that come near."""
    if name not in TOOLS:
        near = get_close_matches(name.lower(), TOOLS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(TOOLS)}"
        raise UsageError(f"there is no set-up for {name[:80]}", hint=hint)
    found: Tool = import_module(f"{__name__}.tools.{TOOLS[name]}").TOOL
    return found
