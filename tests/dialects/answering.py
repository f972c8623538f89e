"""What upstreams answer, as on their wires: thoughts they signed or hid, words, calls of the tools they were offered.

Each dialect's answers carry whatever opaque state its vendors give out. Every opaque string begins with SEAL, so that
a test can look for them where they must not be.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from hypothesis import strategies as st

Json: TypeAlias = dict[str, Any]
SEAL = "c2VhbGVk"

WORDS = st.text(alphabet="abc é", min_size=1, max_size=12).map(lambda text: f"w{text}w")
SEALS = st.binary(min_size=6, max_size=12).map(lambda raw: SEAL + raw.hex())
VALUES = st.integers(-9, 9) | st.sampled_from([1.0, 2.5, 1e3]) | st.booleans() | WORDS
ARGUMENTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3)
LONG_IDS = st.binary(min_size=12, max_size=12).map(bytes.hex)
IDS = st.lists(LONG_IDS, min_size=8, max_size=8, unique=True)
SEALED = st.lists(SEALS, min_size=9, max_size=9, unique=True)


@st.composite
def answers(draw: st.DrawFn, dialect: str, offered: Json) -> Json:
    """Return an answer in *dialect* to the request *offered*."""
    return draw({
        "anthropic_messages": _anthropic, "gemini": _gemini, "openai_chat": _chat, "openai_responses": _responses,
    }[dialect](offered))  # fmt: skip


@st.composite
def _anthropic(draw: st.DrawFn, offered: Json) -> Json:
    content: list[Json] = []
    ids, seals = draw(IDS), draw(SEALED)
    thinks = "thinking" in offered

    def thought() -> Json:
        if draw(st.integers(0, 3)):
            return {"type": "thinking", "thinking": draw(WORDS), "signature": seals.pop()}
        return {"type": "redacted_thinking", "data": seals.pop()}

    if thinks:
        content += [thought() for _ in range(draw(st.integers(1, 2)))]
    if draw(st.booleans()):
        content.append({"type": "text", "text": draw(WORDS)})
        if thinks and draw(st.booleans()):  # thoughts between words
            content += [thought(), {"type": "text", "text": draw(WORDS)}]
    names = [tool["name"] for tool in offered.get("tools", ())]
    for at in range(draw(st.integers(0, 3)) if names else 0):
        if at and thinks and not draw(st.integers(0, 3)):
            content.append(thought())
        call = {"id": f"toolu_{ids.pop()}", "name": draw(st.sampled_from(names)), "input": draw(ARGUMENTS)}
        content.append({"type": "tool_use", **call})
    if not content or content[-1]["type"] not in ("text", "tool_use"):
        content.append({"type": "text", "text": draw(WORDS)})
    calls = any(block["type"] == "tool_use" for block in content)
    usage = {"input_tokens": 1, "output_tokens": 1}
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content,
            "stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None, "usage": usage}  # fmt: skip


@st.composite
def _gemini(draw: st.DrawFn, offered: Json) -> Json:
    parts: list[Json] = []
    ids, seals = draw(IDS), draw(SEALED)
    if draw(st.booleans()):
        parts.append({"text": draw(WORDS), "thought": True})
    declared = [one for tool in offered.get("tools", ()) for one in tool.get("functionDeclarations", ())]
    calls = draw(st.integers(0, 3)) if declared else 0
    if draw(st.booleans()) or not calls:
        signature = {"thoughtSignature": seals.pop()} if draw(st.booleans()) else {}
        parts.append({"text": draw(WORDS)} | signature)
    for at in range(calls):
        call = {"name": draw(st.sampled_from(declared))["name"], "args": draw(ARGUMENTS)}
        call |= {"id": ids.pop()} if draw(st.booleans()) else {}
        parts.append({"functionCall": call} | ({} if at else {"thoughtSignature": seals.pop()}))
    content = {"role": "model", "parts": parts}
    return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "responseId": draw(LONG_IDS)}


@st.composite
def _chat(draw: st.DrawFn, offered: Json) -> Json:
    """Return an answer of a DeepSeek, of a Claude at OpenRouter, of a Gemini in OpenAI's clothes, or of OpenAI."""
    vendor = draw(st.sampled_from(["deepseek", "openrouter", "google", "openai"]))
    names = [tool["function"]["name"] for tool in offered.get("tools", ()) if "function" in tool]
    calls = []
    ids, seals = draw(IDS), draw(SEALED)
    for at in range(draw(st.integers(0, 3)) if names else 0):
        function = {"name": draw(st.sampled_from(names)), "arguments": json.dumps(draw(ARGUMENTS))}
        call: Json = {"id": f"call_{ids.pop()}", "type": "function", "function": function}
        if vendor == "google" and not at:
            call["extra_content"] = {"google": {"thought_signature": seals.pop()}}
        calls.append(call)
    text = draw(WORDS) if draw(st.booleans()) or not calls else None
    message: Json = {"role": "assistant", "content": text} | ({"tool_calls": calls} if calls else {})
    if vendor == "deepseek":
        message["reasoning_content"] = draw(WORDS)
    if vendor == "openrouter":
        told = {"type": "reasoning.text", "text": draw(WORDS), "signature": seals.pop(), "index": 0}
        hidden = {"type": "reasoning.encrypted", "data": seals.pop(), "index": 1, "id": "rs_1"}
        message["reasoning_details"] = [
            told | {"format": "anthropic-claude-v1"}, hidden | {"format": "openai-responses-v1"}
        ]  # fmt: skip
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
    return {"id": draw(LONG_IDS), "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


@st.composite
def _responses(draw: st.DrawFn, offered: Json) -> Json:
    output: list[Json] = []
    ids, seals = draw(IDS), draw(SEALED)

    def thought() -> None:
        if draw(st.booleans()):
            summary = [{"type": "summary_text", "text": draw(WORDS)} for _ in range(draw(st.integers(0, 2)))]
            sealed = {"id": f"rs_{draw(LONG_IDS)}", "encrypted_content": seals.pop()}
            output.append({"type": "reasoning", "summary": summary, **sealed})

    calls = draw(st.integers(0, 3)) if offered.get("tools") else 0
    if draw(st.booleans()) or not calls:
        thought()
        content = [{"type": "output_text", "text": draw(WORDS), "annotations": [], "logprobs": []}]
        phase = {"phase": "commentary" if calls else "final_answer"} if draw(st.booleans()) else {}
        output.append({"type": "message", "id": f"msg_{draw(LONG_IDS)}", "role": "assistant", "status": "completed",
                       "content": content, **phase})  # fmt: skip
    for _ in range(calls):
        thought()
        output.append(_item(draw, draw(st.sampled_from(offered["tools"])), ids.pop()))
    return {"id": f"resp_{draw(LONG_IDS)}", "object": "response", "created_at": 1, "status": "completed",
            "model": "m", "output": output}  # fmt: skip


def _item(draw: st.DrawFn, tool: Json, mark: str) -> Json:
    identity = {"id": f"fc_{mark}", "call_id": f"call_{mark}", "status": "completed"}
    if tool["type"] == "namespace":
        inner = _item(draw, draw(st.sampled_from(tool["tools"])), mark)
        return inner | {"namespace": tool["name"]}
    if tool["type"] == "custom":
        return {"type": "custom_tool_call", **identity, "name": tool["name"], "input": draw(WORDS)}
    return {"type": "function_call", **identity, "name": tool["name"], "arguments": json.dumps(draw(ARGUMENTS))}
