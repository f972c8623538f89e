"""Ollama's own embeddings: https://docs.ollama.com/api/embed (2026-11)."""

from __future__ import annotations

from mini_llm.dialects import loose, vectors
from mini_llm.types import EmbedRequest, EmbedResponse, Json, Usage

PATH = "/embed"


def encode_request(request: EmbedRequest) -> Json:
    """Return the body."""
    size = {} if request.dimensions is None else {"dimensions": request.dimensions}
    return {"model": request.model, "input": list(request.inputs), **size}


def decode_response(body: Json, count: int, *, model: str = "") -> EmbedResponse:
    """Return the *count* vectors, in the order of the inputs. The older endpoint gives one alone."""
    rows = body.get("embeddings", [body.get("embedding")])
    tokens = body.get("prompt_eval_count")
    usage = Usage(input_tokens=tokens, raw={"prompt_eval_count": tokens}) if type(tokens) is int else None
    return EmbedResponse(loose.text(body.get("model")) or model, vectors.checked(rows, count), usage)
