"""Codex CLI: a profile of its own, in a file of its own, and the list of models that it can choose from.

https://developers.openai.com/codex/config-reference (2026-11); profiles are files since 0.134.
"""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Any

from mini_llm.dialects import model_list
from mini_llm.setup import check, formats, tree
from mini_llm.setup.tool import PROVIDER, Change, Offer, Piece, Place, Start, Tool

TOKEN = "MINI_LLM_GATEWAY_TOKEN"  # noqa: S105  (the name of a variable)
HELPER_MS, REFRESH_MS = 30_000, 300_000


def folder(place: Place) -> Path:
    """Return the folder of its settings."""
    return place.told("CODEX_HOME", place.home / ".codex")


def profile(place: Place) -> Path:
    """Return the file of our profile."""
    return folder(place) / f"{PROVIDER}.config.toml"


def provider(offer: Offer) -> dict[str, Any]:
    """Return the gateway as one of its providers, but for the credential."""
    return {"name": PROVIDER, "base_url": f"{offer.url}/v1", "wire_api": "responses"}


def changes(offer: Offer, place: Place) -> tuple[Change, ...]:
    """Return the profile and the list of models."""
    models = folder(place) / f"{PROVIDER}-models.json"
    command, *args = offer.helper
    auth = {"command": command, "args": args, "timeout_ms": HELPER_MS, "refresh_interval_ms": REFRESH_MS}
    pieces = (
        Piece(("model",), offer.model),
        Piece(("model_provider",), PROVIDER),
        Piece(("model_catalog_json",), str(models)),
        Piece(("model_providers", PROVIDER), {**provider(offer), "auth": auth}),
    )
    listed = model_list.encode(tuple(offer.models()))["models"]
    return Change(models, "json", (Piece(("models",), listed),)), Change(profile(place), "toml", pieces)


def credential(offer: Offer, place: Place) -> str:
    """Run the helper command that stands in the profile."""
    auth = tree.get(formats.said("toml", profile(place)), ("model_providers", PROVIDER, "auth"))
    return check.helped((auth["command"], *auth["args"]))


def start(offer: Offer, place: Place) -> Start:
    """Return the profile as words of the command line; the token goes by the environment."""
    told = {"model": offer.model, "model_provider": PROVIDER}
    told |= {f"model_providers.{PROVIDER}.{key}": value for key, value in provider(offer).items()}
    told[f"model_providers.{PROVIDER}.env_key"] = TOKEN
    words = [word for key, value in told.items() for word in ("-c", f"{key}={dumps(value)}")]
    return Start({TOKEN: offer.token()}, tuple(words))


TOOL = Tool(
    name="codex",
    title="Codex CLI",
    route="openai_responses",
    programs=("codex",),
    signs=lambda place: (folder(place),),
    oldest="0.134",
    changes=changes,
    credential=credential,
    start=start,
    steps=lambda offer, place: (f"start it with `codex --profile {PROVIDER}`; without, it is as it was",),
)
