"""Results of tools on wires where they can only be text."""

from __future__ import annotations

from mini_llm.types import Text, ToolResult


def text_of(result: ToolResult) -> str | None:
    """Return the words of *result*; None if there is more in it. Without a flag for it, a failure says so itself."""
    words = [part.text for part in result.parts if isinstance(part, Text)]
    if len(words) < len(result.parts):
        return None
    said = "\n\n".join(words)
    return f"Error: {said}" if result.is_error and not said.lower().startswith("error") else said
