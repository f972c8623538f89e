"""Lists of models: OpenAI's form, which most have, Google's and Ollama's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mini_llm.dialects import loose
from mini_llm.types import Json, Model

PATH = "/models"
# Where a dialect has another place for it, or tells only so many at a time unless asked for more.
PATHS: Mapping[str, str] = {
    "gemini": "/models?pageSize=1000", "anthropic_messages": "/models?limit=1000", "ollama": "/tags",
}  # fmt: skip


def path(dialect: str) -> str:
    """Return where the list is, below a provider's base URL."""
    return PATHS.get(dialect, PATH)


def decode(body: Json) -> tuple[str, ...]:
    """Return the ids of the models in *body*."""
    rows = loose.objects(body.get("data")) or loose.objects(body.get("models"))
    names = (loose.text(loose.first(row, "id", "model", "name")) for row in rows)
    return tuple(name.removeprefix("models/") for name in names if name)


def encode_gemini(models: Iterable[Model]) -> Json:
    """Return *models* as Google lists them."""
    return {"models": [_gemini(model) for model in models]}


def _gemini(model: Model) -> Json:
    body: Json = {"name": f"models/{model.id}", "displayName": model.name or model.id}
    if model.context_window:
        body["inputTokenLimit"] = model.context_window
    if model.max_output:
        body["outputTokenLimit"] = model.max_output
    return body | {"supportedGenerationMethods": ["generateContent", "countTokens"]}
