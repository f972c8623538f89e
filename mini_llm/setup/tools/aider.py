"""aider: its YAML file names our address, and two files of ours: the token's environment, and what the models are.

https://aider.chat/docs/config/aider_conf.html, https://aider.chat/docs/config/adv-model-settings.html (2026-11)
"""

from __future__ import annotations

from json import dumps
from pathlib import Path

from mini_llm.setup.environment import openai
from mini_llm.setup.tool import Change, Offer, Piece, Place, Start, Tool

PREFIX = "openai/"  # it asks an OpenAI-compatible server only for models that are called so


def settings(place: Place) -> Path:
    """Return its config file of the user."""
    return place.home / ".aider.conf.yml"


def changes(offer: Offer, place: Place) -> tuple[Change, ...]:
    """Return what its config says; another `model` or `env-file` is replaced, and comes back with --undo."""
    secrets, models = (str(file) for file in _files(offer))
    pieces = [
        Piece(("model",), PREFIX + offer.model),
        Piece(("openai-api-base",), f"{offer.url}/v1"),
        Piece(("env-file",), secrets),
        Piece(("model-metadata-file",), models),
    ]
    if offer.small:
        pieces.append(Piece(("weak-model",), PREFIX + offer.small))
    return (Change(settings(place), "yaml", tuple(pieces)),)


def own(offer: Offer, place: Place) -> tuple[tuple[Path, str], ...]:
    """Return the files it is shown."""
    secrets, models = _files(offer)
    told = {}
    for model in offer.models():
        sizes = {"max_input_tokens": model.context_window, "max_output_tokens": model.max_output}
        known = {name: size for name, size in sizes.items() if size}
        told[PREFIX + model.id] = {**known, "litellm_provider": "openai", "mode": "chat"}
    return (secrets, f"OPENAI_API_KEY={offer.token()}\n"), (models, f"{dumps(told, indent=2)}\n")


def credential(offer: Offer, place: Place) -> str:
    """Read the token from the file that its config names."""
    return _files(offer)[0].read_text(encoding="ascii").partition("=")[2].strip()


def start(offer: Offer, place: Place) -> Start:
    """Return its environment and its model."""
    small = ("--weak-model", PREFIX + offer.small) if offer.small else ()
    return Start(openai(offer), ("--model", PREFIX + offer.model, *small))


def _files(offer: Offer) -> tuple[Path, Path]:
    return offer.folder / "aider.env", offer.folder / "aider.models.json"


TOOL = Tool(
    name="aider",
    title="aider",
    programs=("aider",),
    changes=changes,
    own=own,
    credential=credential,
    start=start,
)
