"""translation: any caller's request at any provider, and the answer back in the caller's own words."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from mini_llm import dialects, translation
from mini_llm.dispatch import Call as Asked
from mini_llm.errors import TranslationError, UsageError
from mini_llm.memory import Memory
from mini_llm.routing import Needs
from mini_llm.types import ChatRequest, ChatResponse, Delta, Message, Text, ToolCall
from tests.upstream import Call, Provider, Say
from tests.world import World

PATCH = {"type": "custom", "name": "apply_patch", "description": "Patch files", "format": {"type": "text"}}
CODEX = {"model": "m", "input": "Patch it", "tools": [PATCH], "store": False, "prompt_cache_key": "k"}
DIALECTS = pytest.mark.parametrize("dialect", ["openai", "anthropic"])


def asked(world: World, request: ChatRequest) -> tuple[ChatResponse | list[Delta], tuple[str, ...]]:
    """Send *request* as the gateway will; return the answer and what was left out."""

    async def ask() -> tuple[ChatResponse | list[Delta], tuple[str, ...]]:
        world.client()
        recalled = await Memory().recall(request)
        receive: Any = translation.streamed if request.stream else translation.whole
        call: Asked[Any] = Asked(
            "lab/m", Needs(), request.stream, lambda *to: translation.chat_body(recalled, *to), receive
        )
        try:
            async with world.runtime.dispatch.answer(call) as answer:
                content = [delta async for delta in answer.content] if request.stream else answer.content
                return content, answer.dropped
        finally:
            await world.runtime.close()

    return asyncio.run(ask())


def lab(home: Path, provider: Provider, dialect: str) -> World:
    return World(home, {}, {"providers": {"lab": {"baseUrl": provider.url, "dialect": dialect}}})


@DIALECTS
def test_a_free_text_tool_is_offered_as_a_function_and_comes_back_as_it_was(tmp_path: Path, dialect: str) -> None:
    request = dialects.get("responses").decode_request({**CODEX, "stream": False})
    with Provider(Call("apply_patch", '{"input": "*** Begin Patch"}')) as provider:
        answer, dropped = asked(lab(tmp_path / "home", provider, dialect), request)
        sent = provider.seen[0].body["tools"][0]
    assert isinstance(answer, ChatResponse)
    call = answer.choices[0].message.parts[0]
    assert isinstance(call, ToolCall)
    assert (call.name, call.kind, call.arguments) == ("apply_patch", "custom", "*** Begin Patch")
    assert sent.get("name", sent.get("function", {}).get("name")) == "apply_patch"
    assert "prompt_cache_key" in dropped


@DIALECTS
def test_a_free_text_tool_comes_back_in_a_stream_too(tmp_path: Path, dialect: str) -> None:
    request = dialects.get("responses").decode_request({**CODEX, "stream": True})
    with Provider(Call("apply_patch", '{"input": "*** Begin\\nPatch"}')) as provider:
        deltas, _ = asked(lab(tmp_path / "home", provider, dialect), request)
    assert isinstance(deltas, list)
    pieces = [delta.tool_call for delta in deltas if delta.tool_call]
    assert "".join(piece.arguments for piece in pieces) == "*** Begin\nPatch"
    assert pieces[0].kind == "custom"


def test_every_callers_dialect_gets_a_valid_stream_from_another_dialects_provider(tmp_path: Path) -> None:
    for name in dialects.NAMES:
        spoken = dialects.get(name)
        request = ChatRequest("m", (Message("user", (Text("Hi"),)),), stream=True)
        with Provider(Say("Hello there")) as provider:
            deltas, _ = asked(lab(tmp_path / name, provider, "anthropic"), request)
        assert isinstance(deltas, list)

        async def back(wire: dialects.Dialect = spoken, steps: list[Delta] = deltas) -> list[Delta]:
            async def given() -> Any:
                for step in steps:
                    yield step

            return [delta async for delta in wire.decode_stream(wire.events(wire.encode_stream(given())))]

        again = asyncio.run(back())
        assert "".join(delta.text for delta in again) == "Hello there"
        assert [delta.finish_reason for delta in again if delta.finish_reason] == ["stop"]


def test_a_conversation_kept_elsewhere_is_refused_with_what_to_do(tmp_path: Path) -> None:
    request = dialects.get("responses").decode_request({"model": "m", "input": "Hi", "previous_response_id": "resp_1"})
    with Provider() as provider, pytest.raises(TranslationError) as raised:
        asked(lab(tmp_path / "home", provider, "anthropic"), request)
    assert raised.value.field == "previous_response_id" and raised.value.hint


def test_half_a_character_is_told_and_not_sent(tmp_path: Path) -> None:
    request = ChatRequest("m", (Message("user", (Text("\ud83d"),)),))
    with Provider() as provider:
        with pytest.raises(UsageError, match="JSON"):
            asked(lab(tmp_path / "home", provider, "openai"), request)
        assert provider.seen == []


def test_what_is_sent_is_json_in_utf_8(tmp_path: Path) -> None:
    request = ChatRequest("m", (Message("user", (Text("Grüße 😀"),)),))
    with Provider() as provider:
        asked(lab(tmp_path / "home", provider, "openai"), request)
        assert orjson.loads(orjson.dumps(provider.seen[0].body))["messages"][0]["content"] == "Grüße 😀"
