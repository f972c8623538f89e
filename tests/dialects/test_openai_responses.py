"""What only the Responses API does, and what its servers and callers get wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mini_llm.dialects import openai_responses
from mini_llm.errors import (
    AuthError,
    BudgetError,
    ContentFilterError,
    ContextLengthError,
    DeadlineError,
    MiniLLMError,
    ProtocolError,
    QuotaError,
    RateLimitError,
    RejectedError,
    ServerError,
    TruncatedError,
    UsageError,
)
from mini_llm.types import (
    ChatResponse,
    Choice,
    Delta,
    Image,
    Json,
    Message,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from tests.dialects import responses
from tests.dialects.reading import decoded, encoded, meaning, streamed_meaning

NAME = "openai_responses"
DONE: Json = {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": []}}
WORDS = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}
CALL = {"type": "function_call", "call_id": "c1", "name": "now", "arguments": '{"a":1}'}


def events(*bodies: Json, named: bool = False) -> bytes:
    """Return *bodies* as a stream; *named* moves their types to the event's name."""
    out = b""
    for body in bodies:
        name = str(body["type"]) if named else ""
        told = {key: value for key, value in body.items() if key != "type" or not named}
        out += (f"event: {name}\n".encode() if name else b"") + b"data: %b\n\n" % json.dumps(told).encode()
    return out


def read(*bodies: Json) -> list[Delta]:
    return decoded(NAME, events(*bodies))


def said(*bodies: Json) -> Any:
    return streamed_meaning(read(*bodies))


# ---- streams from servers


def test_the_type_may_stand_in_the_name_of_the_event() -> None:
    raw = events({"type": "response.output_text.delta", "delta": "Hi"}, DONE, named=True)
    assert streamed_meaning(decoded(NAME, raw)).text == "Hi"


