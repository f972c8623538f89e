"""Zed: a provider in its settings; the key goes into its keychain, or comes by MINI_LLM_API_KEY.

https://zed.dev/docs/ai/use-api-access#openai-compatible (2026-11)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mini_llm.setup.offer import quoted
from mini_llm.setup.tool import PROVIDER, Change, Offer, Piece, Place, Start, Tool
from mini_llm.types import Model

UNKNOWN_WINDOW = 128_000  # it wants a number; most models of today hold as much


def folder(place: Place) -> Path:
    """Return the folder of its settings: XDG's on macOS, too."""
    return place.applications / "Zed" if place.platform == "win32" else place.settings / "zed"


def changes(offer: Offer, place: Place) -> tuple[Change, ...]:
    """Return the provider."""
    told = {"api_url": f"{offer.url}/v1", "available_models": [_described(model) for model in offer.models()]}
    path = ("language_models", "openai_compatible", PROVIDER)
    return (Change(folder(place) / "settings.json", "jsonc", (Piece(path, told),)),)


def _described(model: Model) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": model.id,
        "display_name": f"{model.name or model.id} ({PROVIDER})",
        "max_tokens": model.context_window or UNKNOWN_WINDOW,
    }
    if model.max_output:
        told["max_output_tokens"] = model.max_output
    return told | {
        "capabilities": {
            "tools": True,
            "images": "images" in model.capabilities,
            "parallel_tool_calls": True,
            "prompt_cache_key": False,
            "chat_completions": True,
        }
    }


def steps(offer: Offer, place: Place) -> tuple[str, ...]:
    """Return how its key gets there."""
    return (
        f"give it the token: `agent: open settings`, LLM Providers, {PROVIDER}: what `{quoted(offer.helper)}` prints",
        "or start it with `mini-llm run zed`",
    )


TOOL = Tool(
    name="zed",
    title="Zed",
    programs=("zed", "zeditor", "zedit", "zed-editor"),
    signs=lambda place: (folder(place),),
    changes=changes,
    start=lambda offer, place: Start({"MINI_LLM_API_KEY": offer.token()}),
    steps=steps,
)
