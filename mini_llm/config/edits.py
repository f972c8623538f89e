"""Change one value in the text of a config, and nothing else: comments, order, blanks and line ends stay. Pure."""

from __future__ import annotations

import re
from json import dumps
from typing import Any, NamedTuple

from mini_llm.config import jsonc
from mini_llm.config.jsonc import Node
from mini_llm.config.keys import join
from mini_llm.errors import ConfigError

_BLANK = " \t\r\n"
_LINE_END = re.compile(r"\r\n|\n|\r")
COMMENT = re.compile(r'"(?:[^"\\]|\\.)*+"|(//[^\r\n]*|/\*.*?\*/)', re.DOTALL)


class Style(NamedTuple):
    """How a file is written."""

    newline: str
    indent: str


USUAL = Style("\n", "  ")


def put(text: str, path: tuple[str, ...], value: object) -> str:
    """Return the text with the value at *path* set; objects on the way are made."""
    root = jsonc.parse(text)
    style = _style(text, root)
    node = root
    for at, name in enumerate(path):
        below = _step(node, name)
        if below is None:
            if node.members is None:
                raise ConfigError(f"{join(path[:at])} holds no named values to put {name} in")
            for outer in reversed(path[at + 1 :]):
                value = {outer: value}
            return _insert(text, node, name, value, style)
        node = below
    return _replace(text, root, path, node, value, style)


def append(text: str, path: tuple[str, ...], value: object) -> str:
    """Return the text with *value* added at the end of the list at *path*."""
    root = jsonc.parse(text)
    node: Node | None = root
    for name in path:
        node = _step(node, name) if node else None
    if node is None or node.items is None:
        raise ConfigError(f"{join(path) or 'the file'} holds no list to add to")
    return _insert(text, node, None, value, _style(text, root))


def remove(text: str, path: tuple[str, ...]) -> str | None:
    """Return the text without the member or item at *path*, None if there is none. Comments beside it stay."""
    root = jsonc.parse(text)
    parent = root
    for name in path[:-1]:
        below = _step(parent, name)
        if below is None:
            return None
        parent = below
    at = _index(parent, path[-1])
    return None if at is None else _cut(text, _children(parent), at)


def write(value: object, style: Style = USUAL, margin: str = "") -> str:
    """Write a value as JSON; objects take a line a member, short lists of plain values one line."""
    deeper = margin + style.indent
    if isinstance(value, dict) and value:
        lines = [f"{deeper}{dumps(str(k), ensure_ascii=False)}: {write(v, style, deeper)}" for k, v in value.items()]
        return "{" + style.newline + ("," + style.newline).join(lines) + style.newline + margin + "}"
    if isinstance(value, list | tuple) and value:
        parts = [write(item, style, deeper) for item in value]
        flat = "[" + ", ".join(parts) + "]"
        if len(flat) <= 80 and not any(isinstance(item, dict | list) for item in value):
            return flat
        return (
            "["
            + style.newline
            + ("," + style.newline).join(deeper + part for part in parts)
            + style.newline
            + margin
            + "]"
        )
    return dumps(value, ensure_ascii=False, allow_nan=False)


def _step(node: Node, name: str) -> Node | None:
    if node.members is not None:
        return node.members[name].value if name in node.members else None
    if node.items is not None and name.isdecimal() and int(name) < len(node.items):
        return node.items[int(name)]
    return None


def _index(node: Node, name: str) -> int | None:
    """Return which child of *node* is called *name*; items of a list are called by their number."""
    if node.members is not None:
        return list(node.members).index(name) if name in node.members else None
    return int(name) if node.items is not None and name.isdecimal() and int(name) < len(node.items) else None


def _children(node: Node) -> list[tuple[int, int]]:
    """Return where each member or item begins and ends."""
    if node.members is not None:
        return [(member.start, member.value.end) for member in node.members.values()]
    return [(item.start, item.end) for item in node.items or ()]


