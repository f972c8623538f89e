"""Play the scenes through the official anthropic SDK: messages, models, the counting of tokens."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import anthropic
from scenes import CALLING, PARAMETERS, SAYING_JSON, TOOL, play

URL, TOKEN, MODEL, LOCKED = sys.argv[1:5]
SETTINGS: Any = {"base_url": URL, "max_retries": 0, "timeout": 20}
TOOLS: Any = [{"name": TOOL, "input_schema": PARAMETERS}]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
client = anthropic.Anthropic(api_key=TOKEN, **SETTINGS)


def asking(text: str) -> Any:
    return {"model": MODEL, "max_tokens": 500, "messages": [{"role": "user", "content": text}]}


def said(answer: Any) -> str:
    return "".join(block.text for block in answer.content if block.type == "text")


def plain() -> Any:
    answer = client.messages.create(**asking("Hello"))
    return said(answer), answer.stop_reason, (answer.usage.input_tokens, answer.usage.output_tokens)


def streamed() -> Any:
    with client.messages.stream(**asking("Hello")) as stream:
        text = "".join(stream.text_stream)
        answer = stream.get_final_message()
    return text, answer.stop_reason, (answer.usage.input_tokens, answer.usage.output_tokens)


def tool_turn() -> Any:
    request = asking(CALLING)
    with client.messages.stream(**request, tools=TOOLS) as stream:
        called = stream.get_final_message()
    assert called.stop_reason == "tool_use"
    call: Any = next(block for block in called.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees"}
    request["messages"] += [{"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
    with client.messages.stream(**request, tools=TOOLS) as stream:
        answer = stream.get_final_message()
    return call.name, call.input, said(answer)


def structured() -> Any:
    wanted: Any = {"format": {"type": "json_schema", "schema": SCHEMA}}
    return json.loads(said(client.messages.create(**asking(SAYING_JSON), output_config=wanted)))


def models() -> Any:
    return sorted(model.id for model in client.models.list(limit=1000))


def counted() -> Any:
    counting = client.messages.count_tokens
    few = counting(model=MODEL, messages=[{"role": "user", "content": "Hello"}]).input_tokens
    many = counting(model=MODEL, messages=[{"role": "user", "content": "Hello " * 200}]).input_tokens
    return 0 < few < many


def failing(status: int, model: str = MODEL) -> Any:
    return client.messages.create(**{**asking(f"@fail {status}"), "model": model})


def failing_stream() -> Any:
    with client.messages.stream(**asking("@fail 429")) as stream:
        return stream.get_final_message()


def unknown_model() -> Any:
    return client.messages.create(**{**asking("Hello"), "model": "nobody/nothing"})


def wrong_token() -> Any:
    return anthropic.Anthropic(api_key="ml-of-somebody-else", **SETTINGS).messages.create(**asking("Hello"))


def at_once() -> Any:
    async def ask() -> Any:
        async with (
            anthropic.AsyncAnthropic(auth_token=TOKEN, **SETTINGS) as asker,
            asker.messages.stream(**asking("Hello")) as stream,
        ):
            return await stream.get_final_text()

    async def ask_all() -> Any:
        return await asyncio.gather(*(ask() for _ in range(5)))

    return asyncio.run(ask_all())


play(
    {
        "plain": plain,
        "streamed": streamed,
        "tool turn": tool_turn,
        "structured": structured,
        "models": models,
        "counted": counted,
        "401": lambda: failing(401, LOCKED),
        "429": lambda: failing(429),
        "429, stream": failing_stream,
        "529": lambda: failing(529),
        "unknown model": unknown_model,
        "wrong token": wrong_token,
        "at once": at_once,
    }
)
