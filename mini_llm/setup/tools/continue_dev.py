"""Continue, in VS Code, in JetBrains and as `cn`: models in its YAML file, whose key is one of its secrets.

https://docs.continue.dev/reference (2026-11)
"""

from __future__ import annotations

from pathlib import Path

from mini_llm.setup import formats, tree
from mini_llm.setup.offer import quoted
from mini_llm.setup.tool import PROVIDER, Change, Offer, Piece, Place, RefusedError, Start, Tool

SECRET = "MINI_LLM"  # noqa: S105  (the name of one)
NEEDED = {"name": PROVIDER, "version": "0.0.1", "schema": "v1"}


def folder(place: Place) -> Path:
    """Return the folder of its settings."""
    return place.told("CONTINUE_GLOBAL_DIR", place.home / ".continue")


def changes(offer: Offer, place: Place) -> tuple[Change, ...]:
    """Return an item for each model. Raises RefusedError where a file of ours would hide the user's older one."""
    file = folder(place) / "config.yaml"
    if not file.exists() and (old := file.with_suffix(".json")).exists():
        raise RefusedError(
            f"{old} is in use: Continue would no longer read it beside a config.yaml",
            hint="move it first: https://docs.continue.dev/reference/yaml-migration",
        )
    said = formats.said("yaml", file)
    needed = {name: value for name, value in NEEDED.items() if tree.get(said, (name,)) in (tree.ABSENT, value)}
    pieces = [Piece((name,), value) for name, value in needed.items()]
    for model in offer.models():
        name = f"{PROVIDER} {model.id}"
        told = {
            "name": name,
            "provider": "openai",
            "model": model.id,
            "apiBase": f"{offer.url}/v1",
            "apiKey": f"${{{{ secrets.{SECRET} }}}}",
            "useResponsesApi": False,
            "roles": ["chat", "edit", "apply"],
            "capabilities": ["tool_use", *(["image_input"] if "images" in model.capabilities else [])],
        }
        pieces.append(Piece(("models", f"[{name}]"), told))
    return (Change(file, "yaml", tuple(pieces)),)


def start(offer: Offer, place: Place) -> Start:
    """Return its secret as `cn` takes it: from the environment, too. Raises RefusedError where no model is ours."""
    models = tree.get(formats.said("yaml", folder(place) / "config.yaml"), ("models",)) or ()
    if not any(str(model.get("name", "")).startswith(PROVIDER) for model in models if isinstance(model, dict)):
        raise RefusedError(
            "Continue's config.yaml lists no model of the gateway", hint="`mini-llm setup continue` first"
        )
    return Start({SECRET: offer.token()})


def steps(offer: Offer, place: Place) -> tuple[str, ...]:
    """Return how its secret gets there."""
    line = f"{SECRET}=$({quoted(offer.helper)})"
    return (
        f'give it the token: echo "{line}" >> {folder(place) / ".env"}',
        "or start `cn` with `mini-llm run continue`",
    )


TOOL = Tool(
    name="continue",
    title="Continue",
    programs=("cn",),
    signs=lambda place: (folder(place),),
    changes=changes,
    start=start,
    steps=steps,
)
