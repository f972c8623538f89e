"""Read `model` and `stream` of a JSON body and put another model name in, leaving every other byte as it was.

The body is parsed once to be sure that it is JSON (orjson does that faster than anything here could skip it), but
never written anew: the new name is spliced into the bytes that came.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import orjson

from mini_llm.errors import UsageError
from mini_llm.types import Json

_KEY = b'"model"'
_COLON = re.compile(rb"[ \t\n\r]*:[ \t\n\r]*")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_VALUE = re.compile(rb'[ \t\n\r]*:[ \t\n\r]*("[^"\\]*+(?:\\.[^"\\]*+)*+")', re.DOTALL)
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]', re.DOTALL)


class Peek(NamedTuple):
    """What a body says at its top level; None where it says nothing."""

    model: str | None
    stream: bool | None


def peek(body: bytes) -> Peek:
    """Return `model` and `stream` of *body*. Raises UsageError unless it is a JSON object with a sensible pair."""
    return said(read(body))


def read(body: bytes) -> Json:
    """Return the JSON object that *body* is. Raises UsageError for anything else."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"the body is not valid JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise UsageError("the body must be a JSON object")
    return parsed


def said(body: Json) -> Peek:
    """Return `model` and `stream` of a body that was read. Raises UsageError for what cannot be either."""
    model, stream = model_of(body), body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise UsageError("stream: must be true or false")
    return Peek(model, stream)


def model_of(body: Json) -> str | None:
    """Return `model` of a body that was read. Raises UsageError for what cannot be a name."""
    model = body.get("model")
    if model is not None and not isinstance(model, str):
        raise UsageError("model: must be a string")
    return model


def with_model(body: bytes, model: str) -> bytes:
    """Return *body* with *model* as its model. Raises UsageError if it has none; if it has several, all change."""
    if peek(body).model is None:
        raise UsageError("model: missing")
    return spliced(body, model)


def spliced(body: bytes, model: str) -> bytes:
    """Do what `with_model` does to a *body* that is known to be a JSON object with a name for its model."""
    name = orjson.dumps(model)
    at = body.find(_KEY)
    # One candidate is the one we know to exist, unless the key could be spelled with escapes (m is \u006d).
    if body.find(_KEY, at + 1) < 0 and b"\\u006" not in body and (value := _VALUE.match(body, at + len(_KEY))):
        return b"%b%b%b" % (body[: value.start(1)], name, body[value.end(1) :])
    pieces = []
    end = 0
    for start, stop in _spans(body):
        pieces += [body[end:start], name]
        end = stop
    return b"".join([*pieces, body[end:]])


def _spans(body: bytes) -> list[tuple[int, int]]:
    """Walk every string and bracket of valid JSON, and return the values of `model` at depth one."""
    spans = []
    depth = 0
    for token in _TOKEN.finditer(body):
        first = body[token.start()]
        if first in b"{[":
            depth += 1
        elif first in b"}]":
            depth -= 1
        elif depth == 1 and (colon := _COLON.match(body, token.end())):
            is_model = orjson.loads(token[0]) == "model"
            if is_model and (value := _STRING.match(body, colon.end())):
                spans.append(value.span())
    return spans
