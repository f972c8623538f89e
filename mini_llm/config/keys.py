"""Dotted names of settings: `aliases.fast`, or `aliases."gpt-4.1"` where a name itself holds a dot."""

from __future__ import annotations

import re

from mini_llm.errors import UsageError

_PLAIN = re.compile(r"[^\s.\"\\]+")


def split(key: str) -> tuple[str, ...]:
    """Return the names in a dotted key."""
    names: list[str] = []
    at = 0
    while True:
        quoted = key.startswith('"', at)
        if quoted and (end := _closing(key, at)) > 0:
            names.append(key[at + 1 : end].replace('\\"', '"').replace("\\\\", "\\"))
            at = end + 1
        elif not quoted and (found := _PLAIN.match(key, at)):
            names.append(found.group())
            at = found.end()
        else:
            break
        if at == len(key):
            return tuple(names)
        if key[at] != ".":
            break
        at += 1
    raise UsageError(f"{key!r} is no name of a setting", hint='write it like aliases.fast, or aliases."gpt-4.1"')


def join(path: tuple[str | int, ...]) -> str:
    """Return the dotted key of a path: the reverse of `split`."""
    return ".".join(map(_quoted, map(str, path)))


def _quoted(name: str) -> str:
    if _PLAIN.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _closing(key: str, at: int) -> int:
    found = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL).match(key, at)
    return found.end() - 1 if found else -1
