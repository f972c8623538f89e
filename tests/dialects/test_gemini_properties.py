"""Any conversation and any answer that generateContent can say comes back the same."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mini_llm.dialects import gemini
from mini_llm.types import (
    Audio,
    ChatRequest,
    ChatResponse,
    Choice,
    Document,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from tests.dialects.test_properties import ARGUMENTS, NAMES, WORDS, built, requests

SIGNATURES = st.sampled_from(["", "c2ln", "b3RoZXI="])


def thoughts(draw: st.DrawFn) -> Reasoning:
    signature = draw(SIGNATURES)
    return Reasoning(draw(WORDS), summary=True, signature=signature, dialect="gemini" if signature else "")


@st.composite
def googles(draw: st.DrawFn) -> ChatRequest:
    """Return a request in the form that Gemini gives it."""
    drawn = draw(requests("anthropic_messages"))
    names = {part.id: part.name for turn in drawn.messages for part in turn.parts if isinstance(part, ToolCall)}
    thinking = drawn.thinking and Thinking(drawn.thinking.enabled, budget=drawn.thinking.budget)
    return drawn._replace(
        model="",
        stream=False,
        user="",
        messages=tuple(
            turn._replace(parts=tuple(in_googles_form(draw, part, names) for part in turn.parts))
            for turn in drawn.messages
        ),
        tools=tuple(Tool(tool.name, tool.description, tool.parameters) for tool in drawn.tools),
        thinking=thinking,
        dialect="gemini",
    )


def in_googles_form(draw: st.DrawFn, part: Part, names: dict[str, str]) -> Part:
    match part:
        case Reasoning():
            return thoughts(draw)
        case ToolCall():
            return part._replace(cache=None, signature=draw(SIGNATURES))
        case ToolResult():
            return part._replace(cache=None, name=names[part.call_id])
        case Image(url=url) if url:
            return part._replace(cache=None, media_type="image/png")
        case Text() | Image() | Document():
            return part._replace(cache=None)
    return part


@given(googles())
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_any_request_comes_back_the_same(request: ChatRequest) -> None:
    again = gemini.decode_request(json.loads(json.dumps(gemini.encode_request(request))))
    assert again._replace(include_usage=False) == request


@st.composite
def answers(draw: st.DrawFn) -> ChatResponse:
    parts: list[Any] = []
    for at in range(draw(st.integers(1, 5))):
        signature = draw(SIGNATURES)
        if signature and draw(st.booleans()):
            parts.append(Reasoning(signature=signature, dialect="gemini"))
            parts.append(draw(built(Text, WORDS) | st.just(Image(data="aGk=", media_type="image/png"))))
        elif draw(st.booleans()):
            parts.append(ToolCall(f"id_{at}", draw(NAMES), draw(ARGUMENTS), signature=signature))
        else:
            own = Opaque("gemini", {"type": "executableCode", "part": {"executableCode": {"code": draw(WORDS)}}})
            parts.append(draw(built(Text, WORDS) | st.sampled_from([thoughts(draw), own, Audio("aGk=", "wav")])))
    calls = any(isinstance(part, ToolCall) for part in parts)
    finish = draw(st.sampled_from(["length", "content_filter", "tool_calls" if calls else "stop"]))
    usage = Usage(draw(st.integers(0, 99)), draw(st.integers(0, 99)))
    return ChatResponse(draw(WORDS), draw(WORDS), (Choice(Message("assistant", tuple(parts)), finish),), usage)


@given(answers())
@settings(max_examples=150)
def test_any_answer_comes_back_the_same(response: ChatResponse) -> None:
    again = gemini.decode_response(json.loads(json.dumps(gemini.encode_response(response))))
    assert again.choices == response.choices and (again.id, again.model) == (response.id, response.model)
    assert again.usage is not None and again.usage._replace(raw={}) == response.usage._replace(raw={})  # type: ignore[union-attr]  # it is there
