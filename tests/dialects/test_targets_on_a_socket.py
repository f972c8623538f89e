"""The dialects that only targets speak, from the client to a real socket and back."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from mini_llm.types import Tool
from tests.dialects.test_bedrock_frames import frame
from tests.upstream import Bytes, Provider, Say, Step
from tests.world import World

WEATHER = Tool("weather", "The weather", {"type": "object", "properties": {"city": {"type": "string"}}})


def world(home: Path, provider: Provider, dialect: str, base: str = "", **settings: Any) -> World:
    lab = {"baseUrl": provider.url.removesuffix("/v1") + base, "models": ["m"], "dialect": dialect, **settings}
    return World(home, {}, {"providers": {"lab": lab}}, {"LAB_KEY": "sk-lab-0123456789abcdef"})


def lines(*bodies: dict[str, Any]) -> Step:
    return Bytes(b"".join(json.dumps(body).encode() + b"\n" for body in bodies), "application/x-ndjson")


def events(*bodies: dict[str, Any]) -> Step:
    told = (f"event: {body['type']}\ndata: {json.dumps(body)}\n\n" for body in bodies)
    return Bytes("".join(told).encode(), "text/event-stream")


def test_ollama_answers_streams_calls_tools_and_fails(tmp_path: Path) -> None:
    said = {"model": "m", "created_at": "2026-08-07T06:08:11Z"}
    call = {"function": {"name": "weather", "arguments": {"city": "Paris"}}}
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 9}
    whole = {**said, "message": {"role": "assistant", "content": "Hello"}, **end}
    streamed = lines(
        {**said, "message": {"role": "assistant", "content": "", "thinking": "Hm."}, "done": False},
        {**said, "message": {"role": "assistant", "content": "Hel"}, "done": False},
        {**said, "message": {"role": "assistant", "content": "lo", "tool_calls": [call]}, "done": False},
        {**said, "message": {"role": "assistant", "content": ""}, **end},
    )
    with Provider(Bytes(json.dumps(whole).encode())) as provider:
        answer = world(tmp_path, provider, "ollama", "/api").ask(model="lab/m", max_tokens=9)
        assert (answer.text, answer.finish_reason) == ("Hello", "stop")
        assert answer.usage and (answer.usage.input_tokens, answer.usage.output_tokens) == (5, 9)
        assert provider.seen[0].path == "/api/chat"
        assert provider.seen[0].body["options"] == {"num_predict": 9}
        assert provider.seen[0].body["stream"] is False
        provider.script = [streamed]
        deltas, answer = world(tmp_path, provider, "ollama", "/api").stream(model="lab/m", tools=[WEATHER])
        assert (answer.text, answer.reasoning, answer.finish_reason) == ("Hello", "Hm.", "tool_calls")
        assert [(call.name, call.arguments) for call in answer.tool_calls] == [("weather", '{"city":"Paris"}')]
        assert len(deltas) >= 5
        provider.script = [Bytes(b'{"error":"model \'m\' not found"}', status=404)]
        error = world(tmp_path, provider, "ollama", "/api").failure(model="lab/m")
        assert error.code == "model_not_found"
        provider.script = [lines({**said, "message": {"content": "Hel"}, "done": False})]
        assert world(tmp_path, provider, "ollama", "/api").failure(model="lab/m", stream=True).code


def test_bedrock_answers_streams_calls_tools_and_fails(tmp_path: Path) -> None:
    def told(kind: str, body: dict[str, Any]) -> bytes:
        return frame(json.dumps(body).encode(), message_type="event", event_type=kind)

    usage = {"inputTokens": 5, "outputTokens": 9, "totalTokens": 114, "cacheReadInputTokens": 100}
    content = {"message": {"role": "assistant", "content": [{"text": "Hello"}]}}
    whole = {"output": content, "stopReason": "end_turn", "usage": usage}
    start = {"toolUse": {"toolUseId": "tooluse_1", "name": "weather"}}
    streamed = [
        told("messageStart", {"role": "assistant"}),
        told("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hm."}}}),
        told("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "EqQB"}}}),
        told("contentBlockStop", {"contentBlockIndex": 0}),
        told("contentBlockStart", {"contentBlockIndex": 1, "start": start}),
        told("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"city":"Paris"}'}}}),
        told("messageStop", {"stopReason": "tool_use"}),
        told("metadata", {"usage": usage}),
    ]
    slow = frame(b'{"message":"Too many requests"}', message_type="exception", exception_type="throttlingException")
    settings = {"auth": "bearer", "apiKey": "${LAB_KEY}"}
    kind = "application/vnd.amazon.eventstream"
    with Provider(Bytes(json.dumps(whole).encode())) as provider:
        answer = world(tmp_path, provider, "bedrock", **settings).ask(model="lab/m", max_tokens=9)
        assert (answer.text, answer.finish_reason) == ("Hello", "stop")
        assert answer.usage and (answer.usage.input_tokens, answer.usage.cache_read_tokens) == (105, 100)
        assert provider.seen[0].path == "/model/m/converse"
        assert provider.seen[0].body["inferenceConfig"] == {"maxTokens": 9}
        provider.script = [Bytes(b"".join(streamed), kind)]
        _, answer = world(tmp_path, provider, "bedrock", **settings).stream(model="lab/m", tools=[WEATHER])
        assert provider.seen[1].path == "/model/m/converse-stream"
        assert (answer.reasoning, answer.finish_reason) == ("Hm.", "tool_calls")
        assert [(call.id, call.arguments) for call in answer.tool_calls] == [("tooluse_1", '{"city":"Paris"}')]
        provider.script = [Bytes(streamed[0] + slow, kind)]
        error = world(tmp_path, provider, "bedrock", **settings).failure(model="lab/m", stream=True)
        assert (error.code, error.message) == ("rate_limited", "Too many requests")


def test_azure_is_asked_by_deployment_with_a_date(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as provider:
        azure = {"baseUrl": provider.url.removesuffix("/v1") + "/openai", "apiKey": "${LAB_KEY}", "models": ["my-gpt"]}
        environ = {"LAB_KEY": "sk-lab-0123456789abcdef"}
        answer = World(tmp_path, {}, {"providers": {"azure-deployments": azure}}, environ).ask(
            model="azure-deployments/my-gpt"
        )
        assert answer.text == "Hello"
        assert provider.seen[0].path == "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"
        assert provider.seen[0].headers["api-key"] == "sk-lab-0123456789abcdef"


def test_ollama_tells_its_models_in_its_own_place(tmp_path: Path) -> None:
    listed = Bytes(b'{"models":[{"name":"qwen3:4b","model":"qwen3:4b"},{"name":"llama3","model":"llama3"}]}')
    with Provider(listed) as provider:
        lab = world(tmp_path, provider, "ollama", "/api")

        async def models() -> tuple[str, ...]:
            try:
                return await lab.client().listed("lab")
            finally:
                await lab.runtime.close()

        assert asyncio.run(models()) == ("qwen3:4b", "llama3")
        assert (provider.seen[0].method, provider.seen[0].path) == ("GET", "/api/tags")


def test_mistral_is_asked_in_its_own_words_and_answers_in_openais(tmp_path: Path) -> None:
    words = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Hello"}]
    usage = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}
    chunk = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": words}, "finish_reason": "stop"}]}
    raw = f"data: {json.dumps({**chunk, 'usage': usage})}\n\ndata: [DONE]\n\n".encode()
    with Provider(Bytes(raw, "text/event-stream")) as provider:
        lab = world(tmp_path, provider, "mistral", "/v1")
        _, answer = lab.stream(model="lab/m", seed=7, tools=[WEATHER], tool_choice="required")
        assert (answer.text, answer.reasoning, answer.finish_reason) == ("Hello", "Hm.", "stop")
        assert provider.seen[0].path == "/v1/chat/completions"
        asked = provider.seen[0].body
        assert (asked["random_seed"], asked["tool_choice"]) == (7, "any")
        assert "seed" not in asked and "stream_options" not in asked
        provider.script = [Bytes(b'{"detail": "Invalid API Key"}', status=401)]
        assert world(tmp_path, provider, "mistral", "/v1").failure(model="lab/m").code == "upstream_auth"


def test_cohere_answers_streams_calls_tools_and_fails(tmp_path: Path) -> None:
    usage = {"billed_units": {"input_tokens": 5, "output_tokens": 9}, "tokens": {"input_tokens": 80}}
    message = {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}
    whole = {"id": "1", "message": message, "finish_reason": "COMPLETE", "usage": usage}
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    streamed = events(
        {"type": "message-start", "id": "1", "delta": {"message": {"role": "assistant"}}},
        {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "thinking", "thinking": ""}}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"thinking": "Hm."}}}},
        {"type": "content-end", "index": 0},
        {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I look."}}},
        {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": call}}},
        {
            "type": "tool-call-delta",
            "index": 0,
            "delta": {"message": {"tool_calls": {"function": {"arguments": "{}"}}}},
        },
        {"type": "tool-call-end", "index": 0},
        {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": usage}},
    )
    settings = {"auth": "bearer", "apiKey": "${LAB_KEY}"}
    with Provider(Bytes(json.dumps(whole).encode())) as provider:
        answer = world(tmp_path, provider, "cohere", "/v2", **settings).ask(model="lab/m", max_tokens=9)
        assert (answer.text, answer.finish_reason) == ("Hello", "stop")
        assert answer.usage and (answer.usage.input_tokens, answer.usage.output_tokens) == (5, 9)
        assert provider.seen[0].path == "/v2/chat"
        assert provider.seen[0].headers["authorization"].startswith("Bearer sk-lab")
        provider.script = [streamed]
        _, answer = world(tmp_path, provider, "cohere", "/v2", **settings).stream(model="lab/m", tools=[WEATHER])
        assert (answer.text, answer.reasoning, answer.finish_reason) == ("I look.", "Hm.", "tool_calls")
        assert [(call.id, call.name, call.arguments) for call in answer.tool_calls] == [("c1", "weather", "{}")]
        provider.script = [Bytes(b'{"id":"1","message":"model \'m\' not found, make sure ..."}', status=404)]
        assert world(tmp_path, provider, "cohere", "/v2", **settings).failure(model="lab/m").code == "model_not_found"
        end = {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "it broke"}}
        provider.script = [events({"type": "message-start", "id": "1"}, end)]
        error = world(tmp_path, provider, "cohere", "/v2", **settings).failure(model="lab/m", stream=True)
        assert (error.code, error.message) == ("upstream_server_error", "it broke")