@pytest.mark.parametrize(
    "told",
    [
        [{"type": "response.output_item.done", "output_index": 0, "item": WORDS}],
        [{"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hello"}],
        [
            {
                "type": "response.content_part.done",
                "output_index": 0,
                "content_index": 0,
                "part": {"type": "output_text", "text": "Hello"},
            }
        ],
        [
            {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hel"},
            {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hello"},
            {"type": "response.output_item.done", "output_index": 0, "item": WORDS},
        ],
        [{"type": "response.output_text.delta", "delta": "Hel"}, {"type": "response.output_item.done", "item": WORDS}],
        [{"type": "response.output_item.done", "output_index": 0, "item": {**WORDS, "content": "Hello"}}],
    ],
)
def test_words_are_told_once_wherever_they_stand(told: list[Json]) -> None:
    whole = {**DONE, "response": {**DONE["response"], "output": [WORDS]}}
    assert said(*told, whole).text == "Hello"
    assert said(*told, DONE).text == "Hello"


def test_what_only_the_end_tells_is_told() -> None:
    whole = {**DONE, "response": {"id": "r", "model": "m", "created_at": 3, "output": [WORDS, CALL]}}
    deltas = read(whole)
    assert deltas[0] == Delta(id="r", model="m", created=3)
    assert streamed_meaning(deltas).text == "Hello"
    assert streamed_meaning(deltas).calls == (("c1", "now", '{"a": 1}'),)
    assert deltas[-1].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "told",
    [
        [
            {"type": "response.output_item.added", "output_index": 0, "item": {**CALL, "arguments": ""}},
            {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": '{"a"'},
            {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"a":1}'},
            {"type": "response.output_item.done", "output_index": 0, "item": CALL},
        ],
        [
            {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": '{"a"'},
            {"type": "response.output_item.done", "output_index": 0, "item": CALL},
        ],
        [{"type": "response.output_item.done", "item": {**CALL, "arguments": {"a": 1}}}],
        [
            {"type": "response.output_item.added", "item": {**CALL, "arguments": ""}},
            {"type": "response.function_call_arguments.delta", "item_id": "c1", "delta": '{"a":1}'},
            {"type": "response.output_item.done", "item": CALL},
        ],
    ],
)
def test_a_call_is_told_once_wherever_it_stands(told: list[Json]) -> None:
    deltas = read(*told, DONE)
    assert streamed_meaning(deltas).calls == (("c1", "now", '{"a": 1}'),)
    first = next(delta.tool_call for delta in deltas if delta.tool_call)
    assert (first.id, first.name) == ("c1", "now")


def test_items_are_known_by_their_place_when_their_ids_change() -> None:  # GitHub Copilot makes new ones each time
    deltas = read(
        {"type": "response.output_item.added", "output_index": 0, "item": {**WORDS, "id": "x1", "content": []}},
        {"type": "response.output_text.delta", "output_index": 0, "item_id": "x2", "delta": "Hello"},
        {"type": "response.output_item.done", "output_index": 0, "item": {**WORDS, "id": "x3"}},
        DONE,
    )
    assert streamed_meaning(deltas).text == "Hello"


def test_custom_calls_namespaces_and_phases_are_kept() -> None:
    custom = {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": "*** x", "namespace": "n"}
    deltas = read(
        {"type": "response.output_item.added", "output_index": 0, "item": {**WORDS, "phase": "commentary"}},
        {"type": "response.output_item.done", "output_index": 0, "item": {**WORDS, "phase": "commentary"}},
        {"type": "response.output_item.added", "output_index": 1, "item": {**custom, "input": ""}},
        {"type": "response.custom_tool_call_input.delta", "output_index": 1, "delta": "***"},
        {"type": "response.output_item.done", "output_index": 1, "item": custom},
        DONE,
    )
    assert deltas[0].part == Opaque(NAME, {"phase": "commentary"})
    pieces = [delta.tool_call for delta in deltas if delta.tool_call]
    assert pieces[0] == ToolCallDelta(0, "c", "apply_patch", kind="custom", namespace="n")
    assert [piece.arguments for piece in pieces] == ["", "***", " x"]
    again = decoded(NAME, encoded(NAME, deltas))
    assert [delta.part for delta in again if delta.part] == [Opaque(NAME, {"phase": "commentary"})]
    assert next(delta.tool_call for delta in again if delta.tool_call) == pieces[0]


def test_thoughts_keep_their_id_and_what_is_encrypted_through_a_stream() -> None:
    item = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}],
        "encrypted_content": "gAAA",
    }
    done = {"type": "response.output_item.done", "output_index": 0, "item": item}
    deltas = read(
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "summary": []}},
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "One."},
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 1, "delta": "Two."},
        done,
        DONE,
    )
    raw = encoded(NAME, [*deltas[:-1], Delta(text="So."), deltas[-1]])
    responses.check(raw, whole=True)
    last = json.loads(raw.rpartition(b"data: ")[2])["response"]
    assert last["output"][0] == item
    seals = [delta.part for delta in read(done, DONE) if delta.part]
    assert seals == [Reasoning(id="rs_1", dialect=NAME), Reasoning(id="rs_1", encrypted="gAAA", dialect=NAME)]