def _replace(text: str, root: Node, path: tuple[str, ...], node: Node, value: object, style: Style) -> str:
    """Replace a value; comments that stood inside it move in front of its key."""
    start = _start_of(root, path)
    margin = _margin(text, start)
    kept = [found[1] for found in COMMENT.finditer(text, node.start, node.end) if found[1]]
    notes = "".join(f"{note}{style.newline}{margin}" if note.startswith("//") else f"{note} " for note in kept)
    return text[:start] + notes + text[start : node.start] + write(value, style, margin) + text[node.end :]


def _start_of(root: Node, path: tuple[str, ...]) -> int:
    """Return where the member at *path* begins: its key, or the item of a list."""
    node, start = root, root.start
    for name in path:
        if node.members is not None:
            start, node = node.members[name]
        else:
            node = node.items[int(name)] if node.items else node
            start = node.start
    return start


def _insert(text: str, parent: Node, name: str | None, value: object, style: Style) -> str:
    """Add a member at the end of an object (an item to a list: without a name), in the style of those before it."""
    close = parent.end - 1
    margin = _margin(text, parent.start)
    key = "" if name is None else f"{dumps(name, ensure_ascii=False)}: "
    children = _children(parent)
    if not children:
        inner = margin + style.indent
        body = text[:close].rstrip(_BLANK)
        return body + style.newline + inner + key + write(value, style, inner) + style.newline + margin + text[close:]
    start, end = children[-1]
    spread = _LINE_END.search(text, parent.start, close) is not None
    inner = _margin(text, start) if spread and _first_on_line(text, start) else margin + style.indent
    told = key + write(value, style, inner)
    comma = jsonc.skip(text, end)
    if text[comma] == ",":
        told, head, tail = told + ",", text[: comma + 1], text[comma + 1 : close]
    else:
        head, tail = text[:end] + ",", text[end:close]
    note = tail.rstrip(_BLANK)  # what is said beside the last member stays beside it
    after = tail[len(note) :]
    if not spread:
        return head + note + " " + told + after + text[close:]
    if not _LINE_END.search(after):
        after = style.newline + margin
    return head + note + style.newline + inner + told + after + text[close:]


def _cut(text: str, children: list[tuple[int, int]], at: int) -> str:
    head, end = text[: children[at][0]], children[at][1]
    comma = jsonc.skip(text, end)
    if text[comma] == ",":
        return _join(head, text[end:comma] + text[comma + 1 :])
    if at > 0:  # the last one: the comma before it goes
        comma = jsonc.skip(text, children[at - 1][1])
        head = head[:comma] + head[comma + 1 :]
    return _join(head, text[end:])


def _join(head: str, tail: str) -> str:
    """Put together what stood around a member; a line that is left blank goes too."""
    start = _line_start(head, len(head))
    line_end = re.compile(r"[ \t]*(\r\n|\n|\r)").match(tail)
    if start > 0 and line_end and not head[start:].strip(" \t"):
        return head[:start] + tail[line_end.end() :]
    closing = tail.lstrip(" \t")[:1] in ("}", "")
    if head[start:].strip(" \t") and (closing or line_end):
        return head.rstrip(" \t") + tail
    return head + tail.lstrip(" \t")


def _style(text: str, root: Node) -> Style:
    found = _LINE_END.search(text)
    first = next((start for start, _ in _children(root)), None)
    indent = _margin(text, first) if first is not None and _first_on_line(text, first) else ""
    return Style(found.group() if found else "\n", indent or "  ")


def _first_on_line(text: str, at: int) -> bool:
    return not text[_line_start(text, at) : at].strip(" \t\ufeff")


def _margin(text: str, at: int) -> str:
    """Return the blanks that begin the line *at* stands on."""
    start = _line_start(text, at)
    found = re.compile(r"[ \t]*").match(text, start)
    return found.group() if found else ""


def _line_start(text: str, at: int) -> int:
    return max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1


def plain(value: Any) -> Any:
    """Return a value in JSON's own types, so that it can be written and compared."""
    if isinstance(value, dict):
        return {str(name): plain(below) for name, below in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
