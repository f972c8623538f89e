"""Play the scenes through the official google-genai SDK: contents, models, the counting of tokens, embeddings."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from google import genai
from google.genai import types
from scenes import CALLING, PARAMETERS, SAYING_JSON, TOOL, play

URL, TOKEN, MODEL, LOCKED, EMBEDDER = sys.argv[1:6]
OPTIONS = types.HttpOptions(base_url=URL, timeout=20_000, retry_options=types.HttpRetryOptions(attempts=1))
FUNCTION = types.FunctionDeclaration(name=TOOL, parameters_json_schema=PARAMETERS)
WITH_TOOLS = types.GenerateContentConfig(
    tools=[types.Tool(function_declarations=[FUNCTION])],
    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
)
SCHEMA = types.Schema(
    type=types.Type.OBJECT,
    properties={"city": types.Schema(type=types.Type.STRING), "degrees": types.Schema(type=types.Type.INTEGER)},
)
client = genai.Client(api_key=TOKEN, http_options=OPTIONS)


def used(answer: Any) -> Any:
    return answer.usage_metadata.prompt_token_count, answer.usage_metadata.candidates_token_count


def plain() -> Any:
    answer = client.models.generate_content(model=MODEL, contents="Hello")
    assert answer.candidates
    assert answer.candidates[0].finish_reason
    return answer.text, answer.candidates[0].finish_reason.value, used(answer)


def streamed() -> Any:
    pieces = list(client.models.generate_content_stream(model=MODEL, contents="Hello"))
    assert pieces[-1].candidates
    assert pieces[-1].candidates[0].finish_reason
    return "".join(one.text or "" for one in pieces), pieces[-1].candidates[0].finish_reason.value, used(pieces[-1])


def tool_turn() -> Any:
    contents: list[Any] = [types.Content(role="user", parts=[types.Part(text=CALLING)])]
    call: Any = None
    for piece in client.models.generate_content_stream(model=MODEL, contents=contents, config=WITH_TOOLS):
        if piece.function_calls:
            call = piece.function_calls[0]
            assert piece.candidates
            contents.append(piece.candidates[0].content)
    result = types.FunctionResponse(id=call.id, name=call.name, response={"output": "21 degrees"})
    contents.append(types.Content(role="user", parts=[types.Part(function_response=result)]))
    pieces = client.models.generate_content_stream(model=MODEL, contents=contents, config=WITH_TOOLS)
    return call.name, call.args, "".join(one.text or "" for one in pieces)


def structured() -> Any:
    wanted = types.GenerateContentConfig(response_mime_type="application/json", response_schema=SCHEMA)
    return json.loads(client.models.generate_content(model=MODEL, contents=SAYING_JSON, config=wanted).text or "")


def models() -> Any:
    return sorted((model.name or "").removeprefix("models/") for model in client.models.list())


def counted() -> Any:
    few = client.models.count_tokens(model=MODEL, contents="Hello").total_tokens
    many = client.models.count_tokens(model=MODEL, contents="Hello " * 200).total_tokens
    return 0 < (few or 0) < (many or 0)


def embeddings() -> Any:
    made = client.models.embed_content(model=EMBEDDER, contents=["four", "seven"])
    return [item.values for item in made.embeddings or []]


def failing(status: int, model: str = MODEL) -> Any:
    return client.models.generate_content(model=model, contents=f"@fail {status}")


def failing_stream() -> Any:
    return list(client.models.generate_content_stream(model=MODEL, contents="@fail 429"))


def unknown_model() -> Any:
    return client.models.generate_content(model="nobody/nothing", contents="Hello")


def wrong_token() -> Any:
    stranger = genai.Client(api_key="ml-of-somebody-else", http_options=OPTIONS)
    return list(stranger.models.list())


def at_once() -> Any:
    async def ask() -> Any:
        stream = await client.aio.models.generate_content_stream(model=MODEL, contents="Hello")
        return "".join([piece.text or "" async for piece in stream])

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
