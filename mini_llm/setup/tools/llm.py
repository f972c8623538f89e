"""llm, Simon Willison's command line: models in its file of OpenAI-compatible ones, whose key is one of its own.

https://llm.datasette.io/en/stable/other-models.html#openai-compatible-models (2026-11)
"""

from __future__ import annotations

from pathlib import Path

from mini_llm.setup.environment import openai
from mini_llm.setup.offer import quoted
from mini_llm.setup.tool import PROVIDER, Change, Offer, Piece, Place, Start, Tool


def folder(place: Place) -> Path:
    """Return the folder of its settings."""
    return place.told("LLM_USER_PATH", place.applications / "io.datasette.llm")


def changes(offer: Offer, place: Place) -> tuple[Change, ...]:
    """Return an item for each model."""
    pieces = []
    for model in offer.models():
        name = f"{PROVIDER}/{model.id}"
        told = {
            "model_id": name,
            "model_name": model.id,
            "api_base": f"{offer.url}/v1",
            "api_key_name": PROVIDER,
            "supports_tools": True,
            "supports_schema": True,
            "vision": "images" in model.capabilities,
        }
        pieces.append(Piece((f"[{name}]",), told))
    return (Change(folder(place) / "extra-openai-models.yaml", "yaml", tuple(pieces)),)


def steps(offer: Offer, place: Place) -> tuple[str, ...]:
    """Return how its key gets there, and how a model is asked."""
    return (
        f'give it the token: llm keys set {PROVIDER} --value "$({quoted(offer.helper)})"',
        f'ask: llm -m {quoted([f"{PROVIDER}/{offer.model}"])} "Hello"',
    )


TOOL = Tool(
    name="llm",
    title="llm",
    programs=("llm",),
    signs=lambda place: (folder(place),),
    changes=changes,
    start=lambda offer, place: Start(openai(offer)),
    steps=steps,
)
