"""VS Code's chat (Copilot): a custom endpoint in its list of models; the key is asked for by its own window.

https://code.visualstudio.com/docs/copilot/customization/language-models (2026-11), from 1.122 on
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mini_llm.setup.offer import quoted
from mini_llm.setup.tool import PROVIDER, Change, Offer, Piece, Place, Tool
from mini_llm.types import Model

FOLDERS = ("Code", "Code - Insiders", "VSCodium")
UNKNOWN_INPUT, UNKNOWN_OUTPUT = 128_000, 16_000  # it wants numbers; most models of today hold as much


def folder(place: Place) -> Path:
    """Return the folder of the user's settings: that of the edition that is there."""
    found = [place.applications / name / "User" for name in FOLDERS]
    return next((one for one in found if one.is_dir()), found[0])


def changes(offer: Offer, place: Place) -> tuple[Change, ...]:
    """Return the endpoint and its models. VS Code puts the key into its own store and a reference in its place."""
    told = {
        "name": PROVIDER,
        "vendor": "customendpoint",
        "apiType": "chat-completions",
        "apiKey": f"${{input:chat.lm.secret.{PROVIDER}}}",
        "models": [_described(model, offer) for model in offer.models()],
    }
    return (Change(folder(place) / "chatLanguageModels.json", "jsonc", (Piece((f"[{PROVIDER}]",), told),)),)


def _described(model: Model, offer: Offer) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": f"{model.name or model.id} ({PROVIDER})",
        "url": f"{offer.url}/v1/chat/completions",
        "toolCalling": True,
        "vision": "images" in model.capabilities,
        "maxInputTokens": model.context_window or UNKNOWN_INPUT,
        "maxOutputTokens": model.max_output or UNKNOWN_OUTPUT,
    }


TOOL = Tool(
    name="vscode",
    title="VS Code",
    programs=("code", "code-insiders", "codium"),
    signs=lambda place: (folder(place),),
    oldest="1.122",
    changes=changes,
    steps=lambda offer, place: (
        f"give it the token: `Chat: Manage Language Models`, {PROVIDER}, its key: what `{quoted(offer.helper)}` prints",
    ),
)
