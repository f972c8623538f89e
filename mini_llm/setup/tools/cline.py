"""Cline. It keeps its key in files and stores of its own, in the open: what goes there, the user puts there.

https://docs.cline.bot/cline-cli (2026-11)
"""

from __future__ import annotations

from mini_llm.setup.offer import quoted
from mini_llm.setup.tool import Offer, Place, Tool


def steps(offer: Offer, place: Place) -> tuple[str, ...]:
    """Return the command for the program, and the fields of the extension."""
    token = f'"$({quoted(offer.helper)})"'
    return (
        f"the program: cline auth -p openai -k {token} -b {offer.url}/v1 -m {quoted([offer.model])}",
        "in VS Code: API Provider: OpenAI Compatible",
        f"            Base URL: {offer.url}/v1",
        f"            API Key: what `{quoted(offer.helper)}` prints",
        f"            Model ID: {offer.model}",
    )


TOOL = Tool(
    name="cline",
    title="Cline",
    programs=("cline",),
    signs=lambda place: (place.home / ".cline",),
    steps=steps,
)
