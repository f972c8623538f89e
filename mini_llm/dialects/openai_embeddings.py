"""OpenAI's embeddings: texts in, vectors out. Most compatible providers have the same endpoint."""

from __future__ import annotations

import base64
import binascii
import struct

from mini_llm.dialects.vectors import vector
from mini_llm.errors import ProtocolError, TranslationError, UsageError
from mini_llm.types import EmbedRequest, EmbedResponse, Json, Usage

PATH = "/embeddings"
FIELDS = frozenset({"model", "input", "dimensions", "encoding_format"})
HINTS = ("user",)  # who asks, which changes no vector
FORMATS = (None, "float", "base64")


def decode_request(body: Json) -> EmbedRequest:
    """Read a caller's request, for a provider that is not OpenAI's like. Raises TranslationError for token numbers."""
    told = body.get("input")
    inputs = [told] if isinstance(told, str) else told
    if not isinstance(inputs, list) or not inputs:
        raise UsageError("input: must be a text, or a list of texts")
    if not all(isinstance(text, str) for text in inputs):
        raise TranslationError("another provider's model has other tokens: only texts go there", field="input")
    for name in body:
        if name not in FIELDS and name not in HINTS:
            raise TranslationError(f"embeddings of another provider have no {name[:100]}", field=name[:100])
    size = body.get("dimensions")
    if size is not None and (type(size) is not int or size < 1):
        raise UsageError("dimensions: must be a whole number")
    return EmbedRequest(str(body.get("model") or ""), tuple(inputs), size)


def count(body: Json) -> int:
    """Return how many vectors a caller's request asks for: one for a text or its tokens, else one each."""
    told = body.get("input")
    several = isinstance(told, list) and told and isinstance(told[0], str | list)
    return len(told) if several and isinstance(told, list) else 1


def wants_base64(body: Json) -> bool:
    """Tell whether a caller wants its vectors as base64, which the SDKs do unasked."""
    told = body.get("encoding_format")
    if told not in FORMATS:
        raise UsageError("encoding_format: must be float or base64")
    return told == "base64"


def encode_request(request: EmbedRequest) -> Json:
    """Return the body; vectors are asked for as numbers, not base64."""
    body: Json = {"model": request.model, "input": list(request.inputs), "encoding_format": "float"}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    return body


def decode_response(body: Json, count: int, *, model: str = "") -> EmbedResponse:
    """Return the *count* vectors in the order of the inputs, whatever order they came in."""
    rows = body.get("data")
    if not isinstance(rows, list) or len(rows) != count or not all(isinstance(row, dict) for row in rows):
        raise ProtocolError(f"the answer does not hold {count} embeddings")
    found: list[tuple[float, ...]] = [()] * count
    for position, row in enumerate(rows):
        index = row.get("index", position)
        if not isinstance(index, int) or not 0 <= index < count:
            raise ProtocolError(f"embedding {position} is malformed")
        found[index] = vector(row.get("embedding"), position)
    if not all(found):
        raise ProtocolError("the answer holds one embedding twice and lacks another")
    named = body.get("model")
    return EmbedResponse(
        model=named if isinstance(named, str) else model,
        vectors=tuple(found),
        usage=usage_of(body),
    )


def encode_response(response: EmbedResponse, *, as_base64: bool = False) -> Json:
    """Write an answer for a caller."""
    rows = [
        {"object": "embedding", "index": at, "embedding": packed(vector) if as_base64 else list(vector)}
        for at, vector in enumerate(response.vectors)
    ]
    tokens = response.usage.input_tokens if response.usage else 0
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": rows, "model": response.model, "usage": usage}


def reformed(body: Json, expected: int, *, as_base64: bool) -> bool:
    """Put the vectors of a provider's own answer into the form that was asked for; return whether any had another.

    Raises ProtocolError unless there are as many as expected.
    """
    rows = body.get("data")
    if not isinstance(rows, list) or len(rows) != expected or not all(isinstance(row, dict) for row in rows):
        raise ProtocolError(f"the answer does not hold {expected} embeddings")
    changed = False
    for at, row in enumerate(rows):
        told = row.get("embedding")
        if isinstance(told, str) != as_base64:
            row["embedding"] = packed(vector(told, at)) if as_base64 else list(_unpacked(told, at))
            changed = True
    return changed


def usage_of(body: Json) -> Usage | None:
    """Return what a provider's own answer says it used."""
    told = body.get("usage")
    tokens = told.get("prompt_tokens") if isinstance(told, dict) else None
    return Usage(input_tokens=tokens, raw=told) if isinstance(tokens, int) and isinstance(told, dict) else None


def packed(values: tuple[float, ...]) -> str:
    """Return a vector as base64 of little-endian 32-bit floats."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def _unpacked(told: object, at: int) -> tuple[float, ...]:
    try:
        raw = base64.b64decode(told, validate=True) if isinstance(told, str) else b""
        return struct.unpack(f"<{len(raw) // 4}f", raw)
    except (binascii.Error, struct.error, ValueError):
        raise ProtocolError(f"embedding {at} is malformed") from None
