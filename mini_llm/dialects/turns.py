"""Turns of a conversation between wires that part them differently."""

from __future__ import annotations

from collections.abc import Iterable

from mini_llm.types import Message, Part, ToolResult


def split_results(parts: Iterable[Part]) -> list[Message]:
    """Return a user's turn, the results of tools apart from everything else."""
    turns: list[Message] = []
    for part in parts:
        role = "tool" if isinstance(part, ToolResult) else "user"
        if turns and turns[-1].role == role:
            turns[-1] = turns[-1]._replace(parts=(*turns[-1].parts, part))
        else:
            turns.append(Message("tool" if role == "tool" else "user", (part,)))
    return turns or [Message("user", ())]


def reminder(text: str) -> str:
    """Return a system message from the middle of a conversation, which keeps its place and says what it is.

    Where there is no role for it: among the first ones it would undo the prompt cache, and its moment would be lost.
    """
    return f"<system-reminder>\n{text}\n</system-reminder>"
