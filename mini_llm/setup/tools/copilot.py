"""GitHub Copilot CLI. Another provider is told to it by its environment only.

https://docs.github.com/en/copilot/how-tos/copilot-cli (2026-11)
"""

from __future__ import annotations

from mini_llm.setup.tool import Offer, Place, Start, Tool


def start(offer: Offer, place: Place) -> Start:
    """Return its environment."""
    return Start(
        {
            "COPILOT_PROVIDER_BASE_URL": f"{offer.url}/v1",
            "COPILOT_PROVIDER_API_KEY": offer.token(),
            "COPILOT_PROVIDER_WIRE_API": "responses",
            "COPILOT_MODEL": offer.model,
        }
    )


TOOL = Tool(
    name="copilot",
    title="Copilot CLI",
    route="openai_responses",
    programs=("copilot",),
    signs=lambda place: (place.home / ".copilot",),
    start=start,
)
