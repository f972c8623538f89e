"""The `model` in a form with files: found and replaced among bytes of which nothing else is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from mini_llm.errors import UsageError

MOST_PARTS = 200
LONGEST_HEAD = 4096
LONGEST_VALUE = 512
_BOUNDARY = re.compile(r'.*;\s*boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))\s*(?:;.*)?', re.IGNORECASE | re.DOTALL)
_MODEL = re.compile(rb'content-disposition:\s*form-data\s*;\s*name="?model"?\s*', re.IGNORECASE)
_LIKE_MODEL = re.compile(rb"content-disposition:[^\r\n]*\bname\*?=\"?model\b", re.IGNORECASE)


class Field(NamedTuple):
    """A field's value, and where it stands in the form."""

    value: str
    start: int
    end: int


def model_of(form: bytes, content_type: str) -> Field | None:
    """Return the field `model`, None if there is none. Raises UsageError for what is no form or could be read twice."""
    found: list[Field] = []
    for head, start, end in _parts(form, _delimiter(content_type)):
        lines = head.split(b"\r\n")
        if any(_MODEL.fullmatch(line) for line in lines):
            if end - start > LONGEST_VALUE:
                raise UsageError("model: too long")
            found.append(Field(form[start:end].decode("utf-8", "replace"), start, end))
        elif _LIKE_MODEL.search(head):
            raise UsageError("model: must be a plain field of the form")
    if len(found) > 1:
        raise UsageError("model: must be there once")
    return found[0] if found else None


def with_model(form: bytes, field: Field, model: str) -> bytes:
    """Return *form* with *model* where *field* stands."""
    return b"".join([form[: field.start], model.encode(), form[field.end :]])


def _delimiter(content_type: str) -> bytes:
    match = _BOUNDARY.fullmatch(content_type)
    if match is None:
        raise UsageError("the form has no boundary")
    return b"\r\n--" + (match[1] or match[2]).encode("latin-1")


def _parts(form: bytes, delimiter: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield each part's head, and where its content begins and ends."""
    if not form.startswith(delimiter[2:]):
        raise UsageError("the form does not begin with its boundary")
    at = len(delimiter) - 2
    for _ in range(MOST_PARTS):
        if form.startswith(b"--", at):
            return
        start = form.find(b"\r\n\r\n", at, at + LONGEST_HEAD)
        end = form.find(delimiter, start + 4) if start >= 0 else -1
        if end < 0:
            raise UsageError("the form is cut, or a part of it has too long a head")
        yield form[at:start], start + 4, end
        at = end + len(delimiter)
    raise UsageError(f"the form has more than {MOST_PARTS} parts")
