"""generateContent: what its requests and answers hold that no recording shows, and what must come back unharmed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mini_llm.dialects import anthropic_messages, gemini
from mini_llm.errors import TranslationError
from mini_llm.types import (
    Audio,
    ChatRequest,
    Document,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tests.dialects.reading import Recording, each, recordings

SIGNED = [item for item in recordings() if item.dialect == "gemini" and "thoughtSignature" in json.dumps(item.request)]
ASKED = {"contents": [{"role": "user", "parts": [{"text": "Go"}]}]}


def encoded(*messages: Message, **fields: Any) -> dict[str, Any]:
    return gemini.encode_request(ChatRequest(fields.pop("model", "gemini-2.5-flash"), messages, **fields))


def parts_of(contents: Any) -> list[dict[str, Any]]:
    return [part for content in contents for part in content["parts"]]


# ---- the address


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gemini-2.5-flash", "/models/gemini-2.5-flash:generateContent"),
        ("models/gemini-2.5-flash", "/models/gemini-2.5-flash:generateContent"),
        ("tunedModels/mine", "/tunedModels/mine:generateContent"),
        ("a/../../b?x=1#y", "/models/a%2F..%2F..%2Fb%3Fx%3D1%23y:generateContent"),
    ],
)
def test_a_models_name_stands_safely_in_the_path(model: str, expected: str) -> None:
    assert gemini.path(model, stream=False) == expected
    assert gemini.path("m", stream=True) == "/models/m:streamGenerateContent?alt=sse"


def test_the_model_is_not_in_the_body() -> None:
    assert "model" not in encoded(Message("user", (Text("Go"),)))


# ---- signatures


@each(SIGNED)
def test_every_signature_comes_back_on_the_part_it_came_on(recording: Recording) -> None:
    again = gemini.encode_request(gemini.decode_request(recording.request))
    assert signatures(again["contents"]) == signatures(recording.request["contents"])


def signatures(contents: Any) -> list[tuple[str, str]]:
    found = []
    for part in parts_of(contents):
        signature = part.get("thoughtSignature") or part.get("thought_signature")
        if signature:
            call = part.get("functionCall") or part.get("function_call")
            found.append((call["name"] if call else part.get("text", ""), signature))
    return found


def test_a_signature_on_nothing_and_one_on_a_picture_are_kept() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}, "thoughtSignature": "Mg=="}
    said = [{"text": "a"}, {"text": "", "thoughtSignature": "MQ=="}, picture, {"text": "b", "thoughtSignature": "Mw=="}]
    body = {"contents": [*ASKED["contents"], {"role": "model", "parts": [said[0], said[2], said[3], said[1]]}]}
    assert gemini.encode_request(gemini.decode_request(body)) == body
    answer = {"candidates": [{"content": {"role": "model", "parts": [said[0], picture, said[3], said[1]]}}]}
    again = gemini.encode_response(gemini.decode_response(answer))
    assert again["candidates"][0]["content"] == answer["candidates"][0]["content"]


def test_only_the_first_call_of_a_turn_is_signed_and_only_where_it_must_be() -> None:
    asked, call = Message("user", (Text("Go"),)), ToolCall("call_1", "go", "{}")
    turns = (asked, Message("assistant", (call, call._replace(id="call_2"))))
    for model, signed in (("gemini-3-pro", True), ("gemini-flash-latest", True), ("gemini-2.5-pro", False)):
        calls = parts_of(encoded(*turns, model=model)["contents"])[1:]
        assert ["thoughtSignature" in part for part in calls] == [signed, False]
    own = (asked, Message("assistant", (call._replace(signature="b3du"), call)))
    assert parts_of(encoded(*own, model="gemini-3-pro")["contents"])[1]["thoughtSignature"] == "b3du"


def test_thoughts_of_others_are_not_told() -> None:
    thoughts: tuple[Part, ...] = (
        Reasoning("plain"),
        Reasoning("signed", signature="c2ln", dialect="anthropic_messages"),
        Reasoning(redacted="eA==", dialect="anthropic_messages"),
        Opaque("anthropic_messages", {"type": "server_tool_use"}),
        Text("So."),
    )
    contents = encoded(Message("user", (Text("Go"),)), Message("assistant", thoughts))["contents"]
    assert contents[1]["parts"] == [{"text": "So."}]


# ---- calls and results


def test_calls_without_ids_are_answered_by_name_and_in_order() -> None:
    calls = [{"functionCall": {"name": name, "args": {"n": at}}} for at, name in enumerate(["a", "b", "a"])]
    results = [{"functionResponse": {"name": name, "response": {"output": name}}} for name in ["a", "a", "b"]]
    body = {"contents": [*ASKED["contents"], {"role": "model", "parts": calls}, {"role": "user", "parts": results}]}
    first, second = gemini.decode_request(body), gemini.decode_request(body)
    assert first == second
    made = [part.id for part in first.messages[1].parts if isinstance(part, ToolCall)]
    answered = [part.call_id for part in first.messages[2].parts if isinstance(part, ToolResult)]
    assert len(set(made)) == 3 and answered == [made[0], made[2], made[1]]
    other = gemini.decode_request({"contents": [{"role": "user", "parts": [{"text": "Else"}]}, body["contents"][1]]})
    assert not {part.id for part in other.messages[1].parts if isinstance(part, ToolCall)} & set(made)
    longer = {"contents": [*body["contents"], {"role": "model", "parts": [{"text": "Done"}]}]}
    assert gemini.decode_request(longer).messages[:3] == first.messages


def test_a_result_whose_id_was_lost_finds_the_call_that_has_one() -> None:
    call = {"functionCall": {"id": "toolu_1", "name": "a", "args": {}}}
    result = {"functionResponse": {"name": "a", "response": {"result": "x"}}}
    contents = [*ASKED["contents"], {"role": "model", "parts": [call]}, {"role": "user", "parts": [result]}]
    request = gemini.decode_request({"contents": contents})
    assert request.messages[2].parts == (ToolResult("toolu_1", (Text("x"),), name="a"),)


def test_pieces_of_a_streamed_turn_become_one_turn() -> None:
    pieces = [{"role": "model", "parts": [{"text": text}]} for text in ("Hel", "lo")]
    request = gemini.decode_request({"contents": [*ASKED["contents"], *pieces, *ASKED["contents"], *ASKED["contents"]]})
    assert [message.role for message in request.messages] == ["user", "assistant", "user", "user"]
    assert request.messages[1].parts == (Text("Hel"), Text("lo"))


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ('{"a": 1}', {"a": 1}),
        ("[1]", {"output": "[1]"}),
        ("{oops", {"output": "{oops"}),
        ("{}", {"output": "{}"}),
        ("", {"output": ""}),
    ],
)
def test_a_result_is_an_object(text: str, response: Any) -> None:
    parts = (Text(text),) if text else ()
    turns = (Message("assistant", (ToolCall("c", "go", ""),)), Message("tool", (ToolResult("c", parts),)))
    (written,) = encoded(Message("user", (Text("Go"),)), *turns)["contents"][2]["parts"]
    assert written["functionResponse"] == {"id": "c", "name": "go", "response": response}


def test_a_picture_in_a_result_is_refused_before_gemini_3() -> None:
    result = ToolResult("c", (Image(data="iVBORw0KGgo="),), name="go")
    with pytest.raises(TranslationError, match="before Gemini 3") as caught:
        encoded(Message("tool", (result,)), model="gemini-2.5-pro")
    assert caught.value.field == "messages[0].content[0]"
    written = encoded(Message("tool", (result,)), model="gemini-3-pro")["contents"][0]["parts"][0]
    assert written["functionResponse"]["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]


# ---- media


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Image(url="gs://bucket/a.jpg"), {"fileUri": "gs://bucket/a.jpg", "mimeType": "image/jpeg"}),
        (Image(url="https://example.com/a"), {"fileUri": "https://example.com/a"}),
        (
            Document(file_id="files/x", media_type="application/pdf"),
            {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x", "mimeType": "application/pdf"},
        ),
    ],
)
def test_what_google_fetches_itself_goes_by_its_address(part: Part, expected: Any) -> None:
    assert encoded(Message("user", (part,)))["contents"][0]["parts"] == [{"fileData": expected}]


@pytest.mark.parametrize(
    ("part", "model"),
    [
        (Image(url="http://example.com/a.png"), "gemini-3-pro"),
        (Image(url="file:///etc/passwd"), "gemini-3-pro"),
        (Document(file_id="file-of-openai"), "gemini-3-pro"),
        (Image(url="https://example.com/a.png"), "gemini-2.0-flash"),
        (Audio(id="audio_1"), "gemini-3-pro"),
    ],
)
def test_what_google_cannot_fetch_is_refused(part: Part, model: str) -> None:
    with pytest.raises(TranslationError) as caught:
        encoded(Message("user", (part,)), model=model)
    assert caught.value.field == "messages[0].content[0]"


def test_what_we_have_no_word_for_comes_back_as_it_was() -> None:
    parts = [
        {"fileData": {"fileUri": "https://youtu.be/x"}, "videoMetadata": {"fps": 2}},
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
        {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "id": "a"}, "thoughtSignature": "MQ=="},
        {"inlineData": {"mimeType": "video/mp4", "data": "AA=="}},
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}, "thought": True},
    ]
    body = {"contents": [{"role": "user", "parts": parts}, {"role": "model", "parts": parts}]}
    assert gemini.encode_request(gemini.decode_request(body)) == body
    with pytest.raises(TranslationError, match="fileData"):
        anthropic_messages.encode_request(gemini.decode_request(body))


def test_an_empty_prompt_is_still_a_turn() -> None:
    assert encoded(Message("system", (Text("Joke."),))) == {
        "contents": [{"role": "user", "parts": [{"text": ""}]}],
        "systemInstruction": {"parts": [{"text": "Joke."}]},
    }


# ---- tools, choice, schemas


def test_what_a_request_holds_beyond_our_words_comes_back_where_it_was() -> None:
    body = {
        **ASKED,
        "tools": [
            {"googleSearch": {}},
            {
                "functionDeclarations": [
                    {"name": "f", "behavior": "BLOCKING", "parametersJsonSchema": {"type": "object"}}
                ]
            },
        ],
        "toolConfig": {
            "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "g"]},
            "includeServerSideToolInvocations": True,
        },
        "generationConfig": {"speechConfig": {"languageCode": "de-DE"}, "responseModalities": ["AUDIO"]},
        "safetySettings": [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/x",
        "labels": {"team": "red"},
        "serviceTier": "flex",
    }
    request = gemini.decode_request(body)
    assert gemini.encode_request(request) == body
    with pytest.raises(TranslationError) as caught:
        anthropic_messages.encode_request(request._replace(tools=()))
    assert caught.value.field in ("service_tier", "safetySettings")


@pytest.mark.parametrize(
    ("config", "choice", "strict", "written"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto"), None, {"mode": "AUTO"}),
        ({"mode": "NONE"}, ToolChoice("none"), None, {"mode": "NONE"}),
        ({"mode": "any"}, ToolChoice("required"), None, {"mode": "ANY"}),
        ({"mode": 2}, ToolChoice("required"), None, {"mode": "ANY"}),
        (
            {"mode": "ANY", "allowed_function_names": ["a"]},
            ToolChoice("tool", "a"),
            None,
            {"mode": "ANY", "allowedFunctionNames": ["a"]},
        ),
        ({"mode": "ANY", "allowedFunctionNames": ["b", "a"]}, ToolChoice("required"), None, {"mode": "ANY"}),
        ({"mode": "VALIDATED"}, ToolChoice("auto"), True, {"mode": "VALIDATED"}),
        ({"mode": "MODE_UNSPECIFIED"}, None, None, None),
        ({}, None, None, None),
    ],
)
def test_every_mode_of_calling_has_a_word(
    config: Any, choice: ToolChoice | None, strict: bool | None, written: Any
) -> None:
    tools = [{"function_declarations": [{"name": "a"}, {"name": "b"}]}]
    request = gemini.decode_request({**ASKED, "tools": tools, "tool_config": {"function_calling_config": config}})
    assert (request.tool_choice, request.tools[0].strict, request.extra) == (choice, strict, {})
    assert gemini.encode_request(request).get("toolConfig", {}).get("functionCallingConfig") == written


def test_a_strict_tool_asks_for_valid_calls() -> None:
    tools = (Tool("a", parameters={"type": "object"}, strict=True),)
    turn = Message("user", (Text("Go"),))
    assert encoded(turn, tools=tools)["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert "toolConfig" not in encoded(turn, tools=tools, model="gemini-2.0-flash")
    forced = encoded(turn, tools=tools, tool_choice=ToolChoice("required"))
    assert forced["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}


def test_another_type_of_answer_stays_as_it_was_asked_for() -> None:
    config = {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["a", "b"]}}
    request = gemini.decode_request({**ASKED, "generationConfig": config})
    assert request.response_format is None
    assert gemini.encode_request(request)["generationConfig"] == config


def test_plain_json_needs_no_schema() -> None:
    request = gemini.decode_request({**ASKED, "generation_config": {"response_mime_type": "application/json"}})
    assert request.response_format == ResponseFormat("json_object")
    assert gemini.encode_request(request)["generationConfig"] == {"responseMimeType": "application/json"}


# ---- thinking


@pytest.mark.parametrize(
    ("wanted", "model", "expected"),
    [
        (Thinking(effort="low"), "gemini-2.5-pro", {"thinkingBudget": 1024, "includeThoughts": True}),
        (Thinking(effort="max"), "gemini-3-flash", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (Thinking(effort="medium"), "gemini-3-pro-preview", {"thinkingLevel": "HIGH", "includeThoughts": True}),
        (Thinking(effort="medium"), "gemini-3.1-pro", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        (Thinking(effort="none"), "gemini-2.5-flash", {"thinkingBudget": 0}),
        (Thinking(enabled=False), "gemini-2.5-pro", {"thinkingBudget": 128}),
        (Thinking(enabled=False), "gemini-3-flash", {"thinkingLevel": "MINIMAL"}),
        (Thinking(enabled=False), "gemini-3.5-pro", {"thinkingLevel": "LOW"}),
        (Thinking(enabled=True), "gemini-2.5-flash", {"thinkingBudget": -1, "includeThoughts": True}),
        (Thinking(enabled=True), "gemini-flash-latest", {"includeThoughts": True}),
        (Thinking(True, budget=4), "gemini-2.5-flash-lite", {"thinkingBudget": 512, "includeThoughts": True}),
        (Thinking(True, budget=9000), "gemini-3-flash", {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        (Thinking(True, budget=9000, summary="omitted"), "gemini-2.5-flash", {"thinkingBudget": 9000}),
        (Thinking(effort="high"), "gemini-2.0-flash", None),
    ],
)
def test_thinking_is_asked_for_in_the_models_own_measure(wanted: Thinking, model: str, expected: Any) -> None:
    body = encoded(Message("user", (Text("Go"),)), model=model, thinking=wanted, dialect="openai_chat")
    assert body.get("generationConfig", {}).get("thinkingConfig") == expected


@pytest.mark.parametrize(
    "config",
    [
        {"thinkingBudget": 0},
        {"thinkingBudget": -1, "includeThoughts": True},
        {"thinkingBudget": 512, "includeThoughts": False},
        {"thinkingLevel": "XHIGH"},
        {"includeThoughts": True},
    ],
)
def test_what_gemini_says_of_thinking_comes_back(config: Any) -> None:
    request = gemini.decode_request({**ASKED, "generationConfig": {"thinkingConfig": config}})
    assert gemini.encode_request(request)["generationConfig"]["thinkingConfig"] == config
