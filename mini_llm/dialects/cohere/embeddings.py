"""Cohere's own embeddings: https://docs.cohere.com/reference/embed (2026-11)."""

from __future__ import annotations

from mini_llm.dialects import loose, vectors
from mini_llm.types import EmbedRequest, EmbedResponse, Json, Usage

PATH = "/embed"
# Cohere wants to know what the vectors are for; this is its word for texts that will be searched.
INPUT_TYPE = "search_document"


def encode_request(request: EmbedRequest) -> Json:
    """Return the body; vectors are asked for as numbers."""
    body: Json = {
        "model": request.model,
        "texts": list(request.inputs),
        "input_type": INPUT_TYPE,
        "embedding_types": ["float"],
    }
    if request.dimensions is not None:
        body["output_dimension"] = request.dimensions
    return body


def decode_response(body: Json, count: int, *, model: str = "") -> EmbedResponse:
    """Return the *count* vectors, in the order of the inputs; the answer does not name its *model*."""
    rows = loose.object_of(body.get("embeddings")).get("float")
    billed = loose.object_of(loose.object_of(body.get("meta")).get("billed_units"))
    tokens = billed.get("input_tokens")
    usage = Usage(input_tokens=int(tokens), raw=billed) if isinstance(tokens, int | float) else None
    return EmbedResponse(model, vectors.checked(rows, count), usage)
