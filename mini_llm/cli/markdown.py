"""Show Markdown on a terminal while it streams: a block is printed once, when it is whole; nothing is repainted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from mini_llm.cli import output

FENCE = re.compile(r" {0,3}(`{3,}|~{3,})\s*([^`]*)$")
ITEM = re.compile(r" {0,3}([-*+]|\d{1,9}[.)])(\s|$)")
STYLE = re.compile("\x1b\\[[0-9;]*m")
HEADING = re.compile(r" {0,3}#{1,6}(\s|$)")


class Block(NamedTuple):
    """A whole piece of Markdown, or one line of the code block that is open."""

    kind: str  # "prose", "item" or "code"
    text: str


class Blocks:
    """Cut a stream of text into blocks. Pure: text in, blocks out."""

    def __init__(self) -> None:
        self._rest = ""
        self._open: list[str] = []
        self._kind = "prose"
        self._fence = ""

    def feed(self, text: str) -> list[Block]:
        """Take more text; return the blocks that are whole now."""
        *lines, self._rest = (self._rest + text).split("\n")
        return [block for line in lines for block in self._line(line)]

    def close(self) -> list[Block]:
        """Return what is left."""
        rest, self._rest = self._rest, ""
        return [*(self._line(rest) if rest else []), *self._flush()]

    def _line(self, line: str) -> list[Block]:
        if self._fence:
            return self._code(line)
        inside = self._kind == "item" and line.startswith("  ")
        fence = FENCE.match(line)
        if fence and not inside:
            self._fence = fence[1]
            return self._flush()
        if not line.strip():
            return self._blank()
        if ITEM.match(line) and not inside:
            return self._begin("item", line)
        if HEADING.match(line) and not inside:
            return [*self._flush(), Block("prose", line)]
        if self._kind == "item" and self._open and not self._open[-1].strip() and not inside:
            return self._begin("prose", line)
        self._open.append(line)
        return []

    def _code(self, line: str) -> list[Block]:
        if line.strip().startswith(self._fence) and not line.strip().strip(self._fence[0]):
            self._fence = ""
            return [Block("end", "")]
        return [Block("code", line)]

    def _blank(self) -> list[Block]:
        if self._kind == "item" and self._open:  # an item may go on after a blank line
            self._open.append("")
            return []
        return self._flush()

    def _begin(self, kind: str, line: str) -> list[Block]:
        whole = self._flush()
        self._kind, self._open = kind, [line]
        return whole

    def _flush(self) -> list[Block]:
        text, kind = "\n".join(self._open), self._kind
        self._open, self._kind = [], "prose"
        return [Block(kind, text)] if text.strip() else []


class Painter:
    """Print the blocks of one answer. `write` takes what goes to the terminal."""

    def __init__(self, write: Callable[[str], None], *, width: int, color: bool) -> None:
        self._write = write
        self._width = width
        self._color = color
        self._blocks = Blocks()
        self._last = ""

    def feed(self, text: str) -> None:
        """Print what has become whole."""
        for block in self._blocks.feed(output.clean(text)):
            self._paint(block)

    def close(self) -> None:
        """Print the rest."""
        for block in self._blocks.close():
            self._paint(block)

    def _paint(self, block: Block) -> None:
        gap = "\n" if self._last and (block.kind, self._last) not in TIGHT else ""
        self._last = block.kind
        if block.kind == "code":
            self._write(f"{gap}{output.CYAN}{block.text}{output.RESET}\n" if self._color else f"{gap}{block.text}\n")
        elif block.kind != "end":
            loose = block.kind == "item" and block.text.endswith("\n")
            self._last = "prose" if loose else block.kind
            self._write(gap + _rendered(block.text.rstrip("\n"), self._width, self._color))


TIGHT = {("item", "item"), ("code", "code"), ("end", "code")}


def _rendered(text: str, width: int, color: bool) -> str:
    from io import StringIO

    from rich.console import Console
    from rich.theme import Theme

    paper = StringIO()
    theme = Theme({"markdown.code": "cyan", "markdown.h1": "bold underline", "markdown.item.number": "bold"})
    console = Console(
        file=paper,
        width=width,
        theme=theme,
        force_terminal=color,
        color_system="standard" if color else None,
        legacy_windows=False,
    )
    console.print(_markdown(text))
    lines = [line.rstrip() for line in paper.getvalue().split("\n")]
    while lines and not STYLE.sub("", lines[0]).strip():
        del lines[0]
    while lines and not STYLE.sub("", lines[-1]).strip():
        del lines[-1]
    return "".join(f"{line}\n" for line in lines)


def _markdown(text: str) -> Any:
    """Return what rich prints for *text*: headings on the left, links written out, never a terminal hyperlink."""
    from rich.markdown import Heading, Markdown

    class Left(Heading):
        def __rich_console__(self, console: Any, options: Any) -> Any:
            self.text.justify = "left"
            self.text.stylize("bold")
            yield self.text

    class Plain(Markdown):
        elements: ClassVar = {**Markdown.elements, "heading_open": Left}

    return Plain(text, hyperlinks=False, code_theme="ansi_dark")
