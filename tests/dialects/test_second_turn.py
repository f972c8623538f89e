"""Whatever a client forgets of an answer, the next turn is taken by a strict upstream of whoever gave the answer.

And where another target answers the next turn, it gets nothing that only the first can read.
"""

from __future__ import annotations

import asyncio
import json
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mini_llm import dialects
from mini_llm.dialects.bridging import Bridge
from mini_llm.memory import Memory, Recalled, source_of
from mini_llm.providers import Provider
from mini_llm.routing import Target
from mini_llm.translation import chat_body
from mini_llm.types import ChatRequest, Message, Text, Thinking, Tool
from tests.dialects.answering import SEAL, Json, answers
from tests.dialects.forgetful import Habits, next_turn
from tests.dialects.strict_upstream import problems

MODELS = {
    "openai_chat": "deepseek-reasoner", "openai_responses": "gpt-5.5", "anthropic_messages": "claude-opus-4-5",
    "gemini": "gemini-3-pro",
}  # fmt: skip
CALLERS = pytest.mark.parametrize("caller", dialects.NAMES)
TARGETS = pytest.mark.parametrize("target", dialects.NAMES)
PLENTY = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
HABITS = st.tuples(*[st.booleans()] * len(Habits._fields)).map(Habits._make)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
PLAIN = (Tool("weather", "Tell the weather", SCHEMA), Tool("time", "Tell the time", SCHEMA))


def tools(caller: str) -> tuple[Tool, ...]:
    """Return tools of every kind that *caller* knows."""
    if caller == "openai_chat":
        custom: Json = {"type": "custom", "custom": {"name": "patch", "description": "Apply a patch"}}
        return (*PLAIN, Tool("patch", dialect=caller, raw=custom))
    if caller == "openai_responses":
        inner = {"type": "function", "name": "look", "description": "Look up", "parameters": SCHEMA}
        space = {"type": "namespace", "name": "sky", "description": "The sky", "tools": [inner]}
        patch = {"type": "custom", "name": "patch", "description": "Apply a patch"}
        raws: list[Json] = [patch, space]
        return (*PLAIN, *(Tool(raw["name"], dialect=caller, raw=raw) for raw in raws))
    return PLAIN


def asked(caller: str) -> Json:
    """Return the first turn, as *caller* says it."""
    thinking = Thinking(True, "high" if caller != "gemini" else None, 4_000 if caller == "anthropic_messages" else None)
    request = ChatRequest("m", (Message("user", (Text("Weather?"),)),), max_tokens=9_000, tools=tools(caller),
                          thinking=thinking, dialect=caller)  # fmt: skip
    return dialects.get(caller).encode_request(request)


def sent(recalled: Recalled, target: str, provider: str) -> tuple[Json, Bridge]:
    """Return what goes to a *provider* that speaks *target*, and what turns its calls back."""
    there = Provider(provider, "https://lab.example/v1", dialect=target)
    body = chat_body(recalled, there, Target(provider, MODELS[target]))
    return json.loads(body.content), body.bridge or Bridge()


class Story(NamedTuple):
    """A first turn, its answer, and what the client sends then."""

    answer: Json
    memory: Memory
    request: ChatRequest

    def second(self, target: str, provider: str) -> Json:
        """Return what goes to a *provider* that speaks *target* on the second turn."""
        return sent(asyncio.run(self.memory.recall(self.request)), target, provider)[0]


def told(data: st.DataObject, caller: str, target: str) -> Story:
    speaks, answering = dialects.get(caller), dialects.get(target)
    first = asked(caller)
    request = speaks.decode_request(first)
    body, bridge = sent(asyncio.run(Memory().recall(request)), target, "first")
    assert not problems(target, body, model=MODELS[target])
    answer = data.draw(answers(target, body), label="answer")
    response = bridge.response(answering.decode_response(json.loads(json.dumps(answer))))
    memory = Memory()
    memory.keep(response.choices[0].message, request, source=source_of("first", MODELS[target]))
    habits = data.draw(HABITS, label="habits")
    if habits.ids and habits.pairs:  # nothing tells any more which calls were one answer
        habits = habits._replace(pairs=False)
    back = next_turn(caller, first, json.loads(json.dumps(speaks.encode_response(response))), habits)
    return Story(answer, memory, speaks.decode_request(json.loads(json.dumps(back))))


@CALLERS
@TARGETS
@PLENTY
@given(data=st.data())
def test_whoever_answered_takes_the_next_turn(caller: str, target: str, data: st.DataObject) -> None:
    story = told(data, caller, target)
    body = story.second(target, "first")
    assert not problems(target, body, [story.answer], model=MODELS[target]), json.dumps(body, indent=1)


@CALLERS
@TARGETS
@PLENTY
@given(data=st.data())
def test_another_target_takes_it_too_and_sees_no_seal(caller: str, target: str, data: st.DataObject) -> None:
    story = told(data, caller, target)
    other = data.draw(st.sampled_from(dialects.NAMES), label="other")
    body = story.second(other, "second")
    assert not problems(other, body, model=MODELS[other])
    assert SEAL not in json.dumps(body)
