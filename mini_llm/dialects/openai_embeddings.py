"""OpenAI's embeddings: texts in, vectors out. Most compatible providers have the same endpoint."""

from __future__ import annotations

from mini_llm.dialects.vectors import vector
from mini_llm.errors import ProtocolError
from mini_llm.types import EmbedRequest, EmbedResponse, Json, Usage

PATH = "/embeddings"


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
    told = body.get("usage")
    usage: Json = told if isinstance(told, dict) else {}
    tokens = usage.get("prompt_tokens")
    named = body.get("model")
    return EmbedResponse(
        model=named if isinstance(named, str) else model,
        vectors=tuple(found),
        usage=Usage(input_tokens=tokens, raw=usage) if isinstance(tokens, int) else None,
    )
