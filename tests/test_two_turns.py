"""Two turns through AsyncClient over real sockets: what the caller leaves out, its provider gets back, and no other."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from mini_llm import AsyncClient, dialects
from mini_llm.client import Answer
from mini_llm.types import Message, Part, Reasoning, Text, ToolCall, ToolResult
from tests.strict_provider import StrictProvider
from tests.world import World

SEAL = "c2VhbGVk0123"
MODELS = {
    "openai_chat": "deepseek-reasoner", "openai_responses": "gpt-5.5", "anthropic_messages": "claude-opus-4-5",
    "gemini": "gemini-3-pro",
}  # fmt: skip
WEATHER = {"name": "weather", "description": "Tell it", "parameters": {"type": "object", "properties": {}}}
USAGE = {"input_tokens": 1, "output_tokens": 1}
TARGETS = pytest.mark.parametrize("dialect", dialects.NAMES)
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def anthropic(*content: dict[str, Any], reason: str) -> dict[str, Any]:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
    return {**head, "content": [*content], "stop_reason": reason, "usage": USAGE}


def gemini(*parts: dict[str, Any]) -> dict[str, Any]:
    content = {"role": "model", "parts": [*parts]}
    return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "responseId": "r1"}


def chat(reason: str, **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def responses(*output: dict[str, Any]) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m",
            "output": [*output]}  # fmt: skip


TOLD = {"type": "output_text", "text": "Sunny.", "annotations": []}
# A call with all that hangs on it, and the answer after its result.
ANSWERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "anthropic_messages": (
        anthropic(
            {"type": "thinking", "thinking": "Hm", "signature": SEAL},
            {"type": "redacted_thinking", "data": f"{SEAL}4"},
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "toolu_0123456789", "name": "weather", "input": {"city": "Paris"}},
            reason="tool_use",
        ),
        anthropic({"type": "text", "text": "Sunny."}, reason="end_turn"),
    ),
    "gemini": (
        gemini(
            {"text": "Hm", "thought": True},
            {"functionCall": {"name": "weather", "args": {"city": "Paris"}}, "thoughtSignature": SEAL},
        ),
        gemini({"text": "Sunny."}),
    ),
    "openai_chat": (
        chat(
            "tool_calls",
            content=None,
            reasoning_content=f"Hm {SEAL}",
            tool_calls=[
                {
                    "id": "call_0123456789",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Paris"}'},
                }
            ],
        ),
        chat("stop", content="Sunny."),
    ),
    "openai_responses": (
        responses(
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": SEAL},
            {
                "type": "function_call",
                "id": "fc_1",
                "call_id": "call_0123456789",
                "name": "weather",
                "arguments": '{"city": "Paris"}',
                "status": "completed",
            },
        ),
        responses({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [TOLD]}),
    ),
}


def forgotten(answer: Answer) -> list[Message | dict[str, Any]]:
    """Return the turns that follow *answer*, as a caller writes them who kept words and calls and nothing else."""
    parts: list[Part] = []
    for part in answer.response.choices[0].message.parts:
        if isinstance(part, ToolCall):
            part = ToolCall(part.id, part.name, json.dumps(json.loads(part.arguments), indent=1))
        if not isinstance(part, Reasoning):
            parts.append(part)
    results = [ToolResult(call.id, (Text("Sunny"),)) for call in answer.tool_calls]
    return [
        {"role": "user", "content": "Weather?"},
        Message("assistant", tuple(parts)),
        Message("tool", tuple(results)),
    ]


async def asked(client: AsyncClient, prompt: Any, *, stream: bool) -> Answer:
    options: Any = {"model": "fast", "tools": [WEATHER], "effort": "high", "max_tokens": 9_000}
    if not stream:
        return await client.chat(prompt, **options)
    streaming = client.stream(prompt, **options)
    async for _ in streaming:
        pass
    return streaming.answer


def two_turns(home: Path, *providers: StrictProvider, stream: bool) -> Answer:
    settings = {f"p{at}": {"baseUrl": one.url, "dialect": one.dialect} for at, one in enumerate(providers)}
    targets = [f"p{at}/{MODELS[one.dialect]}" for at, one in enumerate(providers)]
    world = World(home, {}, {"providers": settings, "aliases": {"fast": targets}})

    async def story() -> Answer:
        client = world.client()
        try:
            first = await asked(client, "Weather?", stream=stream)
            assert first.tool_calls, first
            return await asked(client, forgotten(first), stream=stream)
        finally:
            await world.runtime.close()

    return asyncio.run(story())


@TARGETS
@STREAMED
def test_a_provider_gets_back_what_the_caller_left_out(tmp_path: Path, dialect: str, *, stream: bool) -> None:
    with StrictProvider(dialect, *ANSWERS[dialect]) as provider:
        answer = two_turns(tmp_path / "home", provider, stream=stream)
    assert not provider.refused
    assert answer.text == "Sunny."
    assert SEAL in json.dumps(provider.seen[1])


@TARGETS
@pytest.mark.parametrize("other", dialects.NAMES)
def test_the_next_provider_gets_nothing_that_only_the_first_can_read(tmp_path: Path, dialect: str, other: str) -> None:
    call, _ = ANSWERS[dialect]
    with StrictProvider(dialect, call, 500) as first, StrictProvider(other, ANSWERS[other][1]) as second:
        answer = two_turns(tmp_path / "home", first, second, stream=False)
    assert not first.refused and not second.refused
    assert answer.text == "Sunny." and answer.provider == "p1"
    assert SEAL in json.dumps(first.seen[1]) and SEAL not in json.dumps(second.seen)
