"""What must hold for any conversation and any stream of the Responses API."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mini_llm.dialects import openai_responses
from mini_llm.types import (
    CacheMark,
    ChatRequest,
    ChatResponse,
    Choice,
    Delta,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Reasoning,
    Refusal,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    Usage,
)
from tests.dialects import responses
from tests.dialects.reading import decoded, encoded, streamed_meaning
from tests.dialects.test_properties import ARGUMENTS, JSON_OBJECTS, NAMES, WORDS, built, streams

NAME = "openai_responses"
SLOW = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
KINDS = ("text", "reasoning", "summary", "refusal", "call", "custom", "phase", "seal", "item")
FILLED = ("content", "summary", "arguments", "input")
SPACES = st.just("") | NAMES
MARKS = st.sampled_from([None, CacheMark()])
GIVEN = st.one_of(
    built(Text, WORDS, MARKS),
    built(Image, url=st.just("https://example.com/a.png"), detail=st.sampled_from(["", "low"]), cache=MARKS),
    built(Image, data=st.just("iVBORw0KGgo="), media_type=st.just("image/png"), cache=MARKS),
    built(Document, data=st.just("JVBERi0="), media_type=st.just("application/pdf"), name=WORDS, cache=MARKS),
    built(Document, url=st.just("https://example.com/a.pdf"), name=st.just("") | WORDS),
    built(Opaque, st.just(NAME), st.just({"type": "input_video", "url": "x"})),
)


@st.composite
def made(draw: st.DrawFn, turn: int) -> list[Any]:
    """Return what a model made: items in any order, each with its fields before it."""
    parts: list[Any] = []
    for at in range(draw(st.integers(1, 4))):
        identity = f"{turn}_{at}"
        fields = [Opaque(NAME, {"id": f"i_{identity}", "phase": "commentary"})]
        match draw(st.integers(0, 4)):
            case 0:
                words = st.one_of(built(Text, WORDS), built(Refusal, WORDS))
                parts += [*fields, *draw(st.lists(words, min_size=1, max_size=2))]
            case 1:
                summaries = draw(st.lists(WORDS, max_size=2))
                parts += [Reasoning(text, True, f"rs_{identity}", dialect=NAME) for text in summaries]
                parts.append(Reasoning(id=f"rs_{identity}", encrypted=draw(WORDS), dialect=NAME))
            case 2:
                parts.append(ToolCall(f"call_{identity}", draw(NAMES), draw(ARGUMENTS), namespace=draw(SPACES)))
            case 3:
                parts.append(ToolCall(f"call_{identity}", draw(NAMES), draw(WORDS), kind="custom"))
            case 4:
                parts.append(Opaque(NAME, {"type": "web_search_call", "id": f"ws_{identity}"}))
    return parts


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    messages = [Message("system", (Text(draw(WORDS)),))] if draw(st.booleans()) else []
    for turn in range(draw(st.integers(1, 3))):
        role = draw(st.sampled_from(["user", "user", "developer"]))
        messages.append(Message(role, tuple(draw(st.lists(GIVEN, min_size=1, max_size=3)))))
        parts = draw(made(turn))
        messages.append(Message("assistant", tuple(parts)))
        if calls := [part for part in parts if isinstance(part, ToolCall)]:
            results = (ToolResult(call.id, tuple(draw(st.lists(GIVEN, min_size=1, max_size=2)))) for call in calls)
            messages.append(Message("tool", tuple(results)))
    return tuple(messages)


TOOLS = st.one_of(
    built(Tool, NAMES, WORDS, st.just({"type": "object", "properties": {}}), st.sampled_from([None, True, False])),
    built(Tool, st.just("p"), dialect=st.just(NAME), raw=st.just({"type": "custom", "name": "p"})),
    built(Tool, st.just("web_search"), dialect=st.just(NAME), raw=st.just({"type": "web_search"})),
)


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    efforts = st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"])
    form = built(ResponseFormat, st.just("json_schema"), JSON_OBJECTS, NAMES, WORDS, st.none() | st.booleans())
    extras = st.fixed_dictionaries(
        {},
        optional={
            "store": st.booleans(),
            "include": st.just(["reasoning.encrypted_content"]),
            "prompt_cache_key": WORDS,
            "client_metadata": JSON_OBJECTS.filter(bool),
            "verbosity": st.sampled_from(["low", "high"]),
            "reasoning": st.just({"context": "all_turns"}),
            "previous_response_id": WORDS,
        },
    )
    return ChatRequest(
        model=draw(NAMES),
        messages=draw(conversations()),
        stream=draw(st.booleans()),
        include_usage=True,
        max_tokens=draw(st.none() | st.integers(16, 9999)),
        temperature=draw(st.none() | st.floats(0, 2)),
        top_p=draw(st.none() | st.floats(0, 1)),
        top_logprobs=draw(st.none() | st.integers(0, 5)),
        tools=tuple(draw(st.lists(TOOLS, max_size=3))),
        tool_choice=draw(st.none() | st.sampled_from(["auto", "required", "none"]).map(ToolChoice)),
        parallel_tool_calls=draw(st.none() | st.booleans()),
        response_format=draw(st.none() | form | st.just(ResponseFormat("json_object"))),
        thinking=draw(st.none() | built(Thinking, effort=efforts, summary=st.sampled_from(["", "auto"]))),
        user=draw(st.just("") | WORDS),
        metadata=draw(st.just({}) | JSON_OBJECTS.filter(bool)),
        service_tier=draw(st.sampled_from(["", "auto", "flex"])),
        dialect=NAME,
        extra=draw(extras),
    )


@given(requests())
@SLOW
def test_any_request_comes_back_the_same(request: ChatRequest) -> None:
    body = json.loads(json.dumps(openai_responses.encode_request(request)))
    assert openai_responses.decode_request(body) == request


@given(made(0), st.sampled_from(["stop", "length", "content_filter"]))
@SLOW
def test_any_answer_comes_back_the_same(parts: list[Any], reason: Any) -> None:
    fields = [part if not (isinstance(part, Opaque) and "phase" in part.raw) else phase() for part in parts]
    called = any(isinstance(part, ToolCall) for part in fields)
    refused = any(isinstance(part, Refusal) for part in fields)
    told = reason if reason != "stop" else "tool_calls" if called else "refusal" if refused else "stop"
    choice = Choice(Message("assistant", tuple(fields)), told)
    response = ChatResponse("resp_1", "m", (choice,), Usage(3, 2), 1)
    again = openai_responses.decode_response(json.loads(json.dumps(openai_responses.encode_response(response))))
    assert again.choices == (choice,)


def phase() -> Opaque:
    return Opaque(NAME, {"phase": "commentary"})


@given(made(0), st.randoms())
@SLOW
def test_a_stream_of_whole_items_says_what_the_whole_answer_says(parts: list[Any], draw: Any) -> None:
    fields = [part if not (isinstance(part, Opaque) and "phase" in part.raw) else phase() for part in parts]
    choice = Choice(Message("assistant", tuple(fields)), "length")
    body = openai_responses.encode_response(ChatResponse("resp_1", "m", (choice,), Usage(3, 2), 1))
    raw = encoded(NAME, decoded(NAME, written(body, draw)))
    responses.check(raw, whole=True)
    last = json.loads(raw.rpartition(b"data: ")[2])["response"]
    assert [shown(item) for item in last["output"]] == [shown(item) for item in body["output"]]


def written(body: Json, draw: Any) -> bytes:
    """Return *body* as a stream that leaves out at random whatever may be left out."""
    events: list[Json] = [{"type": "response.created", "response": {**body, "output": []}}]
    numbered = draw.random() < 0.5
    for at, item in enumerate(body["output"]):
        place = {"output_index": at} if numbered else {}
        if draw.random() < 0.5:
            empty = {name: value for name, value in item.items() if name not in FILLED}
            events.append({"type": "response.output_item.added", **place, "item": empty})
            for index, part in enumerate(item.get("content", ())):
                kind = part["type"]
                words = part["refusal" if kind == "refusal" else "text"]
                last = index == len(item["content"]) - 1
                cut = draw.randrange(len(words) + 1) if last else len(words)
                about = {**place, "item_id": item["id"], "content_index": index}
                events.append({"type": f"response.{kind}.delta", **about, "delta": words[:cut]})
        events.append({"type": "response.output_item.done", **place, "item": item})
    events.append({"type": "response.incomplete", "response": body if draw.random() < 0.5 else {**body, "output": []}})
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


def shown(item: Json) -> Json:
    """Return *item* without what is made anew; a message in one piece."""
    kept = {name: value for name, value in item.items() if name not in ("id", "status", "content")}
    content = item.get("content", ())
    return kept | {"said": "".join(part.get("text", "") + part.get("refusal", "") for part in content)}


@given(streams(), st.lists(st.integers(0, 9999), max_size=20))
@SLOW
def test_a_stream_means_the_same_however_it_is_cut(deltas: list[Delta], cuts: list[int]) -> None:
    raw = encoded(NAME, [*deltas, Delta(finish_reason="length")])
    assert decoded(NAME, raw, cuts) == decoded(NAME, raw)
    assert decoded(NAME, raw.replace(b"\n", b"\r\n"), cuts) == decoded(NAME, raw)


@given(st.lists(st.sampled_from(KINDS)))
@SLOW
def test_whatever_comes_the_events_are_in_order(kinds: list[str]) -> None:
    deltas = [Delta(id="x", model="m", created=1)]
    deltas += [step(kind, at) for at, kind in enumerate(kinds)]
    raw = encoded(NAME, [*deltas, Delta(finish_reason="stop")])
    responses.check(raw, whole=True)
    told, meant = streamed_meaning(decoded(NAME, raw)), streamed_meaning([*deltas, Delta(finish_reason="stop")])
    assert (told.text, told.reasoning, told.refusal) == (meant.text, meant.reasoning, meant.refusal)
    assert len(told.calls) == sum(kind in ("call", "custom") for kind in kinds)


def step(kind: str, at: int) -> Delta:
    return {
        "text": Delta(text=f"t{at}", block=at % 3),
        "reasoning": Delta(reasoning=f"r{at}", block=at % 2),
        "summary": Delta(reasoning=f"s{at}", summary=True),
        "refusal": Delta(refusal=f"n{at}"),
        "call": Delta(tool_call=ToolCallDelta(at, f"c{at}", "f", "{}")),
        "custom": Delta(part=ToolCall(f"c{at}", "g", "free", "custom")),
        "phase": Delta(part=phase()),
        "seal": Delta(part=Reasoning(id=f"rs_{at}", encrypted="x", dialect=NAME)),
        "item": Delta(part=Opaque(NAME, {"type": "web_search_call", "id": f"ws_{at}"})),
    }[kind]
