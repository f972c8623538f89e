"""Every recorded exchange in its own dialect: streams however they are cut, requests, and what errors become."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mini_llm import dialects
from mini_llm.errors import ContentFilterError, RejectedError, UpstreamError
from tests.dialects.reading import (
    Recording,
    decoded,
    each,
    errs,
    raw_meaning,
    recordings,
    streamed_meaning,
)

ALL = recordings()
ANSWERS = [item for item in ALL if item.status == 200 and not errs(item)]
NOT_TAKEN = "ddt-anthropic-completion-error"  # recorded to be refused: a message that is a string


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


@each(item for item in ALL if NOT_TAKEN not in item.name)
def test_a_request_is_written_as_it_was_read(recording: Recording) -> None:
    dialect = dialects.get(recording.dialect)
    request = dialect.decode_request(recording.request)
    if "document_url" in str(recording.request):
        pytest.skip("Mistral's own, which its dialect for targets writes")
    again = dialect.decode_request(dialect.encode_request(request))
    assert again._replace(messages=()) == request._replace(messages=())
    if not recording.name.startswith("mistral/"):  # its sound is a bare string, which becomes OpenAI's object
        assert again.messages == request.messages


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