def test_sources_are_told_once() -> None:
    source = {"type": "url_citation", "url": "https://example.com", "title": "t", "start_index": 0, "end_index": 5}
    words = {**WORDS, "content": [{"type": "output_text", "text": "Hello", "annotations": [source]}]}
    deltas = read(
        {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hello"},
        {"type": "response.output_text.annotation.added", "output_index": 0, "content_index": 0, "annotation": source},
        {"type": "response.output_item.done", "output_index": 0, "item": words},
        DONE,
    )
    assert [delta.citations for delta in deltas if delta.citations] == [(source,)]
    only_at_the_end = read({"type": "response.output_item.done", "output_index": 0, "item": words}, DONE)
    assert [delta.citations for delta in only_at_the_end if delta.citations] == [(source,)]


@pytest.mark.parametrize(
    ("body", "kind", "retry_after"),
    [
        ({"code": "rate_limit_exceeded", "message": "Please try again in 11.5s."}, RateLimitError, 11.5),
        ({"code": "insufficient_quota", "message": "No credit"}, QuotaError, None),
        ({"code": "context_length_exceeded", "message": "Too long"}, ContextLengthError, None),
        ({"code": "invalid_prompt", "message": "No"}, RejectedError, None),
        ({"code": "image_too_large", "message": "No"}, RejectedError, None),
        ({"code": "bio_policy", "message": "No"}, ContentFilterError, None),
        ({"code": "server_error", "message": "Sorry"}, ServerError, None),
        (None, ServerError, None),
    ],
)
def test_a_failed_stream_is_the_right_error(body: Json | None, kind: type[Exception], retry_after: Any) -> None:
    failed = {"type": "response.failed", "response": {"id": "r", "status": "failed", "error": body}}
    with pytest.raises(kind) as caught:
        read(failed)
    assert getattr(caught.value, "retry_after", None) == retry_after
    if body:
        with pytest.raises(kind):
            read({"type": "error", **body})
        with pytest.raises(kind):
            read({"type": "error", "error": body})
        with pytest.raises(kind):
            openai_responses.decode_response({"id": "r", "status": "failed", "error": body, "output": []})


def test_a_stream_without_its_last_event_is_truncated() -> None:
    part = {"type": "response.output_item.done", "output_index": 0, "item": WORDS}
    for raw in (b"", events(part), events(part) + b"data: [DONE]\n\n", events(part) + b'data: {"type":"respo'):
        with pytest.raises(TruncatedError):
            decoded(NAME, raw)
    with pytest.raises(TruncatedError, match="cancelled"):
        read(part, {"type": "response.cancelled", "response": {"id": "r"}})


# ---- whole answers


def test_an_answer_that_is_none_is_a_protocol_error() -> None:
    for body in ({}, {"output": "Hi"}, {"output": [], "status": "in_progress"}, {"output": [], "status": "queued"}):
        with pytest.raises(ProtocolError):
            openai_responses.decode_response(body)


def test_a_cancelled_answer_is_truncated() -> None:
    with pytest.raises(TruncatedError):
        openai_responses.decode_response({"output": [], "status": "cancelled"})


def test_pictures_the_model_made_are_pictures() -> None:
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBORw0KGgo="}
    response = openai_responses.decode_response({"output": [item]})
    assert response.choices[0].message.parts == (Image(data="iVBORw0KGgo=", media_type="image/png"),)
    assert openai_responses.encode_response(response)["output"][0]["result"] == "iVBORw0KGgo="


def test_other_servers_tell_words_and_thoughts_in_fields_of_their_own() -> None:  # mistral.rs
    body = {"output": [], "output_text": "OK", "reasoning": "Hm.", "status": "completed"}
    assert meaning(openai_responses.decode_response(body))[:2] == ("OK", "Hm.")


@pytest.mark.parametrize(
    ("reason", "parts", "status", "details"),
    [
        ("stop", (Text("Hi"),), "completed", None),
        ("tool_calls", (ToolCall("c", "now", "{}"),), "completed", None),
        ("length", (Text("Hi"),), "incomplete", "max_output_tokens"),
        ("pause", (Text("Hi"),), "incomplete", "max_output_tokens"),
        ("content_filter", (Text("Hi"),), "incomplete", "content_filter"),
        ("refusal", (Refusal("No."),), "completed", None),
        ("refusal", (), "incomplete", "content_filter"),
        (None, (Text("Hi"),), "completed", None),
    ],
)
def test_why_an_answer_ended_is_told(reason: Any, parts: Any, status: str, details: str | None) -> None:
    body = openai_responses.encode_response(
        ChatResponse("r", "m", (Choice(Message("assistant", parts), reason),), Usage(1, 2))
    )
    assert (body["status"], (body["incomplete_details"] or {}).get("reason")) == (status, details)
    assert body["usage"]["total_tokens"] == 3


# ---- what we write


def test_a_stream_may_hold_everything_at_once() -> None:
    deltas = [
        Delta(id="x", model="m", created=1),
        Delta(reasoning="a", block=0),
        Delta(reasoning="b", block=1),
        Delta(reasoning="c", summary=True),
        Delta(text="d", logprobs=({"token": "d", "logprob": -1.0},)),
        Delta(citations=({"url": "https://example.com", "title": "t"},)),
        Delta(part=Text("e", citations=({"type": "url_citation", "url_citation": {"url": "u"}},))),
        Delta(refusal="f"),
        Delta(tool_call=ToolCallDelta(0, "c0", "n0", "{")),
        Delta(text="g"),
        Delta(tool_call=ToolCallDelta(1, "c1", "n1", "free", "custom")),
        Delta(tool_call=ToolCallDelta(0, arguments="}")),
        Delta(part=ToolCall("c2", "n2", "{}")),
        Delta(part=Opaque(NAME, {"type": "web_search_call", "id": "ws"})),
        Delta(part=Opaque("anthropic_messages", {"type": "server_tool_use"})),
        Delta(part=Reasoning(redacted="x", dialect="anthropic_messages")),
        Delta(part=Image(data="iVBORw0KGgo=")),
        Delta(signature="c2ln"),
        Delta(text="other answer", choice=1),
        Delta(finish_reason="tool_calls", usage=Usage(1, 2)),
    ]
    raw = encoded(NAME, deltas)
    responses.check(raw, whole=True)
    told = streamed_meaning(decoded(NAME, raw))
    assert (told.text, told.reasoning, told.refusal) == ("deg", "abc", "f")
    assert [call[0] for call in told.calls] == ["c0", "c1", "c2"]


def test_an_error_takes_up_the_answer_it_broke_off() -> None:
    failure = ServerError("broke")

    def broken() -> Any:
        yield Delta(id="resp_1", text="Hi")
        raise failure

    chunks: list[bytes] = []
    with pytest.raises(ServerError):
        encoded(NAME, broken(), into=chunks)
    raw = b"".join(chunks)
    responses.check(raw, whole=False)
    event = openai_responses.encode_error_event(failure, request_id="req")
    body = json.loads(event.partition(b"data: ")[2])
    assert body["response"]["id"] == "resp_1" and body["sequence_number"] == raw.count(b"\n\n")
    assert body["response"]["status"] == "failed"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ContextLengthError("too long"), "context_length_exceeded", "too long"),
        (QuotaError("no credit"), "insufficient_quota", "no credit"),
        (BudgetError("no budget"), "insufficient_quota", "no budget"),
        (RateLimitError("slow", retry_after=12.0), "rate_limit_exceeded", "slow. Please try again in 12s."),
        (RateLimitError("try again in 3s", retry_after=3.0), "rate_limit_exceeded", "try again in 3s"),
        (RateLimitError("slow"), "rate_limit_exceeded", "slow"),
        (RejectedError("wrong"), "invalid_prompt", "wrong"),
        (ContentFilterError("flagged"), "invalid_prompt", "flagged"),
        (UsageError("wrong"), "invalid_prompt", "wrong"),
        (AuthError("bad key"), "server_error", "bad key"),
        (ServerError("broke", hint="wait"), "server_error", "broke\nwait"),
        (DeadlineError("late", phase="silence"), "server_error", "late"),
    ],
)
def test_a_stream_that_failed_ends_with_a_code_that_codex_knows(error: MiniLLMError, code: str, words: str) -> None:
    event = openai_responses.encode_error_event(error, request_id="req")
    assert event.startswith(b"event: response.failed\n") and event.endswith(b"\n\n")
    body = json.loads(event.partition(b"data: ")[2])
    assert body["type"] == "response.failed" and body["response"]["id"] == "req"
    assert body["response"]["error"] == {"code": code, "message": words}
