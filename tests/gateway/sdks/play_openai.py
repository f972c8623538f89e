"""Play the scenes through the official openai SDK: chat completions, responses, models, embeddings."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import openai
from pydantic import BaseModel
from scenes import CALLING, PARAMETERS, SAYING_JSON, TOOL, play

URL, TOKEN, MODEL, LOCKED, EMBEDDER = sys.argv[1:6]
SETTINGS: Any = {"base_url": f"{URL}/v1", "max_retries": 0, "timeout": 20}
FUNCTION = {"name": TOOL, "parameters": PARAMETERS}
client = openai.OpenAI(api_key=TOKEN, **SETTINGS)


class Weather(BaseModel):
    """What a structured answer must look like."""

    city: str
    degrees: int


def asking(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def plain() -> Any:
    answer = client.chat.completions.create(model=MODEL, messages=asking("Hello"))
    assert answer.usage
    used = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    return answer.choices[0].message.content, answer.choices[0].finish_reason, used


def streamed() -> Any:
    text, used = "", (0, 0)
    options: Any = {"include_usage": True}
    for chunk in client.chat.completions.create(
        model=MODEL, messages=asking("Hello"), stream=True, stream_options=options
    ):
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
        if chunk.usage:
            used = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
    return text, "stop", used


def tool_turn() -> Any:
    messages = asking(CALLING)
    tools: Any = [{"type": "function", "function": FUNCTION}]
    with client.chat.completions.stream(model=MODEL, messages=messages, tools=tools) as stream:
        called = stream.get_final_completion().choices[0]
    assert called.finish_reason == "tool_calls"
    assert called.message.tool_calls
    call: Any = called.message.tool_calls[0]
    messages.append({"role": "assistant", "content": None, "tool_calls": [call.to_dict()]})
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "21 degrees"})
    with client.chat.completions.stream(model=MODEL, messages=messages, tools=tools) as stream:
        answer = stream.get_final_completion().choices[0].message.content
    return call.function.name, json.loads(call.function.arguments), answer


def structured() -> Any:
    parse = client.chat.completions.parse
    parsed = parse(model=MODEL, messages=asking(SAYING_JSON), response_format=Weather).choices[0].message.parsed
    return parsed and parsed.model_dump()


def response() -> Any:
    answer = client.responses.create(model=MODEL, input="Hello")
    assert answer.usage
    return answer.output_text, "stop", (answer.usage.input_tokens, answer.usage.output_tokens)


def response_tool_turn() -> Any:
    messages = asking(CALLING)
    tools: Any = [{"type": "function", **FUNCTION}]
    with client.responses.stream(model=MODEL, input=messages, tools=tools) as stream:
        called = stream.get_final_response()
    call: Any = next(item for item in called.output if item.type == "function_call")
    messages += [item.to_dict() for item in called.output]
    messages.append({"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"})
    with client.responses.stream(model=MODEL, input=messages, tools=tools) as stream:
        answer = stream.get_final_response().output_text
    return call.name, json.loads(call.arguments), answer


def response_structured() -> Any:
    parsed = client.responses.parse(model=MODEL, input=SAYING_JSON, text_format=Weather).output_parsed
    return parsed and parsed.model_dump()


def models() -> Any:
    return sorted(model.id for model in client.models.list())


def embeddings() -> Any:
    made = client.embeddings.create(model=EMBEDDER, input=["four", "seven"])
    return [item.embedding for item in sorted(made.data, key=lambda item: item.index)]


def failing(status: int, model: str = MODEL) -> Any:
    return client.chat.completions.create(model=model, messages=asking(f"@fail {status}"))


def failing_stream() -> Any:
    return list(client.responses.create(model=MODEL, input="@fail 429", stream=True))


def unknown_model() -> Any:
    return client.chat.completions.create(model="nobody/nothing", messages=asking("Hello"))


def wrong_token() -> Any:
    return openai.OpenAI(api_key="ml-of-somebody-else", **SETTINGS).models.list()


def at_once() -> Any:
    async def ask() -> Any:
        async with openai.AsyncOpenAI(api_key=TOKEN, **SETTINGS) as asker:
            stream = await asker.chat.completions.create(model=MODEL, messages=asking("Hello"), stream=True)
            return "".join([choice.delta.content or "" async for chunk in stream for choice in chunk.choices])

    async def ask_all() -> Any:
        return await asyncio.gather(*(ask() for _ in range(5)))

    return asyncio.run(ask_all())


play(
    {
        "plain": plain,
        "streamed": streamed,
        "tool turn": tool_turn,
        "structured": structured,
        "plain, responses": response,
        "tool turn, responses": response_tool_turn,
        "structured, responses": response_structured,
        "models": models,
        "embeddings": embeddings,
        "401": lambda: failing(401, LOCKED),
        "429": lambda: failing(429),
        "429, stream": failing_stream,
        "529": lambda: failing(529),
        "unknown model": unknown_model,
        "wrong token": wrong_token,
        "at once": at_once,
    }
)
