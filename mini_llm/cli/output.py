"""Where words leave the process: data to stdout, talk to stderr, colour only where it can be seen."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, TextIO

from mini_llm.errors import MiniLLMError

# C0 and C1 but newline and tab: a model, or a provider's error, must not drive the terminal (title, clipboard, colours)
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
SHORT = 12  # characters of a cell that stand on one line
DIM, CYAN, RESET = "\x1b[2m", "\x1b[36m", "\x1b[0m"


def prepare() -> None:
    """Make the streams take every character: what they cannot write becomes a question mark."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None or not hasattr(stream, "reconfigure"):
            continue
        if sys.platform == "win32" and not stream.isatty():
            stream.reconfigure(encoding="utf-8", errors="replace")
        else:
            stream.reconfigure(errors="replace")


def clean(text: str) -> str:
    """Return *text* without control characters."""
    return CONTROLS.sub("", text)


def data(text: str) -> None:
    """Write to stdout, at once. Raises BrokenPipeError when nobody reads any more."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk; what is still buffered must not fail again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise MiniLLMError(f"cannot write the output: {error.strerror or error}") from error


def line(text: object) -> None:
    """Write one line to stdout."""
    data(f"{text}\n")


def talk(text: str, *, dim: bool = False) -> None:
    """Write one line to stderr."""
    if sys.stderr is not None:
        sys.stderr.write(f"{DIM}{clean(text)}{RESET}\n" if dim else f"{clean(text)}\n")
        sys.stderr.flush()


def is_terminal(stream: TextIO | None) -> bool:
    """Tell whether somebody looks at *stream*."""
    return stream is not None and stream.isatty()


def coloured(stream: TextIO | None, environ: Mapping[str, str], *, no_color: bool = False) -> bool:
    """Tell whether *stream* may be given colours."""
    if no_color or environ.get("NO_COLOR"):
        return False
    if environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    if sys.platform == "win32" and not any(environ.get(name) for name in ("WT_SESSION", "ANSICON", "TERM")):
        return False
    return is_terminal(stream) and environ.get("TERM") != "dumb"


def json(value: Any) -> None:
    """Write *value* as JSON to stdout."""
    from json import dumps

    ascii_only = (getattr(sys.stdout, "encoding", "") or "").lower().replace("-", "") != "utf8"
    line(dumps(value, indent=2, ensure_ascii=ascii_only, default=str))


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    color: bool = False,
    numbers: Collection[str] = (),
    whole: Collection[str] = (),
    total: Sequence[str] = (),
) -> None:
    """Write rows: aligned under their names on a terminal, with *total* last; tab-separated and bare in a pipe.

    The columns named in *numbers* stand to the right; those in *whole* are not folded while others can be.
    """
    if not is_terminal(sys.stdout):
        for row in rows:
            line("\t".join(" ".join(clean(cell).split()) for cell in row))
        return
    from rich.console import Console  # 80 ms: only where somebody looks
    from rich.table import Table
    from rich.text import Text

    columns, rows = _without_empty(columns, [*rows, total] if total else rows)
    bold = "bold" if color else ""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=bold)
    console = Console(file=sys.stdout, no_color=not color, highlight=False)
    widest = [max(len(row[position]) for row in [columns, *rows]) for position in range(len(columns))]
    stiff = [column in (*numbers, *whole) or width <= SHORT for column, width in zip(columns, widest, strict=True)]
    needed = sum(width if kept else SHORT for width, kept in zip(widest, stiff, strict=True)) + 2 * len(columns)
    for column, kept in zip(columns, stiff, strict=True):
        justify: Literal["left", "right"] = "right" if column in numbers else "left"
        # what is short stands on one line, unless that would cut it off
        style = "cyan" if color and not column else ""  # a bar
        stays = kept and needed <= console.width
        grid.add_column(column, style=style, overflow="fold", no_wrap=stays, justify=justify)
    for row in rows:
        grid.add_row(*(Text(clean(cell)) for cell in row))
    console.print(grid)


def _without_empty(
    columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Leave out columns that hold nothing: only people look at this."""
    kept = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    return [columns[place] for place in kept], [[row[place] for place in kept] for row in rows]


def fields(values: Mapping[str, Any], *, color: bool = False) -> None:
    """Write named values, one a line; empty ones are left out on a terminal."""
    if not is_terminal(sys.stdout):
        table((), [(name, compact(value)) for name, value in values.items()])
        return
    shown = {
        name.replace("_", " "): compact(value) for name, value in values.items() if value not in ("", [], {}, None)
    }
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        label = f"{DIM}{name:<{width}}{RESET}" if color else f"{name:<{width}}"
        line(f"{label}  {clean(value)}".replace("\n", f"\n{'':<{width + 2}}"))


def compact(value: Any) -> str:
    """Return *value* on one line: lists with commas, the rest as JSON words."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    from json import dumps

    return dumps(value, ensure_ascii=False, default=str)


def count(number: int, noun: str) -> str:
    """Return a number with its noun: "1 attempt", "1,200 attempts"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
