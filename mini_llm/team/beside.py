"""Models that a body names beside the one it asks for: some providers fall back on them, or ask them on the side."""

from __future__ import annotations

from collections.abc import Iterator

from mini_llm.types import Json

LISTS = ("models", "fallbacks")  # OpenRouter's and LiteLLM's


def named(body: Json) -> Iterator[str]:
    """Yield each of them."""
    gateway = _below(_below(body, "providerOptions"), "gateway")  # Vercel's
    for holder in (body, gateway):
        for name in LISTS:
            listed = holder.get(name)
            yield from _names(listed if isinstance(listed, list) else [listed])
    tools = body.get("tools")
    yield from _names(
        [tool.get("model") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else ()
    )


def _names(listed: list[object] | tuple[()]) -> Iterator[str]:
    for one in listed:
        name = one.get("model") if isinstance(one, dict) else one
        if isinstance(name, str):
            yield name


def _below(body: Json, name: str) -> Json:
    below = body.get(name)
    return below if isinstance(below, dict) else {}
