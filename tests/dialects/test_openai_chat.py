"""What providers that call themselves compatible with chat completions really send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mini_llm.dialects import openai_chat
from mini_llm.dialects.openai_chat.usage import decode_usage
from mini_llm.errors import OverloadedError, ProtocolError, RateLimitError, ServerError, TruncatedError
from mini_llm.types import Audio, Delta, Image, Reasoning, Text, ToolCall, Usage
from tests.dialects.reading import Meaning, decoded, encoded, meaning, streamed_meaning


def chunk(delta: dict[str, Any] | None = None, **more: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": more.pop("finish", None)}]
    return (
        b"data: " + json.dumps({"id": "c1", "model": "m", "created": 7, "choices": choices, **more}).encode() + b"\n\n"
    )


DONE = b"data: [DONE]\n\n"
WORDS = chunk({"content": "Hi"})
STOP = chunk({}, finish="stop")


def read(*events: bytes) -> Meaning:
    return streamed_meaning(decoded("openai_chat", b"".join(events)))


def called(*pieces: dict[str, Any]) -> tuple[tuple[str, str, str], ...]:
    return read(*(chunk({"tool_calls": [piece]}) for piece in pieces), STOP, DONE).calls


def piece(arguments: Any = "", **more: Any) -> dict[str, Any]:
    name = {"name": more.pop("name")} if "name" in more else {}
    return {**more, "function": {**name, "arguments": arguments}}


@pytest.mark.parametrize(
    "end",
    [
        (STOP, DONE), (STOP,), (DONE,), (STOP, b"data: [DO"), (STOP, b"data: {oops}\n\n", DONE), (STOP, STOP, DONE),
        (STOP, chunk(None, error={"message": "late"})), (chunk({}, finish=""), DONE), (b"data:\n\n", STOP),
        (chunk(None), chunk(None, usage=None), STOP, b": bye\n\n"), (chunk({}, finish="eos"),),
    ],
)  # fmt: skip
def test_an_end_is_an_end_in_every_form(end: tuple[bytes, ...]) -> None:
    assert read(WORDS, *end) == Meaning("Hi", finish="stop")


@pytest.mark.parametrize("end", [(), (chunk({}, finish=""),), (chunk(None, usage={"prompt_tokens": 1}),)])
def test_words_without_an_end_are_a_cut_answer(end: tuple[bytes, ...]) -> None:
    before: list[Delta] = []
    with pytest.raises(TruncatedError):
        decoded("openai_chat", b"".join([WORDS, *end]), into=before)
    assert streamed_meaning(before).text == "Hi"


def test_nothing_at_all_is_no_answer() -> None:
    for raw in (b"", DONE, b": ping\n\n" + DONE, b'{"choices": []}'):
        with pytest.raises(TruncatedError):
            decoded("openai_chat", raw)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (chunk(None, error={"message": "x", "code": 429}), RateLimitError),
        (b'event: error\ndata: {"message": "x"}\n\n', ServerError),
        (chunk({}, finish="error"), ServerError),
        (b"data: []\n\n", ProtocolError),
        (b"data: {oops}\n\n" + WORDS, ProtocolError),
    ],
)
def test_an_error_in_a_stream_is_raised_after_what_came_before(event: bytes, kind: type[Exception]) -> None:
    before: list[Delta] = []
    with pytest.raises(kind):
        decoded("openai_chat", WORDS + event, into=before)
    assert streamed_meaning(before).text == "Hi"


@pytest.mark.parametrize(
    ("said", "kind"),
    [("error", ServerError), ("insufficient_system_resource", OverloadedError), ("abort", TruncatedError)],
)
def test_an_answer_that_says_it_broke_off_is_an_error(said: str, kind: type[Exception]) -> None:
    body = {"choices": [{"message": {"content": "Hi"}, "finish_reason": said}]}
    with pytest.raises(kind):
        openai_chat.decode_response(body)
    with pytest.raises(kind):
        read(WORDS, chunk({}, finish=said), DONE)


def test_calls_come_in_every_shape() -> None:
    one = (("a", "f", '{"x": 1}'),)
    assert called(piece('{"x":1}', index=0, id="a", name="f")) == one
    assert called(piece("", index=0, id="a", name="f"), piece('{"x"', index=0), piece(":1}", index=0)) == one
    assert called(piece({"x": 1}, index=0, id="a", name="f")) == one
    assert called(piece('{"x"', id="a", name="f"), piece(":1}")) == one
    assert called(piece('{"x"', index=0, id="a", name="f"), piece(":1}", index=0, id="a", name="f")) == one
    assert called(piece('{"x"', index=0, id="a", name="f"), piece(":1}", index=None, id=None, name=None)) == one
    two = (("a", "f", "{}"), ("b", "g", "{}"))
    assert called(piece("", index=0, id="a", name="f"), piece("{}", index=1, id="b", name="g")) == two
    assert called(piece("{}", index=0, id="a", name="f"), piece("{}", index=0, id="b", name="g")) == two
    assert called(piece("{}", id="a", name="f"), piece("{}", id="b", name="g")) == two
    made_up = called(piece("{}", name="f"), piece("{}", name="g"))
    assert made_up == (("made up", "f", "{}"), ("made up", "g", "{}"))
    twice = chunk({"tool_calls": [piece("{}", name="f"), piece("{}", name="f")]})
    ids = {delta.tool_call.id for delta in decoded("openai_chat", twice + STOP) if delta.tool_call}
    assert len(ids) == 2


def test_a_whole_message_in_place_of_a_delta_is_read_once() -> None:
    whole = {"id": "c", "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]}
    assert read(b"data: " + json.dumps(whole).encode() + b"\n\n") == Meaning("Hi", finish="stop")
    beside = {
        "id": "c",
        "choices": [{"delta": {"content": "Hi"}, "message": {"content": "Hi"}, "finish_reason": "stop"}],
    }
    assert read(b"data: " + json.dumps(beside).encode() + b"\n\n") == Meaning("Hi", finish="stop")


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content", "thinking"])
def test_reasoning_is_found_under_each_of_its_names(name: str) -> None:
    assert read(chunk({name: "Hm", "content": ""}), STOP).reasoning == "Hm"
    details = [{"type": "reasoning.text", "text": "Hm"}]
    assert read(chunk({name: "Hm", "reasoning_details": details}), STOP).reasoning == "Hm"
    body = {"choices": [{"message": {name: "Hm", "reasoning_details": details, "content": "Hi"}}]}
    assert meaning(openai_chat.decode_response(body)) == Meaning("Hi", "Hm", finish="stop")


def test_what_is_signed_or_encrypted_goes_round_unharmed() -> None:
    details = [
        {"type": "reasoning.text", "text": "Hm", "signature": "c2ln", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "eA==", "format": "anthropic-claude-v1", "index": 1},
        {"type": "reasoning.encrypted", "data": "eQ==", "format": "openai-responses-v1", "id": "rs_1", "index": 2},
    ]
    body = {"model": "m", "messages": [{"role": "assistant", "content": "Hi", "reasoning_details": details}]}
    request = openai_chat.decode_request(body)
    assert request.messages[0].parts[:2] == (
        Reasoning("Hm", signature="c2ln", dialect="anthropic_messages", via="openai_chat"),
        Reasoning(redacted="eA==", dialect="anthropic_messages", via="openai_chat"),
    )
    assert openai_chat.encode_request(request)["messages"][0]["reasoning_details"] == details
    response = openai_chat.decode_response({"choices": [{"message": body["messages"][0]}]})
    assert openai_chat.encode_response(response)["choices"][0]["message"]["reasoning_details"] == details
    streamed = decoded("openai_chat", chunk({"reasoning_details": details}) + STOP)
    again = decoded("openai_chat", encoded("openai_chat", streamed))
    assert sealed(again) == sealed(streamed)


def sealed(deltas: list[Delta]) -> tuple[str, str, list[object]]:
    """Return the thoughts of a stream, their signature, and what is hidden or encrypted."""
    text, signature = ("".join(getattr(delta, name) for delta in deltas) for name in ("reasoning", "signature"))
    return text, signature, [delta.part for delta in deltas if delta.part]


def test_sound_pictures_and_signatures_of_calls_are_kept() -> None:
    message = {
        "content": [{"type": "text", "text": "Hi"}],
        "audio": {"id": "a1", "data": "AAAA", "transcript": "Hi"},
        "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}],
        "tool_calls": [{"id": "a", "function": {"name": "f"}, "extra_content": {"google": {"thought_signature": "s"}}}],
    }
    response = openai_chat.decode_response({"id": "c", "choices": [{"message": message}]})
    assert response.choices[0].message.parts == (
        Text("Hi"),
        Image(data="iVBORw0KGgo=", media_type="image/png"),
        ToolCall("a", "f", "", signature="s"),
        Audio(data="AAAA", id="a1", transcript="Hi"),
    )
    assert openai_chat.decode_response(openai_chat.encode_response(response)).choices == response.choices


def test_logprobs_pass_through() -> None:
    logprobs = {"content": [{"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}]}
    body = {"id": "c", "choices": [{"index": 0, "message": {"content": "Hi"}, "logprobs": logprobs}]}
    assert (
        openai_chat.encode_response(openai_chat.decode_response(body))["choices"][0]["logprobs"]["content"]
        == (logprobs["content"])
    )
    raw = chunk(None, choices=[{"index": 0, "delta": {"content": "Hi"}, "logprobs": logprobs}]) + STOP
    written = encoded("openai_chat", decoded("openai_chat", raw))
    assert json.dumps(logprobs["content"], separators=(",", ":")).encode() in written


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, Usage()),
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": None, "completion_tokens_details": None},
         Usage(input_tokens=5, output_tokens=2)),
        ({"prompt_tokens": 470, "completion_tokens": 68, "total_tokens": 723, "cost_in_usd_ticks": 4389401,
          "completion_tokens_details": {"reasoning_tokens": 185}},
         Usage(input_tokens=470, output_tokens=253, reasoning_tokens=185, cost_nanos=438941)),
        ({"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109},
         Usage(input_tokens=35, output_tokens=74, reasoning_tokens=62)),
        ({"prompt_tokens": 61, "completion_tokens": 10, "total_tokens": 71,
          "completion_tokens_details": {"reasoning_tokens": 96}},
         Usage(input_tokens=61, output_tokens=106, reasoning_tokens=96)),
        ({"prompt_tokens": 11, "completion_tokens": 15, "total_tokens": 401,
          "prompt_tokens_details": {"audio_tokens": 375, "cached_tokens": 9}},
         Usage(input_tokens=386, output_tokens=15, cache_read_tokens=9, input_audio_tokens=375)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 4},
         Usage(input_tokens=9, output_tokens=1, cache_read_tokens=4)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 40}},
         Usage(input_tokens=9, output_tokens=1, cache_read_tokens=9)),
        ({"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.1}, Usage(1, 1, cost_nanos=100_000_000)),
        ({"prompt_tokens": 1, "completion_tokens": 1, "cost": 0}, Usage(1, 1, cost_nanos=0)),
        ({"prompt_tokens": 1, "completion_tokens": 1, "cost": 1e-10}, Usage(1, 1, cost_nanos=1)),
        ({"prompt_tokens": 1, "completion_tokens": 1, "cost": {"total_cost": 0.00501}},
         Usage(1, 1, cost_nanos=5_010_000)),
        ({"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.01, "is_byok": True,
          "cost_details": {"upstream_inference_cost": 0.2}}, Usage(1, 1, cost_nanos=210_000_000)),
        ({"prompt_tokens": 1, "completion_tokens": 1, "cost": True}, Usage(1, 1)),
        ({"prompt_tokens": 1, "completion_tokens": 1, "cost_in_usd_ticks": 0}, Usage(1, 1)),
    ],
)  # fmt: skip
def test_usage_is_one_partition(raw: dict[str, Any], usage: Usage) -> None:
    assert decode_usage(raw) == usage._replace(raw=raw)


@pytest.mark.parametrize("raw", [None, {}, [], "x", {"prompt_tokens": None}, {"prompt_tokens": "5"}])
def test_usage_that_says_nothing_is_none(raw: Any) -> None:
    assert decode_usage(raw) is None


def test_usage_is_written_only_where_it_was_asked_for() -> None:
    import asyncio
    from collections.abc import AsyncGenerator

    async def deltas() -> AsyncGenerator[Delta, None]:
        yield Delta(text="Hi")
        yield Delta(finish_reason="stop")
        yield Delta(usage=Usage(1, 1))

    async def written(include: bool) -> bytes:
        return b"".join([part async for part in openai_chat.encode_stream(deltas(), include_usage=include)])

    assert b'"usage"' in asyncio.run(written(True))
    assert b'"usage"' not in asyncio.run(written(False))


def test_functions_from_before_tools_are_understood() -> None:
    body = {
        "model": "m",
        "functions": [{"name": "f", "parameters": {"type": "object"}}],
        "function_call": {"name": "f"},
        "messages": [
            {"role": "user", "content": "Go"},
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "done"},
        ],
    }
    request = openai_chat.decode_request(body)
    call, result = request.messages[1].parts[0], request.messages[2].parts[0]
    assert isinstance(call, ToolCall) and call.id == result.call_id  # type: ignore[union-attr]
    assert request.tools[0].name == "f" and request.tool_choice == ("tool", "f")


def test_every_entry_of_a_streamed_list_is_numbered_as_the_official_client_demands() -> None:
    source = {"type": "url_citation", "url_citation": {"url": "https://example.com", "title": "x"}}
    picture = Image(url="https://example.com/a.png")
    deltas = [Delta(citations=(source, source)), Delta(citations=(source,)), Delta(part=picture), Delta(part=picture)]
    raw = encoded("openai_chat", [*deltas, Delta(finish_reason="stop")])
    said = [json.loads(line[6:])["choices"][0]["delta"] for line in raw.decode().splitlines() if line[6:7] == "{"]
    for name, numbers in (("annotations", [0, 1, 2]), ("images", [0, 1])):
        assert [entry["index"] for delta in said for entry in delta.get(name, ())] == numbers
    assert [delta.citations for delta in decoded("openai_chat", raw) if delta.citations] == [
        (source, source),
        (source,),
    ]
