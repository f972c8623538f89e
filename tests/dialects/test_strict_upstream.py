"""The strict upstreams themselves: they take every request that a vendor took, and refuse what vendors refuse."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.dialects.reading import WIRE, recordings
from tests.dialects.strict_upstream import problems


def index() -> list[dict[str, Any]]:
    file = WIRE / "index.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


# Mistral has a dialect of its own.
TAKEN = [
    one
    for one in recordings()
    if one.status == 200 and isinstance(one.request, dict) and not one.name.startswith("mistral/")
]

MODELS = {entry["file"].removesuffix(".json"): str(entry["model"]) for entry in index()}


def openais(body: dict[str, Any]) -> dict[str, Any]:
    """Return a chat-completions request without what only OpenAI's imitators take: nobody else's caller sends it."""
    body = copy.deepcopy(body)
    if not body.get("tools"):
        body.pop("tool_choice", None)
    for message in body["messages"]:
        message.pop("cache_control", None)
        if not message.get("tool_calls"):
            message.pop("tool_calls", None)
        for call in message.get("tool_calls") or ():
            call.pop("cache_control", None)
    return body


def test_what_the_vendors_took_is_taken() -> None:
    if not TAKEN:
        pytest.skip("the recordings are not here")
    refused = {}
    for one in TAKEN:
        body = openais(one.request) if one.dialect == "openai_chat" else one.request
        if found := problems(one.dialect, body, model=MODELS.get(one.name, "")):
            refused[one.name] = found
    assert not refused


CLAUDE: dict[str, Any] = {
    "model": "claude-opus-4-5",
    "max_tokens": 4096,
    "messages": [{"role": "user", "content": "Hi"}],
}
ASKED = {"role": "user", "content": "Weather?"}
USE = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sunny"}]}
THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": "sig"}
THINKS = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
TOLD = {"role": "tool", "tool_call_id": "call_1", "content": "Sunny"}
FUNCTION_CALL = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "Sunny"}
SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
GOOGLES: dict[str, Any] = {"functionCall": {"name": "weather", "args": {}}}
ANSWERED: dict[str, Any] = {"functionResponse": {"name": "weather", "response": {"output": "Sunny"}}}


def google(*parts: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"role": role, "parts": list(parts)}


def google_body(*contents: dict[str, Any]) -> dict[str, Any]:
    return {"contents": [google({"text": "Weather?"}), *contents]}


REFUSED: dict[str, tuple[str, dict[str, Any], list[dict[str, Any]], str]] = {
    "no max_tokens": ("anthropic_messages", {"messages": [ASKED]}, [], "max_tokens"),
    "a field nobody knows": ("anthropic_messages", CLAUDE | {"seed": 1}, [], "seed"),
    "two turns of one side": ("anthropic_messages", CLAUDE | {"messages": [ASKED, ASKED]}, [], "alternate"),
    "a call nobody answered": (
        "anthropic_messages",
        CLAUDE | {"messages": [ASKED, {"role": "assistant", "content": [USE]}, ASKED]},
        [],
        "do not answer",
    ),
    "a result without its call": ("anthropic_messages", CLAUDE | {"messages": [RESULT]}, [], "do not answer"),
    "thinking that forgot its thoughts": (
        "anthropic_messages",
        CLAUDE | THINKS | {"messages": [ASKED, {"role": "assistant", "content": [USE]}, RESULT]},
        [],
        "must start with a thinking block",
    ),
    "another's signature": (
        "anthropic_messages",
        CLAUDE | {"messages": [ASKED, {"role": "assistant", "content": [THOUGHT, USE]}, RESULT]},
        [{"content": [THOUGHT | {"signature": "other"}, USE]}],
        "invalid signature",
    ),
    "a warm thinker": ("anthropic_messages", CLAUDE | THINKS | {"temperature": 0.2}, [], "temperature"),
    "a tool message out of place": ("openai_chat", {"messages": [ASKED, TOLD]}, [], "preceding"),
    "calls without their results": (
        "openai_chat",
        {"messages": [ASKED, CALLED, ASKED]},
        [],
        "followed by tool messages",
    ),
    "thoughts that DeepSeek misses": (
        "openai_chat",
        {"messages": [ASKED, CALLED, TOLD]},
        [{"choices": [{"message": CALLED | {"reasoning_content": "Hm"}}]}],
        "must be passed back",
    ),
    "thoughts that are not its own": (
        "openai_chat",
        {"messages": [ASKED, CALLED | {"reasoning_content": "Hm"}, TOLD]},
        [{"choices": [{"message": CALLED}]}],
        "unsupported",
    ),
    "an output without its call": ("openai_responses", {"input": [OUTPUT]}, [], "no tool call found"),
    "a call without its output": ("openai_responses", {"input": [FUNCTION_CALL]}, [], "no tool output found"),
    "a thought that was not kept": (
        "openai_responses",
        {"store": False, "input": [{"type": "reasoning", "id": "rs_1", "summary": []}, FUNCTION_CALL, OUTPUT]},
        [],
        "not persisted",
    ),
    "a call without the thought before it": (
        "openai_responses",
        {"store": False, "input": [FUNCTION_CALL, OUTPUT]},
        [{"output": [SEALED, FUNCTION_CALL]}],
        "required reasoning item",
    ),
    "a call that lost its namespace": (
        "openai_responses",
        {"input": [FUNCTION_CALL, OUTPUT]},
        [{"output": [FUNCTION_CALL | {"namespace": "sky"}]}],
        "another namespace",
    ),
    "an unsigned call of Gemini 3": (
        "gemini",
        google_body(google(GOOGLES, role="model"), google(ANSWERED)),
        [],
        "missing a thought_signature",
    ),
    "fewer results than calls": (
        "gemini",
        google_body(google(GOOGLES | {"thoughtSignature": "s"}, GOOGLES, role="model"), google(ANSWERED)),
        [],
        "must equal",
    ),
    "a signature of someone else": (
        "gemini",
        google_body(google(GOOGLES | {"thoughtSignature": "s"}, role="model"), google(ANSWERED)),
        [{"candidates": [{"content": google(GOOGLES | {"thoughtSignature": "t"}, role="model")}]}],
        "corrupted",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_vendors_refuse_is_refused(what: str) -> None:
    dialect, body, issued, why = REFUSED[what]
    assert why in "; ".join(problems(dialect, body, issued, model="gemini-3-pro" if dialect == "gemini" else "m"))
