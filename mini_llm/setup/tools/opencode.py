"""opencode: a provider in its global config, whose key is read from the token's file.

https://opencode.ai/docs/config, https://opencode.ai/docs/providers (2026-11)
"""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Any

from mini_llm.setup import formats, tree
from mini_llm.setup.tool import PROVIDER, Change, Offer, Piece, Place, Start, Tool

TOKEN = "MINI_LLM_GATEWAY_TOKEN"  # noqa: S105  (the name of a variable)
NAMES = ("opencode.jsonc", "opencode.json", "config.json")


def settings(place: Place) -> Path:
    """Return its config file: the one that is there, else the usual one."""
    folder = place.settings / "opencode"
    found = next((folder / name for name in NAMES if (folder / name).exists()), folder / "opencode.json")
    return place.told("OPENCODE_CONFIG", found)


def provider(offer: Offer, key: str) -> dict[str, Any]:
    """Return the gateway as one of its providers. Without a limit it can't tell when a conversation gets too long."""
    models: dict[str, Any] = {}
    for model in offer.models():
        models[model.id] = {"name": model.name or model.id}
        if model.context_window and model.max_output:
            models[model.id]["limit"] = {"context": model.context_window, "output": model.max_output}
    options = {"baseURL": f"{offer.url}/v1", "apiKey": key}
    return {"npm": "@ai-sdk/openai-compatible", "name": PROVIDER, "options": options, "models": models}


def changes(offer: Offer, place: Place) -> tuple[Change, ...]:
    """Return the provider; the models that it works with are changed only where none is set, or one was asked for."""
    file = settings(place)
    said = formats.said("jsonc", file)
    key = f"{{file:{offer.token_file.as_posix()}}}"
    pieces = [Piece(("provider", PROVIDER), provider(offer, key))]
    for name, model in (("model", offer.model), ("small_model", offer.small or offer.model)):
        there = tree.get(said, (name,))
        if offer.named or there is tree.ABSENT or str(there).startswith(f"{PROVIDER}/"):
            pieces.append(Piece((name,), f"{PROVIDER}/{model}"))
    return (Change(file, "jsonc", tuple(pieces)),)


def credential(offer: Offer, place: Place) -> str:
    """Read the file that its config refers to."""
    key = tree.get(formats.said("jsonc", settings(place)), ("provider", PROVIDER, "options", "apiKey"))
    return Path(key.removeprefix("{file:").removesuffix("}")).read_text(encoding="ascii").strip()


def start(offer: Offer, place: Place) -> Start:
    """Return its whole config in a variable, which it lays over its files."""
    small = offer.small or offer.model
    told = {
        "model": f"{PROVIDER}/{offer.model}",
        "small_model": f"{PROVIDER}/{small}",
        "provider": {PROVIDER: provider(offer, f"{{env:{TOKEN}}}")},
    }
    return Start({"OPENCODE_CONFIG_CONTENT": dumps(told), TOKEN: offer.token()})


TOOL = Tool(
    name="opencode",
    title="opencode",
    programs=("opencode",),
    folders=(".opencode/bin",),
    signs=lambda place: (place.settings / "opencode",),
    changes=changes,
    credential=credential,
    start=start,
    steps=lambda offer, place: (f"start `opencode` anew; `/models` lists what is behind {PROVIDER}",),
)
