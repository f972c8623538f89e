"""Answers of generateContent: endings, tokens, sources, streams in every form, pieces of calls, errors."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm import sse
from mini_llm.dialects import gemini
from mini_llm.dialects.gemini import framing
from mini_llm.errors import (
    ContentFilterError,
    MiniLLMError,
    ModelMissingError,
    OverloadedError,
    ProtocolError,
    ServerError,
    TranslationError,
    TruncatedError,
)
from mini_llm.types import (
    Choice,
    Delta,
    Opaque,
    Reasoning,
    Text,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from tests.dialects.reading import chunked, decoded, encoded, streamed_meaning


def answer(*parts: Any, finish: Any = "STOP", **fields: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, **fields}]}


def choice_of(body: dict[str, Any]) -> Choice:
    return gemini.decode_response(body).choices[0]


def stream_of(*chunks: Any) -> bytes:
    return b"".join(b"data: %b\r\n\r\n" % json.dumps(chunk).encode() for chunk in chunks)


# ---- endings

CALL = {"functionCall": {"name": "go", "args": {}}}


@pytest.mark.parametrize(
    ("word", "parts", "expected"),
    [
        ("STOP", [{"text": "a"}], "stop"),
        ("STOP", [CALL], "tool_calls"),
        (1, [{"text": "a"}], "stop"),
        (2, [{"text": "a"}], "length"),
        ("MAX_TOKENS", [CALL], "length"),
        (3, [], "content_filter"),
        ("SAFETY", [CALL], "content_filter"),
        *((word, [], "content_filter") for word in ("RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII")),
        *((word, [], "content_filter") for word in ("LANGUAGE", "MODEL_ARMOR", "IMAGE_SAFETY")),
        ("OTHER", [{"text": "a"}], "content_filter"),
        ("UNEXPECTED_TOOL_CALL", [CALL], "tool_calls"),
        ("TOO_MANY_TOOL_CALLS", [CALL], "tool_calls"),
        ("CONTINUATION", [{"text": "a"}], "pause"),
        ("SOMETHING_NEW", [{"text": "a"}], "stop"),
        (None, [{"text": "a"}], "stop"),
    ],
)
def test_every_ending_has_a_word(word: Any, parts: list[Any], expected: str) -> None:
    assert choice_of(answer(*parts, finish=word)).finish_reason == expected


@pytest.mark.parametrize("word", ["MALFORMED_FUNCTION_CALL", "MISSING_THOUGHT_SIGNATURE", 10, "UNEXPECTED_TOOL_CALL"])
def test_an_answer_of_no_use_is_a_failure_that_another_try_may_mend(word: Any) -> None:
    with pytest.raises(ServerError, match="of no use"):
        choice_of(answer(finish=word))
    with pytest.raises(ServerError, match="of no use"):
        decoded("gemini", stream_of(answer(finish=word)))


def test_a_blocked_prompt_is_final_also_in_a_stream() -> None:
    body = {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "hate speech"}, "modelVersion": "m"}
    for ask in (lambda: gemini.decode_response(body), lambda: decoded("gemini", stream_of(body))):
        with pytest.raises(ContentFilterError, match="blocked: hate speech") as caught:
            ask()
        assert not caught.value.retryable


@pytest.mark.parametrize("body", [{}, {"candidates": []}, {"candidates": ["x"]}, [], [{}], "x", {"promptFeedback": {}}])
def test_what_is_no_answer_is_a_protocol_error(body: Any) -> None:
    with pytest.raises(ProtocolError):
        gemini.decode_response(body)


def test_an_error_inside_a_200_is_an_error_also_in_a_list() -> None:
    body = {"error": {"code": 404, "message": "models/x is not found for API version v1beta", "status": "NOT_FOUND"}}
    for given_body in (body, [body]):
        with pytest.raises(ModelMissingError):
            gemini.decode_response(given_body)  # type: ignore[arg-type]  # what is really sent


# ---- tokens


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            {"promptTokenCount": 10, "candidatesTokenCount": 3, "thoughtsTokenCount": 4, "totalTokenCount": 17},
            Usage(10, 7, reasoning_tokens=4),
        ),
        (  # thoughts counted in already
            {"promptTokenCount": 10, "candidatesTokenCount": 7, "thoughtsTokenCount": 4, "totalTokenCount": 17},
            Usage(10, 7, reasoning_tokens=4),
        ),
        (  # what a tool of Google's read comes on top
            {"promptTokenCount": 10, "toolUsePromptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 18},
            Usage(15, 3),
        ),
        (  # of the sound, most came from the cache
            {
                "prompt_token_count": 10,
                "cached_content_token_count": 6,
                "total_token_count": 10,
                "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 8}, {"modality": "IMAGE", "tokenCount": 2}],
                "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 6}],
            },
            Usage(10, 0, 6, input_audio_tokens=2, input_image_tokens=2, cache_read_audio_tokens=6),
        ),
    ],
)
def test_tokens_are_one_partition(told: Any, expected: Usage) -> None:
    usage = gemini.decode_response({**answer({"text": "a"}), "usageMetadata": told}).usage
    assert usage is not None and usage._replace(raw={}) == expected._replace(raw={})
    assert usage.cache_read_tokens + usage.input_audio_tokens + usage.input_image_tokens <= usage.input_tokens


@given(st.integers(0, 999), st.integers(0, 999))
def test_tokens_come_back_as_they_were_written(asked: int, given_back: int) -> None:
    said = Usage(asked, given_back, cache_read_tokens=asked // 3, reasoning_tokens=given_back // 2)
    deltas = decoded("gemini", encoded("gemini", [Delta(text="a"), Delta(finish_reason="stop", usage=said)]))
    assert deltas[-1].usage is not None and deltas[-1].usage._replace(raw={}) == said._replace(raw={})


# ---- sources, and what stands beside an answer


def test_sources_are_counted_in_characters_and_kept_as_they_were() -> None:
    grounding = {
        "groundingChunks": [{"web": {"uri": "https://a.b", "title": "T"}}, {"web": {}}],
        "groundingSupports": [
            {"segment": {"partIndex": 1, "startIndex": 2, "endIndex": 8}, "groundingChunkIndices": [0, 1, 9, "x"]}
        ],
    }
    body = answer({"text": "äh "}, {"text": "öl für"}, groundingMetadata=grounding, safetyRatings=[{"a": 1}])
    parts = choice_of(body).message.parts
    assert isinstance(parts[1], Text) and isinstance(parts[2], Opaque)
    place = parts[1].citations[0]["url_citation"]
    assert (place["start_index"], place["end_index"], place["url"]) == (4, 9, "https://a.b")
    again = gemini.encode_response(gemini.decode_response(body))["candidates"][0]
    assert again["groundingMetadata"] == grounding and again["safetyRatings"] == [{"a": 1}]


def test_a_quoted_work_is_a_source() -> None:
    cited = {"citationSources": [{"startIndex": 0, "endIndex": 1, "uri": "https://a.b", "license": "mit"}]}
    (part, _) = choice_of(answer({"text": "ab"}, citationMetadata=cited)).message.parts
    assert isinstance(part, Text) and part.citations[0]["url_citation"]["url"] == "https://a.b"


def test_several_answers_have_ids_of_their_own() -> None:
    body = {"candidates": [answer(CALL)["candidates"][0]] * 2, "responseId": "r"}
    (first,), (second,) = (choice.message.parts for choice in gemini.decode_response(body).choices)
    assert isinstance(first, ToolCall) and isinstance(second, ToolCall) and first.id != second.id


# ---- streams


def test_a_finish_reason_in_every_event_ends_nothing_early() -> None:
    chunks = [answer({"text": text}, index=0) for text in ("Hel", "lo")]
    deltas = decoded("gemini", stream_of(*chunks, {"usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1}}))
    assert streamed_meaning(deltas).text == "Hello" and [delta.finish_reason for delta in deltas].count("stop") == 1
    assert deltas[-1].usage == Usage(1, 0, raw=deltas[-1].usage.raw)  # type: ignore[union-attr]  # it is there


def test_a_stream_without_an_ending_is_cut() -> None:
    for raw in (
        b"",
        stream_of(answer({"text": "a"}, finish=None)),
        stream_of(answer(finish="FINISH_REASON_UNSPECIFIED")),
    ):
        with pytest.raises(TruncatedError):
            decoded("gemini", raw)


def test_what_breaks_after_the_ending_breaks_nothing() -> None:
    deltas = decoded("gemini", stream_of(answer({"text": "a"}), {"error": {"code": 500, "message": "late"}}))
    assert deltas[-1].finish_reason == "stop"


def pieces(*calls: Any) -> bytes:
    return stream_of(*(answer({"functionCall": call}, finish=None) for call in calls), answer({"text": ""}))


def test_a_call_whose_arguments_stream_is_put_together() -> None:
    def told(**piece: Any) -> Any:
        return {"partialArgs": [piece], "willContinue": True}

    raw = pieces(
        {"name": "book", "id": "c1", "willContinue": True},
        told(jsonPath="$.city", stringValue="New ", willContinue=True),
        told(jsonPath="$.guests[1].age", numberValue=7),
        told(jsonPath="$.city", stringValue="York"),
        told(jsonPath="$['late']", boolValue=False),
        told(jsonPath="$.note", nullValue="NULL_VALUE"),
        {},
        {"name": "plain", "args": {"a": 1}},
    )
    calls = [delta.tool_call for delta in decoded("gemini", raw) if delta.tool_call]
    assert (calls[0].id, calls[0].name, calls[1].name) == ("c1", "book", "plain")
    expected = {"city": "New York", "guests": [None, {"age": 7}], "late": False, "note": None}
    assert json.loads(calls[0].arguments) == expected


@pytest.mark.parametrize("path", ["", "$", "city", "$[0]", "$.list[99999]"])
def test_a_piece_of_a_call_that_goes_nowhere_is_refused(path: str) -> None:
    piece = {"partialArgs": [{"jsonPath": path, "numberValue": 1}]}
    with pytest.raises(ProtocolError, match="no place"):
        decoded("gemini", pieces({"name": "go", "willContinue": True}, piece))


@given(st.lists(st.text(max_size=6), min_size=1, max_size=4), st.lists(st.integers(0, 400), max_size=20))
def test_an_array_is_read_like_a_stream_however_it_is_cut(texts: list[str], cuts: list[int]) -> None:
    chunks = [answer({"text": text}, finish=None) for text in texts] + [answer({"text": '"}{\\'})]
    raw = b"\n " + json.dumps(chunks, indent=1, ensure_ascii=False).encode()
    expected = "".join(texts) + '"}{\\'
    assert streamed_meaning(decoded("gemini", raw, cuts)).text == expected
    assert streamed_meaning(decoded("gemini", raw, range(len(raw)))).text == expected


def test_an_array_that_is_cut_is_known_as_cut_and_its_error_as_an_error() -> None:
    raw = json.dumps([answer({"text": "a"})]).encode()
    with pytest.raises(TruncatedError):
        decoded("gemini", raw[:-3])
    with pytest.raises(OverloadedError):
        decoded("gemini", b'[{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}]')
    with pytest.raises(ProtocolError, match="8 MiB"):
        decoded("gemini", b'[{"' + b"x" * (sse.MAX_EVENT + 9))


def test_a_stream_is_written_as_an_array_and_one_that_breaks_stays_open() -> None:
    async def written(*deltas: Delta) -> bytes:
        async def given_deltas() -> AsyncGenerator[Delta, None]:
            for delta in deltas:
                yield delta

        pieces = b""
        with contextlib.suppress(TruncatedError):
            async for piece in framing.array(gemini.encode_stream(given_deltas(), model="m")):
                pieces += piece
        return pieces

    whole = asyncio.run(written(Delta(text="a"), Delta(text="b"), Delta(finish_reason="stop")))
    assert len(json.loads(whole)) == 3 and streamed_meaning(decoded("gemini", whole)).text == "ab"
    assert not asyncio.run(written(Delta(text="a"))).endswith(b"]")


def test_an_object_in_an_array_costs_its_length_once() -> None:
    raw = json.dumps([answer({"text": '\\"}' * 20_000})]).encode()
    assert len(decoded("gemini", raw, range(0, len(raw), 16))) == 3


def test_calls_that_stream_side_by_side_keep_their_order_and_each_comes_once() -> None:
    said = [
        Delta(id="x", tool_call=ToolCallDelta(0, "a", "go", '{"n":')),
        Delta(tool_call=ToolCallDelta(1, "b", "go", "{}")),
        Delta(text="then"),
        Delta(tool_call=ToolCallDelta(0, arguments="1}")),
        Delta(tool_call=ToolCallDelta(2, "c", "go")),
        Delta(finish_reason="tool_calls"),
    ]
    calls = [delta.tool_call for delta in decoded("gemini", encoded("gemini", said)) if delta.tool_call]
    assert [(call.id, call.arguments) for call in calls] == [("a", '{"n":1}'), ("b", "{}"), ("c", "{}")]


def test_a_signature_of_another_dialect_is_not_told() -> None:
    said = [
        Delta(reasoning="Hm."),
        Delta(signature="c2ln"),
        Delta(part=Reasoning(redacted="eA==", dialect="anthropic_messages")),
        Delta(finish_reason="stop"),
    ]
    assert b"ignature" not in encoded("gemini", said) and b"eA==" not in encoded("gemini", said)


# ---- errors


def test_an_error_tells_google_all_that_it_holds() -> None:
    error: MiniLLMError = OverloadedError("too busy", retry_after=3.5)
    told = gemini.encode_error(error, request_id="r1")["error"]
    assert (told["code"], told["status"], told["message"]) == (503, "UNAVAILABLE", "too busy")
    assert [detail["@type"].rpartition(".")[2] for detail in told["details"]] == [
        "ErrorInfo",
        "RetryInfo",
        "RequestInfo",
    ]
    refused = gemini.encode_error(TranslationError("no", field="seed", hint="leave it out"), request_id="")["error"]
    assert refused["message"] == "no\nleave it out" and refused["details"][1]["fieldViolations"][0]["field"] == "seed"
    back = gemini.decode_error(503, {}, json.dumps({"error": told}).encode())
    assert isinstance(back, OverloadedError) and back.retry_after == 3.5


def test_closing_a_stream_early_closes_what_it_reads() -> None:
    closed = []

    async def run() -> None:
        async def source() -> AsyncGenerator[bytes, None]:
            try:
                async for chunk in chunked(stream_of(*[answer({"text": "a"}, finish=None)] * 9), range(0, 900, 50)):
                    yield chunk
            finally:
                closed.append(True)

        deltas = gemini.decode_stream(gemini.events(source()))
        await anext(deltas)
        await deltas.aclose()

    asyncio.run(run())
    assert closed == [True]
