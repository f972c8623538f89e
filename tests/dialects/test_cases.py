"""Translations as files: what came in, a divider, what must go out. A new case is a new file in `cases/`.

The first line says what the case shows, the second what is translated: `FROM KIND -> TO`, where the kind is request,
response, stream or error (whose first input line is the status, then headers, then a blank line and the body).
A stream is given and expected as it is on the wire, a failure as `! Class: message`.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mini_llm import dialects
from mini_llm.errors import MiniLLMError
from tests.dialects import strict
from tests.dialects.reading import decoded, encoded

CASES = sorted((Path(__file__).parent / "cases").glob("*.txt"))
DIVIDER = "\n-----\n"


@pytest.mark.parametrize("case", CASES, ids=[case.stem for case in CASES])
def test_a_case_comes_out_as_written(case: Path) -> None:
    head, given, expected = parts(case)
    source, kind, _, target = head.split()
    if kind == "stream":
        raw, failure = stream(source, target, given)
        assert timeless(raw.decode() + failure) == timeless(expected)
        if not failure:
            strict.check(target, raw)
        return
    result = translated(kind, source, target, given)
    if isinstance(result, str):
        assert result == expected.strip()
    else:
        assert json.loads(timeless(json.dumps(result))) == json.loads(timeless(expected))


def parts(case: Path) -> tuple[str, str, str]:
    """Return what is translated, what comes in, and what must come out."""
    text = case.read_text(encoding="utf-8")
    comment, head, rest = text.split("\n", 2)
    assert comment.startswith("# ")
    given, _, expected = rest.partition(DIVIDER)
    return head, given, expected


def stream(source: str, target: str, given: str) -> tuple[bytes, str]:
    """Return what was written, and the failure it ended with."""
    chunks: list[bytes] = []
    deltas: list[Any] = []
    try:
        decoded(source, given.encode() + b"\n\n", into=deltas)
    except MiniLLMError as error:
        dialect = dialects.get(target)
        with contextlib.suppress(MiniLLMError):  # it never ends properly
            encoded(target, broken(deltas, error), into=chunks)
        return b"".join(chunks) + dialect.encode_error_event(error, request_id="req_1"), said(error)
    return encoded(target, deltas), ""


def broken(deltas: list[Any], error: MiniLLMError) -> Iterator[Any]:
    """Yield *deltas*, then fail."""
    yield from deltas
    raise error


def translated(kind: str, source: str, target: str, given: str) -> Any:
    """Return what *given* becomes, or the failure."""
    ours: Any = dialects.of_target(source)
    theirs: Any = dialects.of_target(target)
    try:
        if kind == "request":
            request, dropped = dialects.without(ours.decode_request(json.loads(given)), (), dialect=target)
            body = theirs.encode_request(request)
            return {**body, "(dropped)": list(dropped)} if dropped else body
        if kind == "response":
            return theirs.encode_response(ours.decode_response(json.loads(given)))
        head, _, body_text = given.partition("\n\n")
        status, *lines = head.split("\n")
        headers = dict(line.split(": ", 1) for line in lines)
        error = ours.decode_error(int(status), headers, body_text.strip().encode())
        return {
            "class": type(error).__name__,
            "retry_after": error.retry_after,
            "status": error.status,
            "body": theirs.encode_error(error, request_id=error.request_id),
        }
    except MiniLLMError as error:
        return said(error)


def timeless(text: str) -> str:
    """Return *text* without the moment it was written, and without the id made up for an answer that had none."""
    text = re.sub(r'"(created(?:_at)?)": ?\d{10}', r'"\1":0', text)
    return re.sub(r"(chatcmpl-|msg_)[0-9a-f]{24}", r"\1made-up", text)


def said(error: MiniLLMError) -> str:
    return f"! {type(error).__name__}: {error.message}"
