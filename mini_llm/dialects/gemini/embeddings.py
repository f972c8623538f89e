"""Embeddings of the Gemini API, `batchEmbedContents` and `embedContent`, and what Vertex answers to `predict`."""

from __future__ import annotations

from mini_llm.dialects import failures, loose
from mini_llm.dialects.gemini.words import CANNOT, Words, camel
from mini_llm.dialects.vectors import vector
from mini_llm.errors import ProtocolError
from mini_llm.types import EmbedRequest, EmbedResponse, Json, Usage

PATH = "/models/{model}:batchEmbedContents"


def decode_request(body: Json) -> EmbedRequest:
    """Read a caller's request, of one text or of several. Raises TranslationError for what is no plain text."""
    fields = Words(body)
    alone = fields.get("requests") is None
    items = [fields] if alone else fields.each("requests")
    inputs: list[str] = []
    wanted: set[int | None] = set()
    model = ""
    for item in items:
        config = item.section("embedContentConfig")
        model = item.text("model").removeprefix("models/") or model
        inputs.append(_text(item))
        size = item.whole("outputDimensionality")
        wanted.add(config.whole("outputDimensionality") if size is None else size)
        for name in ("taskType", "title", "autoTruncate"):  # only Google's models know these
            if item.get(name) or config.get(name):
                raise CANNOT.error(item.path(name), "embeddings that another provider makes have no such thing")
    if len(wanted) > 1:
        raise fields.wrong("requests", "of one outputDimensionality")
    return EmbedRequest(model, tuple(inputs), next(iter(wanted), None))


def _text(item: Words) -> str:
    content = item.inner("content")
    if content is None:
        raise item.wrong("content", "an object")
    parts = content.each("parts")
    for part in parts:
        if part.get("text") is None:
            raise CANNOT.error(part.path("text"), "only texts are embedded here")
    return "".join(part.text("text") for part in parts)


def encode_request(request: EmbedRequest) -> Json:
    """Return the body; each text is a request of its own, so that each has its own vector."""
    size = {} if request.dimensions is None else {"outputDimensionality": request.dimensions}
    model = f"models/{request.model.removeprefix('models/')}"
    return {"requests": [{"model": model, "content": {"parts": [{"text": text}]}, **size} for text in request.inputs]}


def decode_response(body: Json, count: int, *, model: str = "") -> EmbedResponse:
    """Return the *count* vectors, which stand in the order of the inputs; the answer does not name its *model*."""
    if not isinstance(body, dict):
        raise ProtocolError("the answer is not a JSON object")
    if body.get("error"):
        raise failures.inside(body)
    rows = loose.objects(body.get("embeddings")) or loose.objects([body.get("embedding")])
    predictions = [loose.object_of(row.get("embeddings")) for row in loose.objects(body.get("predictions"))]
    vectors = tuple(vector(row.get("values"), at) for at, row in enumerate(rows or predictions))
    if len(vectors) != count:
        raise ProtocolError(f"the answer does not hold {count} embeddings")
    return EmbedResponse(model, vectors, _usage(body, predictions))


def _usage(body: Json, predictions: list[Json]) -> Usage | None:
    told = camel(loose.object_of(body.get("usageMetadata") or body.get("usage_metadata")))
    if isinstance(tokens := told.get("promptTokenCount"), int):
        return Usage(input_tokens=tokens, raw=told)
    statistics = [loose.object_of(row.get("statistics")) for row in predictions]
    counted = sum(loose.count(row.get("token_count")) for row in statistics)
    return Usage(input_tokens=counted, raw={"statistics": statistics}) if counted else None


def encode_response(response: EmbedResponse, *, alone: bool = False) -> Json:
    """Write an answer for a caller; *alone* is how `embedContent` has its one vector."""
    rows = [{"values": list(vector)} for vector in response.vectors]
    body: Json = {"embedding": rows[0]} if alone and rows else {"embeddings": rows}
    if response.usage is not None:
        body["usageMetadata"] = {"promptTokenCount": response.usage.input_tokens}
    return body
