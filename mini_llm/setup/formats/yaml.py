"""YAML, by lines: ours stand between two marks, a value that was there before is changed where it stands.

PyYAML reads what was and what became of it; the text itself is never written by it, so comments and style stay.
What may be set: a member of the outermost object, and an item of a list there (or of a file that is a list).
"""

from __future__ import annotations

import re
from json import dumps
from typing import Any

import yaml

from mini_llm.setup import tree
from mini_llm.setup.formats import FormatError
from mini_llm.setup.tree import Path

BEGIN, END = "# >>> mini-llm", "# <<< mini-llm"
BOM = "\ufeff"
_PLAIN = re.compile(r"[A-Za-z][\w./-]*")
_MEMBER = re.compile(
    r"""(?P<key>[^:]*:)(?P<gap>[ \t]*)
    (?:"(?:[^"\\]|\\.)*" | '(?:[^']|'')*' | (?:[^#\r\n"']|(?<!\s)\#)*?)
    (?P<note>[ \t]*(?:(?<=[ \t])\#[^\r\n]*)?(?:\r\n|\n|\r|))""",
    re.VERBOSE,
)
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}  # what YAML takes for something else


def parse(text: str) -> Any:
    """Return what the text says; an empty one says {}."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise FormatError(f"not YAML: {what}", line=mark.line + 1 if mark else 0) from None
    except (ValueError, RecursionError) as error:  # a date that is none, and nesting without end
        raise FormatError(f"not YAML: {error}") from None
    return {} if found is None else found


def put(text: str, path: Path, value: Any) -> str:
    """Set one member, or one item of a list."""
    found = parse(text)
    if name := tree.item(path[-1]):
        return _put_item(_Lines(text), found, path[:-1], name, value)
    if tree.get(found, path) is tree.ABSENT:
        lines = _Lines(text)
        lines.add(len(lines.of), "", [f"{path[0]}: {_written(value)}"])
        return lines.text()
    return _on_its_line(text, path[0], _written(value))


def remove(text: str, path: Path) -> str:
    """Take out what stands between our marks."""
    lines = _Lines(text)
    name = tree.item(path[-1])
    start = lines.item(name) if name else lines.member(path[0])
    if start < 0:
        return text if name or tree.get(parse(text), path) else _without_line(lines, path[0])
    lines.cut(start, lines.end_of(start) if name else start + 1)
    if name and len(path) > 1 and not tree.get(parse(lines.text()), path[:-1]):
        return _on_its_line(lines.text(), path[0], "[]")
    return lines.text()


def _without_line(lines: _Lines, key: str) -> str:
    """Take out a member that holds nothing."""
    del lines.of[lines.key(key)]
    return lines.text()


def _put_item(lines: _Lines, found: Any, path: Path, name: str, value: Any) -> str:
    start = lines.item(name)
    if start >= 0:
        margin = lines.margin(start)
        lines.of[start : lines.end_of(start)] = lines.ended(_item(value, margin))
        return lines.text()
    if tree.get(found, (*path, f"[{name}]")) is not tree.ABSENT:
        raise FormatError(f"{name} stands outside our marks")
    if not path:
        lines.add(len(lines.of), "", _item(value, ""))
        return lines.text()
    items = tree.get(found, path)
    if items is tree.ABSENT:
        lines.add(len(lines.of), "", [f"{path[0]}:", *_item(value, "  ")], only_last=len(_item(value, "")))
        return lines.text()
    at = lines.key(path[0])
    if not items:
        lines.of[at] = re.sub(r":[ \t]*\[\s*\]", ":", lines.of[at], count=1)
    start, end = lines.list_below(at)
    margin = lines.margin(start) if start < end else "  "
    lines.add(end, margin, _item(value, margin))
    return lines.text()


def _on_its_line(text: str, key: str, told: str) -> str:
    """Put another value behind a key that stands on one line with its value."""
    lines = _Lines(text)
    at = lines.key(key)
    found = _MEMBER.fullmatch(lines.of[at])
    if found is None:
        raise FormatError(f"{key} is not written on one line", line=at + 1)
    lines.of[at] = f"{found['key']}{found['gap'] or ' '}{told}{found['note']}"
    return lines.text()


def _item(value: Any, margin: str) -> list[str]:
    """Return an item of a list as lines."""
    members = [f"{key}: {_written(one)}" for key, one in value.items()]
    return [f"{margin}{'  ' if at else '- '}{line}" for at, line in enumerate(members)]


def _written(value: Any) -> str:
    """Return a value on one line: JSON is YAML; plain words go without quotes."""
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return dumps(value, ensure_ascii=False)


class _Lines:
    """A text as lines with their ends, and where ours are among them."""

    def __init__(self, text: str) -> None:
        self.of = re.findall(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+$", text)
        ends = [line for line in self.of if line.endswith(("\n", "\r"))]
        self.newline = "\r\n" if ends and ends[0].endswith("\r\n") else "\n"

    def text(self) -> str:
        return "".join(self.of)

    def margin(self, at: int) -> str:
        """Return the blanks a line begins with."""
        return re.match(r"[ \t]*", self.of[at])[0]  # type: ignore[index]  # it always matches

    def ended(self, lines: list[str]) -> list[str]:
        return [line + self.newline for line in lines]

    def block(self) -> tuple[int, int]:
        """Return the lines of our first and last mark, (-1, -1) if there are none."""
        bare = [line.strip() for line in self.of]
        if BEGIN not in bare or END not in bare[bare.index(BEGIN) :]:
            return -1, -1
        begin = bare.index(BEGIN)
        return begin, bare.index(END, begin)

    def add(self, at: int, margin: str, lines: list[str], *, only_last: int = 0) -> None:
        """Add lines of ours: to those there are, else at *at* between marks (of the last ones only, if told)."""
        begin, end = self.block()
        if begin >= 0:
            self.of[end:end] = self.ended(lines)
            return
        if at and not self.of[at - 1].endswith(("\n", "\r")):
            self.of[at - 1] += self.newline
        split = len(lines) - (only_last or len(lines))
        inner = lines[split:]
        margin = margin or re.match(r" *", inner[0])[0]  # type: ignore[index]  # it always matches
        self.of[at:at] = self.ended([*lines[:split], margin + BEGIN, *inner, margin + END])

    def cut(self, start: int, end: int) -> None:
        """Take lines of ours out, and the marks with the last of them."""
        del self.of[start:end]
        begin, last = self.block()
        if last == begin + 1:
            del self.of[begin : last + 1]

    def member(self, key: str) -> int:
        """Return the line of ours that sets *key*, -1 if none does."""
        begin, end = self.block()
        return next((at for at in range(begin + 1, end) if self.of[at].startswith(f"{key}:")), -1)

    def item(self, name: str) -> int:
        """Return the line of ours that begins the item called *name*, -1 if none does."""
        begin, end = self.block()
        heads = {f"- {key}: {_written(name)}" for key in tree.CALLED}
        return next((at for at in range(begin + 1, end) if self.of[at].strip() in heads), -1)

    def end_of(self, start: int) -> int:
        """Return the line behind an item of ours."""
        end = self.block()[1]
        head = f"{self.margin(start)}- "
        return next((at for at in range(start + 1, end) if self.of[at].startswith(head)), end)

    def key(self, key: str) -> int:
        """Return the line of a member of the outermost object."""
        wanted = re.compile(rf"{BOM}?(['\"]?){re.escape(key)}\1[ \t]*:")
        found = [at for at, line in enumerate(self.of) if wanted.match(line)]
        if len(found) != 1:
            raise FormatError(
                f"{key} stands {'nowhere' if not found else 'more than once'}", line=found[1] + 1 if found else 0
            )
        return found[0]

    def list_below(self, at: int) -> tuple[int, int]:
        """Return the first line of the list below a key, and the line behind its last one."""
        first = end = 0
        for here in range(at + 1, len(self.of)):
            line = self.of[here]
            bare = line.strip()
            if not bare or bare.startswith("#"):
                continue
            if line[0] not in " \t" and not re.match(r"-\s", line):
                break
            first, end = first or here, here + 1
        if not first:
            return at + 1, at + 1
        deeper = re.compile(rf"{self.margin(first)}[ \t]+#")  # what is said inside the last item stays there
        while end < len(self.of) and deeper.match(self.of[end]):
            end += 1
        return first, end
