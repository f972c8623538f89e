"""A stream that passed as it came: its rest is written after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from mini_llm import dialects
from mini_llm.gateway.continuing import continuing
from mini_llm.meter import Gatherer
from mini_llm.types import Delta

CHAT = dialects.get("openai_chat")


def test_the_rest_bears_the_names_of_what_was_sent() -> None:
    gatherer = Gatherer()
    for delta in (Delta(id="chatcmpl-7", model="gpt-x", created=5), Delta("Hello")):
        gatherer.add(delta)

    async def rest() -> AsyncGenerator[Delta, None]:
        yield Delta(" world")
        yield Delta(finish_reason="stop")

    async def run() -> bytes:
        written = continuing(CHAT, gatherer.response(), rest(), recent=(), include_usage=False, model="other")
        return b"".join([piece async for piece in written])

    first, *_, last = asyncio.run(run()).split(b"\n\n")[:-1]
    assert b'"id":"chatcmpl-7"' in first and b'"model":"gpt-x"' in first and b'"content":" world"' in first
    assert last == b"data: [DONE]"
