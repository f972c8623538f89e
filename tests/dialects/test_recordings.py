"""Every recorded exchange: read, compared with a plain reading of the file, written, and read again."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mini_llm import dialects
from mini_llm.errors import ContentFilterError, RejectedError, TranslationError, UpstreamError, UsageError
from mini_llm.types import ChatRequest, Message, Opaque, Reasoning, Text, ToolCall, ToolResult
from tests.dialects import strict
from tests.dialects.reading import (
    Meaning,
    Recording,
    decoded,
    each,
    encoded,
    errs,
    meaning,
    raw_meaning,
    recordings,
    streamed_meaning,
)

ALL = recordings()
ANSWERS = [item for item in ALL if item.status == 200 and not errs(item)]
NOT_TAKEN = "ddt-anthropic-completion-error"  # recorded to be refused: a message that is a string


@each(item for item in ANSWERS if not item.streams)
def test_an_answer_says_what_its_file_says(recording: Recording) -> None:
    response = dialects.get(recording.dialect).decode_response(recording.response["body"])
    assert meaning(response) == raw_meaning(recording)


@each(item for item in ANSWERS if item.streams)
def test_a_stream_says_what_its_file_says_however_it_is_cut(recording: Recording) -> None:
    draw = random.Random(recording.name)
    deltas = decoded(recording.dialect, recording.raw)
    assert streamed_meaning(deltas) == raw_meaning(recording)
    for size in (1, 7, 97):
        assert decoded(recording.dialect, recording.raw, range(0, len(recording.raw), size)) == deltas
    cuts = [draw.randrange(len(recording.raw)) for _ in range(40)]
    assert decoded(recording.dialect, recording.raw, cuts) == deltas
    assert decoded(recording.dialect, recording.raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r"), cuts) == deltas


@pytest.mark.parametrize("target", dialects.NAMES)
@each(ANSWERS)
def test_an_answer_means_the_same_in_every_dialect(recording: Recording, target: str) -> None:
    source, other = dialects.get(recording.dialect), dialects.get(target)
    if recording.streams:
        deltas = decoded(recording.dialect, recording.raw)
        raw = encoded(target, deltas)
        strict.check(target, raw)
        assert comparable(streamed_meaning(decoded(target, raw))) == comparable(streamed_meaning(deltas))
    else:
        response = source.decode_response(recording.response["body"])
        again = other.decode_response(other.encode_response(response))
        assert comparable(meaning(again)) == comparable(meaning(response))


def comparable(what: Meaning) -> Meaning:
    """Return *what* without what Anthropic has no word for: refusals are text there, and usage is always told."""
    return what._replace(text=what.text + what.refusal, refusal="", usage=what.usage or (0, 0, 0))


@each(item for item in ALL if NOT_TAKEN not in item.name)
def test_a_request_is_written_as_it_was_read(recording: Recording) -> None:
    dialect = dialects.get(recording.dialect)
    request = dialect.decode_request(recording.request)
    again = dialect.decode_request(dialect.encode_request(request))
    assert again._replace(messages=()) == request._replace(messages=())
    if not recording.name.startswith("mistral/"):  # its sound is a bare string, which becomes OpenAI's object
        assert again.messages == request.messages


@pytest.mark.parametrize("target", dialects.NAMES)
@each(item for item in ALL if NOT_TAKEN not in item.name)
def test_a_request_asks_the_same_in_every_dialect_or_says_what_it_cannot(recording: Recording, target: str) -> None:
    request = dialects.get(recording.dialect).decode_request(recording.request)
    request, _ = dialects.without(request, (), dialect=target)
    try:
        body = dialects.get(target).encode_request(request)
    except TranslationError as error:
        assert error.field and error.field in error.message and error.hint
        return
    again = dialects.get(target).decode_request(body)
    assert asked(again) == asked(request)


def asked(request: ChatRequest) -> Any:
    """Return what a model would be told, leaving out what may differ between two dialects: where blocks begin."""
    told: list[tuple[str, str]] = []
    for message in request.messages:
        for part in sorted(message.parts, key=lambda part: isinstance(part, ToolCall)):
            if isinstance(part, Reasoning) or (isinstance(part, Opaque) and message.role == "assistant"):
                continue  # other models are not told
            entry = (side(message), type(part).__name__)
            if isinstance(part, Text):
                entry = (side(message), folded(part.text))
            elif isinstance(part, ToolCall):
                entry = (part.name, Meaning(calls=((part.id, part.name, part.arguments or "{}"),)).calls[0][1])
            elif isinstance(part, ToolResult):
                said = folded("".join(inner.text for inner in part.parts if isinstance(inner, Text)))
                entry = ("result", said.removeprefix("Error:"))
            if told and isinstance(part, Text) and told[-1][0] == entry[0]:
                told[-1] = (entry[0], told[-1][1] + entry[1])
            elif entry[1]:
                told.append(entry)
    tools = [(tool.name, tool.description, bool(tool.parameters)) for tool in request.tools if tool.raw is None]
    return told, tools, request.stop, request.temperature, request.response_format and request.response_format.schema


def folded(text: str) -> str:
    return "".join(text.split())


def side(message: Message) -> str:
    return "system" if message.role == "developer" else message.role


@each(item for item in ALL if item.status != 200)
def test_a_recorded_error_becomes_the_right_class(recording: Recording) -> None:
    dialect = dialects.get(recording.dialect)
    error = dialect.decode_error(recording.status, recording.response["headers"], recording.raw)
    expected = {401: "AuthError", 403: "AuthError", 429: "RateLimitError", 500: "ServerError"}.get(recording.status)
    if expected is None:
        too_long = "context-overflow" in recording.name or "context" in recording.name or "real-error" in recording.name
        missing = recording.status == 404 or "model-not-found" in recording.name
        expected = "ContextLengthError" if too_long else "ModelMissingError" if missing else "RejectedError"
        if "authentication-error" in recording.name:
            expected = "AuthError"
    assert type(error).__name__ == expected, error.message
    assert error.upstream_status == recording.status
    assert error.message and len(error.message) <= 500
    for name in dialects.NAMES:
        assert error.message in str(dialects.get(name).encode_error(error, request_id="r")["error"]["message"])


@each(item for item in ALL if item.status == 200 and errs(item))
def test_an_error_inside_a_200_is_an_error(recording: Recording) -> None:
    into: list[Any] = []
    with pytest.raises(UpstreamError) as caught:
        if recording.streams:
            decoded(recording.dialect, recording.raw, into=into)
        else:
            dialects.get(recording.dialect).decode_response(recording.response["body"])
    assert isinstance(caught.value, (ContentFilterError, RejectedError))
    assert bool(into) == recording.streams


@each(item for item in ALL if NOT_TAKEN in item.name)
def test_a_message_that_is_no_object_is_refused_by_name(recording: Recording) -> None:
    with pytest.raises(UsageError, match=r"messages\[0\]: must be an object"):
        dialects.get(recording.dialect).decode_request(recording.request)
