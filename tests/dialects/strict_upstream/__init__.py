"""Upstreams that take nothing but what the vendors take: what would earn a request their 400.

Written from the vendors' rules and from recorded requests that were answered with 200, apart from the code under test.
`issued` are answers the upstream gave earlier, as on its wire: with them it knows its own signatures.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.dialects.strict_upstream import anthropic_messages, gemini, openai_chat, openai_responses
from tests.dialects.strict_upstream.reading import Json

_READERS = {
    "anthropic_messages": anthropic_messages.problems,
    "gemini": gemini.problems,
    "openai_chat": openai_chat.problems,
    "openai_responses": openai_responses.problems,
}


def problems(dialect: str, body: Json, issued: Sequence[Json] = (), *, model: str = "") -> list[str]:
    """Return what is wrong with *body*; nothing if it would be answered. *model* stands in the path of some."""
    return _READERS[dialect](body, issued, model or str(body.get("model", "")))
