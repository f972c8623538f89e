"""Every recorded request, whoever's client sent it, asked of the dialects that only targets speak."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest

from mini_llm import dialects
from mini_llm.dialects import mistral
from mini_llm.errors import TranslationError, UsageError
from mini_llm.types import ChatRequest, Message, Opaque, Reasoning, Text
from tests.dialects.reading import Recording, each, recordings

ALL = recordings()
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def asked(recording: Recording, target: str, model: str) -> tuple[ChatRequest, dict[str, Any]] | None:
    """Return the request and its body in the dialect *target*; None if one of them refuses it by name."""
    try:
        request = dialects.get(recording.dialect).decode_request(recording.request)._replace(model=model)
        request, _ = dialects.without(request, ("parallel_tool_calls", "user", "seed"), dialect=target)
        return request, dialects.of_target(target).encode_request(request)
    except UsageError:
        return None
    except TranslationError as error:
        assert error.field and error.field in error.message and error.hint
        return None


@pytest.mark.parametrize("target", dialects.TARGET_NAMES)
@each(ALL)
def test_a_request_is_said_whole_or_refused_by_name(recording: Recording, target: str) -> None:
    if (found := asked(recording, target, CLAUDE)) is None:
        return
    request, body = found
    told = json.dumps(body, ensure_ascii=False)
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, Text) and part.text.strip():
                assert json.dumps(part.text.strip(), ensure_ascii=False)[1:-1] in told
    for tool in request.tools:
        never = request.tool_choice and request.tool_choice.mode == "none"  # none is left out then
        assert never or tool.raw or json.dumps(tool.name)[1:-1] in told


@each(ALL)
def test_what_bedrock_is_asked_fits_amazons_own_model_of_it(recording: Recording) -> None:
    session = pytest.importorskip("botocore.session")
    validate = pytest.importorskip("botocore.validate")
    found = asked(recording, "bedrock_converse", CLAUDE)
    if found is None:
        return
    shape = session.Session().get_service_model("bedrock-runtime").operation_model("Converse").input_shape
    report = validate.ParamValidator().validate({**found[1], "modelId": CLAUDE}, shape)
    assert not report.has_errors(), report.generate_report()
    turns = [turn["role"] for turn in found[1]["messages"]]
    assert all(one != other for one, other in itertools.pairwise(turns)), "two turns of one side"


@each(ALL)
def test_what_mistral_is_asked_has_ids_and_turns_as_it_takes_them(recording: Recording) -> None:
    found = asked(recording, "mistral", "mistral-large-latest")
    if found is None:
        return
    messages = found[1]["messages"]
    ids = [call["id"] for message in messages for call in message.get("tool_calls", ())]
    results = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    assert all(re.fullmatch(r"[a-zA-Z0-9]{9}", one) for one in (*ids, *results))
    assert set(results) <= set(ids) or not ids
    for before, after in itertools.pairwise(messages):
        assert (before["role"], after["role"]) != ("tool", "user")
    assert not {"seed", "stream_options", "max_completion_tokens", "user"} & found[1].keys()


def test_an_id_for_mistral_is_always_the_same_and_its_own_stay() -> None:
    made = mistral.identity("toolu_01A09q90qw90lq917835lq9")
    assert made == mistral.identity("toolu_01A09q90qw90lq917835lq9") != mistral.identity("toolu_2")
    assert mistral.identity("5mwsDGMph") == "5mwsDGMph"
    assert len({mistral.identity(f"call_{at}") for at in range(10_000)}) == 10_000


def test_thoughts_go_only_to_those_who_can_read_them() -> None:
    signed = Reasoning("Hm.", signature="x", dialect="anthropic_messages")
    strange = Reasoning(encrypted="y", dialect="openai_responses")
    hidden = Opaque("gemini", {"executableCode": {}})
    turn = Message("assistant", (signed, strange, hidden, Text("Hello")))
    request = ChatRequest(CLAUDE, (Message("user", (Text("Hi"),)), turn, Message("user", (Text("And?"),))))
    told = {name: json.dumps(dialects.of_target(name).encode_request(request)) for name in dialects.TARGET_NAMES}
    assert '"signature": "x"' in told["bedrock_converse"]
    for name in ("cohere", "mistral"):
        assert "Hm." not in told[name]
    for body in told.values():
        assert "executableCode" not in body and '"y"' not in body
