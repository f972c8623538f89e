"""A conversation to read: coloured on a terminal, Markdown in a pipe."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mini_llm import pricing
from mini_llm.cli import output
from mini_llm.cli.conversations import moment, since_last_answer
from mini_llm.types import Message, Reasoning, Refusal, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from mini_llm.history import Kept

WIDEST = 100  # columns of rendered text


class Transcript:
    """Write turns, one after the other. `pretty` renders Markdown."""

    def __init__(self, *, color: bool, pretty: bool) -> None:
        self._color = color
        self._pretty = pretty
        self._begun = False

    def turn(self, turn: Kept, *, first: bool) -> None:
        """Write what *turn* adds to the ones before it."""
        for message in turn.messages if first else since_last_answer(turn.messages):
            self.message(message, f"{message.role} · {moment(turn.time)}" if message.role == "user" else message.role)
        if turn.answer is None:
            self._head(f"assistant · {_who(turn)}")
            output.line("(the answer was too large to be kept)")
        else:
            self.message(turn.answer, f"assistant · {_who(turn)}")

    def message(self, message: Message, head: str) -> None:
        """Write one message under *head*."""
        self._head(head)
        for kind, text in _pieces(message.parts):
            text = output.clean(text).strip("\n")
            if not text:
                continue
            if kind == "text" and self._pretty and message.role == "assistant":
                self._paint(text)
            elif kind == "text":
                output.line(text)
            else:
                output.line(f"{output.DIM}{text}{output.RESET}" if self._color else text)

    def _head(self, text: str) -> None:
        text = output.clean(text)
        gap = "\n" if self._begun else ""
        self._begun = True
        if output.is_terminal(sys.stdout):
            output.line(f"{gap}{output.CYAN}{text}{output.RESET}" if self._color else f"{gap}{text}")
        else:
            output.line(f"{gap}## {text}\n")

    def _paint(self, text: str) -> None:
        from mini_llm.cli.markdown import Painter

        width = min(shutil.get_terminal_size().columns, WIDEST)
        painter = Painter(output.data, width=width, color=self._color)
        painter.feed(text)
        painter.close()


def _who(turn: Kept) -> str:
    """Return who answered, and for how much."""
    parts = [f"{turn.model} via {turn.provider}"]
    if turn.cost_nanos:
        parts.append(pricing.dollars(turn.cost_nanos))
    return " · ".join([*parts, *([turn.status] if turn.status != "ok" else [])])


def _pieces(parts: Iterable[object]) -> Iterable[tuple[str, str]]:
    """Yield what *parts* say: words as "text", what machines said as "aside"."""
    for part in parts:
        match part:
            case Text(text=text) | Refusal(text=text):
                yield "text", text
            case Reasoning(text=text):
                yield "aside", "\n".join(f"> {line}" for line in text.splitlines())
            case ToolCall(name=name, arguments=arguments):
                yield "aside", f"→ {name}({arguments})"
            case ToolResult(parts=below):
                told = "\n".join(text for _, text in _pieces(below))
                yield "aside", f"← {told}"
