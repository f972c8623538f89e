"""A provider's answer to "how many tokens": one number, under a name of its own."""

from __future__ import annotations

from mini_llm.dialects import failures
from mini_llm.errors import ProtocolError
from mini_llm.types import Json, Usage


def usage(body: object, name: str) -> Usage:
    """Return the count that stands under *name*. Raises ProtocolError without one, UpstreamError for an error."""
    if not isinstance(body, dict):
        raise ProtocolError("the answer is not a JSON object")
    if body.get("error"):
        raise failures.inside(body)
    told: Json = body
    tokens = told.get(name)
    if type(tokens) is not int or tokens < 0:
        raise ProtocolError("the answer holds no count of tokens")
    return Usage(input_tokens=tokens, raw=told)
