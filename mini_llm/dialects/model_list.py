"""Lists of models: OpenAI's form, which most have, Google's and Ollama's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mini_llm.dialects import loose
from mini_llm.types import Json, Model

PATH = "/models"
# Where a dialect has another place for it, or tells only so many at a time unless asked for more.
PATHS: Mapping[str, str] = {
    "gemini": "/models?pageSize=1000", "anthropic_messages": "/models?limit=1000", "ollama": "/tags",
}  # fmt: skip
# Codex takes no model without instructions, and gives it none of its own then.
FOR_CODEX = (
    "You are a coding agent in the user's terminal, in the folder of their project. Read what matters before you change"
    " it, keep to the style you find, make the smallest change that does what was asked, and run the project's tests"
    " where it has some. Leave alone what others changed. Say briefly what you did, and what is left."
)


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


def encode(models: Sequence[Model], *, more: bool = False) -> Json:
    """Return *models* as one body in which OpenAI's clients, Anthropic's and Codex each find their own list."""
    return {
        "object": "list",
        "data": [encode_one(model) for model in models],
        "has_more": more,
        "first_id": models[0].id if models else None,
        "last_id": models[-1].id if models else None,
        "models": [_codex(model, at) for at, model in enumerate(models)],
    }


def encode_one(model: Model) -> Json:
    """Return *model* as OpenAI and Anthropic describe one. Nobody knows its birthday: Anthropic's words for that."""
    body: Json = {
        "id": model.id,
        "object": "model",
        "type": "model",
        "display_name": model.name or model.id,
        "created": 0,
        "created_at": "1970-01-01T00:00:00Z",
        "owned_by": model.provider,
        "lifecycle": "active",
    }
    if model.context_window:
        body |= {"context_window": model.context_window, "max_input_tokens": model.context_window}
    if model.max_output:
        body["max_tokens"] = model.max_output
    return body


def encode_gemini_one(model: Model) -> Json:
    """Return *model* as Google describes one."""
    return _gemini(model)


def _codex(model: Model, priority: int) -> Json:
    """Return *model* as Codex wants it: every field that its decoder does not find is an error to it.

    https://github.com/openai/codex/blob/main/codex-rs/protocol/src/openai_models.rs (2026-11)
    """
    return {
        "slug": model.id,
        "display_name": model.name or model.id,
        "context_window": model.context_window or None,
        "shell_type": "shell_command",
        "visibility": "list",
        "supported_in_api": True,
        "priority": priority,
        "truncation_policy": {"mode": "bytes", "limit": 10_000},
        "input_modalities": ["text", "image"] if "images" in model.capabilities else ["text"],
        "base_instructions": FOR_CODEX,
        "support_verbosity": False,
        "supports_parallel_tool_calls": True,
        "supports_reasoning_summaries": "reasoning" in model.capabilities,
        "supported_reasoning_levels": [],
        "experimental_supported_tools": [],
    }
