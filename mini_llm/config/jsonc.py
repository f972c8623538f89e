"""Read JSON with comments and trailing commas, and remember where everything stands.

As strict as JSON otherwise. Keys that stand twice, NaN, numbers beyond a float and half surrogates are errors.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]  # typeshed leaves it out
from typing import Any, NamedTuple, TypeAlias

DEPTH = 64

# A half surrogate can only come from an escape; scanstring lets it pass.
_GAP = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORD = re.compile(r"[-+]?[A-Za-z_$][\w$]*")
_WORDS = {"true": True, "false": False, "null": None}
_LINE_END = re.compile(r"\r\n|\n|\r")
_LONGEST_NUMBER = 64


class Node:
    """A value and where it stands: `text[start:end]`. `members` for an object, `items` for an array, else `scalar`."""

    __slots__ = ("end", "items", "members", "scalar", "start")

    def __init__(self, start: int) -> None:
        self.start = self.end = start
        self.scalar: Any = None
        self.members: dict[str, Member] | None = None
        self.items: list[Node] | None = None

    def plain(self) -> Any:
        """Return the value alone."""
        if self.members is not None:
            return {key: member.value.plain() for key, member in self.members.items()}
        if self.items is not None:
            return [item.plain() for item in self.items]
        return self.scalar


class Member(NamedTuple):
    """One `"key": value` of an object; the key starts at `start`."""

    start: int
    value: Node


Path: TypeAlias = tuple[str | int, ...]


class SyntaxProblem(Exception):
    """The text is not JSON. `offset` is where."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.what = what
        self.offset = offset


def parse(text: str) -> Node:
    """Return the one value of a text; SyntaxProblem if there is none, or more."""
    parser = _Parser(text)
    at = parser.skip(1 if text.startswith("\ufeff") else 0)
    if at == len(text):
        raise SyntaxProblem("the file is empty: write {} or delete it", at)
    node = parser.value(at, 0)
    if (at := parser.skip(node.end)) < len(text):
        raise SyntaxProblem("there is more text after the end", at)
    return node


def skip(text: str, at: int) -> int:
    """Return where the next thing stands after blanks and comments."""
    found = _GAP.match(text, at)
    return found.end() if found else at


def line_starts(text: str) -> list[int]:
    """Return where each line begins."""
    return [1 if text.startswith("\ufeff") else 0, *(end.end() for end in _LINE_END.finditer(text))]


def position(starts: list[int], offset: int) -> tuple[int, int]:
    """Return line and column of an offset, both from 1."""
    line = max(bisect_right(starts, offset), 1)
    return line, max(offset - starts[line - 1], 0) + 1


def locate(node: Node, path: Path, *, key: bool = False) -> int:
    """Return the offset of the value (or key) at *path*; of the deepest part of it that there is."""
    at = node.start
    for step in path:
        if node.members is not None and step in node.members:
            member = node.members[str(step)]
            at, node = (member.start if key else member.value.start), member.value
        elif node.items is not None and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            at = node.start
        else:
            break
    return at


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text

    def skip(self, at: int) -> int:
        at = skip(self.text, at)
        if self.text.startswith("/*", at):
            raise SyntaxProblem("this comment is never closed: */ is missing", at)
        return at

    def value(self, at: int, depth: int) -> Node:
        char = self.text[at : at + 1]
        node = Node(at)
        if char == "{" or char == "[":
            if depth >= DEPTH:
                raise SyntaxProblem(f"nested deeper than {DEPTH} levels", at)
            (self._object if char == "{" else self._array)(node, depth + 1)
        elif char == '"':
            node.scalar, node.end = self._string(at)
        else:
            node.scalar, node.end = self._scalar(at)
        return node

    def _object(self, node: Node, depth: int) -> None:
        members: dict[str, Member] = {}
        node.members = members
        at = self.skip(node.start + 1)
        while self.text[at : at + 1] != "}":
            start = at
            if self.text[at : at + 1] != '"':
                raise SyntaxProblem(self._no_key(node.start, at), at)
            key, at = self._string(at)
            if key in members:
                line = self._line(members[key].start)
                raise SyntaxProblem(f'"{key[:80]}" stands twice: here and on line {line}', start)
            at = self.skip(at)
            if self.text[at : at + 1] != ":":
                raise SyntaxProblem(self._cut(node.start, at) or "a colon is missing before this", at)
            value = self.value(self.skip(at + 1), depth)
            members[key] = Member(start, value)
            at = self._after(node.start, value.end, "}")
        node.end = at + 1

    def _array(self, node: Node, depth: int) -> None:
        node.items = items = []
        at = self.skip(node.start + 1)
        while self.text[at : at + 1] != "]":
            if at == len(self.text):
                raise SyntaxProblem(self._cut(node.start, at), at)
            items.append(self.value(at, depth))
            at = self._after(node.start, items[-1].end, "]")
        node.end = at + 1

    def _after(self, opened: int, at: int, close: str) -> int:
        """Step over the comma; return where the next member or the closing bracket stands."""
        at = self.skip(at)
        char = self.text[at : at + 1]
        if char == ",":
            return self.skip(at + 1)
        if char != close:
            raise SyntaxProblem(self._cut(opened, at) or f"a comma or {close} is missing before this", at)
        return at

    def _string(self, at: int) -> tuple[str, int]:
        try:
            value, end = scanstring(self.text, at + 1, True)
        except JSONDecodeError as error:
            if error.msg.startswith("Unterminated"):
                raise SyntaxProblem("this string is never closed", at) from None
            if "control character" in error.msg:
                raise SyntaxProblem("a string must not hold a line break or control character", error.pos) from None
            raise SyntaxProblem("this is no escape JSON knows; write \\\\ for a backslash", error.pos) from None
        if "\\u" in self.text[at:end] and not _encodes(value):
            raise SyntaxProblem("this string holds half of a surrogate pair", at)
        return value, end

    def _scalar(self, at: int) -> tuple[Any, int]:
        if found := _NUMBER.match(self.text, at):
            return self._number(found), found.end()
        found = _WORD.match(self.text, at)
        word = found.group() if found else ""
        if found and word in _WORDS:
            return _WORDS[word], found.end()
        raise SyntaxProblem(self._no_value(at, word), at)

    def _number(self, found: re.Match[str]) -> int | float:
        told = found.group()
        whole = found.group(1) is None and found.group(2) is None
        if len(told) > _LONGEST_NUMBER or abs(number := int(told) if whole else float(told)) > 1.7e308:
            raise SyntaxProblem("this number is too large", found.start())
        return number

    def _no_key(self, opened: int, at: int) -> str:
        if cut := self._cut(opened, at):
            return cut
        if self.text[at] == ",":
            return "there is one comma too many"
        return "a key in double quotes should stand here"

    def _no_value(self, at: int, word: str) -> str:
        if at >= len(self.text):
            return "the file ends in the middle"
        if word.lower() in _WORDS:
            return f"write {word.lower()}, not {word}"
        if word.lstrip("+-").lower() in ("nan", "infinity", "inf"):
            return f"{word[:12]} is not a number in JSON"
        if self.text[at] == "'" or word:
            return "a string needs double quotes"
        return "a value should stand here"

    def _cut(self, opened: int, at: int) -> str:
        if at < len(self.text):
            return ""
        return f"the file ends in the middle: the {self.text[opened]} on line {self._line(opened)} is never closed"

    def _line(self, at: int) -> int:
        return position(line_starts(self.text), at)[0]


def _encodes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
