"""Claude Code. Its settings file is read by its background agents and its editor extensions, too.

https://code.claude.com/docs/en/llm-gateway-connect, https://code.claude.com/docs/en/settings (2026-11)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mini_llm.setup import check, formats, tree
from mini_llm.setup.offer import quoted
from mini_llm.setup.tool import Change, Offer, Piece, Place, Start, Tool

TIERS = ("OPUS", "SONNET", "HAIKU", "FABLE")


def folder(place: Place) -> Path:
    """Return the folder of its settings."""
    return place.told("CLAUDE_CONFIG_DIR", place.home / ".claude")


def settings(place: Place) -> Path:
    """Return its settings file."""
    return folder(place) / "settings.json"


def variables(offer: Offer) -> dict[str, str]:
    """Return what its environment says, but for the credential.

    It prints what aliases it finds at the gateway; the attribution header is for Anthropic's own API alone.
    """
    told = {
        "ANTHROPIC_BASE_URL": offer.url,
        "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
        "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
    }
    if offer.named or not offer.native("claude-"):
        told["ANTHROPIC_MODEL"] = offer.model
        told |= {f"ANTHROPIC_DEFAULT_{tier}_MODEL": offer.model for tier in TIERS}
    if offer.small:
        told["ANTHROPIC_DEFAULT_HAIKU_MODEL"] = offer.small
    return told


def changes(offer: Offer, place: Place) -> tuple[Change, ...]:
    """Return the helper command and the environment. A key of the shell's would win over the helper: it is emptied."""
    told = {**variables(offer), "ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": ""}
    pieces = [Piece(("env", name), value) for name, value in told.items()]
    helper = Piece(("apiKeyHelper",), quoted(offer.helper, place.platform))
    return (Change(settings(place), "json", (helper, *pieces)),)


def credential(offer: Offer, place: Place) -> str:
    """Run the helper command that stands in its settings, as it does: by a shell."""
    line = _said(place).get("apiKeyHelper", "")
    return check.helped(check.shell(line, place.platform, place.environ))


def start(offer: Offer, place: Place) -> Start:
    """Return its environment. What its settings file says would win: then the same goes in as settings, too."""
    told = variables(offer)
    ours: dict[str, str | None] = {**told, "ANTHROPIC_AUTH_TOKEN": offer.token(), "ANTHROPIC_API_KEY": ""}
    said = _said(place)
    if "apiKeyHelper" not in said and not ours.keys() & (tree.get(said, ("env",)) or {}).keys():
        return Start(ours)
    bare = {**told, "ANTHROPIC_AUTH_TOKEN": "", "ANTHROPIC_API_KEY": ""}
    over = {"apiKeyHelper": quoted(offer.helper, place.platform), "env": bare}
    return Start({**ours, "ANTHROPIC_AUTH_TOKEN": None}, ("--settings", json.dumps(over)))


def _said(place: Place) -> dict[str, Any]:
    said = formats.said("json", settings(place))
    return said if isinstance(said, dict) else {}


TOOL = Tool(
    name="claude",
    title="Claude Code",
    route="anthropic_messages",
    programs=("claude",),
    folders=(".claude/local", ".claude/bin"),
    signs=lambda place: (folder(place),),
    changes=changes,
    credential=credential,
    start=start,
    steps=lambda offer, place: ("start `claude` anew; `/status` in it shows the address and the model",),
)
