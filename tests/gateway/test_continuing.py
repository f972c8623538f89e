"""A stream that passed as it came: its rest is written after it, and a last word that its provider forgot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from mini_llm import dialects, sse
from mini_llm.gateway.continuing import continuing, last_word
from mini_llm.meter import Gatherer
from mini_llm.types import Delta

CHAT, MESSAGES = dialects.get("openai_chat"), dialects.get("anthropic_messages")


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


def test_a_last_word_that_was_forgotten_is_said() -> None:
    chunk = sse.Event("", b'{"choices":[]}')
    assert last_word(CHAT, [chunk]) == b"data: [DONE]\n\n"
    assert last_word(CHAT, [chunk, sse.Event("", b"[DONE]")]) == b""
    stopped = sse.Event("message_delta", b'{"type":"message_delta"}')
    assert last_word(MESSAGES, [stopped]).startswith(b"event: message_stop\n")
    assert last_word(MESSAGES, [stopped, sse.Event("message_stop", b'{"type":"message_stop"}')]) == b""


def test_where_the_end_is_told_with_its_reason_there_is_no_other_last_word() -> None:
    for name in ("gemini", "openai_responses"):
        assert last_word(dialects.get(name), []) == b""
