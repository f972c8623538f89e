"""The dialects that only targets speak: every recording read as its file says, however it is cut, and no nonsense."""

from __future__ import annotations

import contextlib
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mini_llm import dialects
from mini_llm.errors import ConfigError, MiniLLMError, TruncatedError, UpstreamError
from mini_llm.types import Delta
from tests.dialects.reading import decoded, each, meaning, streamed_meaning
from tests.dialects.targets import Recording, raw_meaning, recordings

ALL = recordings()
ANSWERS = [item for item in ALL if item.status == 200]
STREAMS = [item for item in ANSWERS if item.streams]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@each(item for item in ANSWERS if not item.streams)
def test_an_answer_says_what_its_file_says(recording: Recording) -> None:
    response = dialects.of_target(recording.dialect).decode_response(recording.response["body"])
    assert meaning(response) == raw_meaning(recording)


@each(STREAMS)
def test_a_stream_says_what_its_file_says_however_it_is_cut(recording: Recording) -> None:
    draw = random.Random(recording.name)
    deltas = decoded(recording.dialect, recording.raw)
    assert streamed_meaning(deltas) == raw_meaning(recording)
    for size in (1, 7, 97):
        assert decoded(recording.dialect, recording.raw, range(0, len(recording.raw), size)) == deltas
    for _ in range(10):
        cuts = [draw.randrange(len(recording.raw)) for _ in range(40)]
        assert decoded(recording.dialect, recording.raw, cuts) == deltas


@each(STREAMS)
def test_a_stream_that_is_cut_off_is_never_whole(recording: Recording) -> None:
    whole = finishes(decoded(recording.dialect, recording.raw))
    for end in range(0, len(recording.raw), max(len(recording.raw) // 50, 1)):
        into: list[Any] = []
        try:
            decoded(recording.dialect, recording.raw[:end], into=into)
        except UpstreamError:
            assert not finishes(into), "it ended as if it were whole, and then did not"
        else:
            assert finishes(into) == whole


def finishes(deltas: list[Delta]) -> list[str]:
    return [delta.finish_reason for delta in deltas if delta.finish_reason]


@each(item for item in ALL if item.status != 200)
def test_a_recorded_error_becomes_the_right_class(recording: Recording) -> None:
    dialect = dialects.of_target(recording.dialect)
    error = dialect.decode_error(recording.status, recording.response["headers"], recording.raw)
    expected = {400: "RejectedError", 401: "AuthError", 403: "AuthError", 404: "ModelMissingError"}
    named = {"invalid-model": "ModelMissingError"}
    kind = next((kind for part, kind in named.items() if part in recording.name), expected[recording.status])
    assert type(error).__name__ == kind, error.message
    assert error.upstream_status == recording.status
    assert error.message and "said nothing" not in error.message


@each(ANSWERS)
def test_a_damaged_answer_raises_nothing_but_our_errors(recording: Recording) -> None:
    draw = random.Random(recording.name)
    for _ in range(60):
        raw = bytearray(recording.raw)
        for _ in range(draw.randrange(1, 4)):
            raw[draw.randrange(len(raw))] = draw.randrange(256)
        with contextlib.suppress(MiniLLMError):
            if recording.streams:
                decoded(recording.dialect, bytes(raw))
            else:
                with contextlib.suppress(json.JSONDecodeError, UnicodeDecodeError):
                    dialects.of_target(recording.dialect).decode_response(json.loads(raw))


@pytest.mark.parametrize("name", dialects.TARGET_NAMES)
@settings(max_examples=150, deadline=None)
@given(value=JSON, raw=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_nonsense_raises_nothing_but_our_errors(name: str, value: Any, raw: bytes, cuts: list[int]) -> None:
    dialect = dialects.of_target(name)
    with contextlib.suppress(MiniLLMError):
        dialect.decode_response(value)
    with pytest.raises(MiniLLMError):
        decoded(name, raw, cuts)
    assert isinstance(dialect.decode_error(500, {}, raw), UpstreamError)


@pytest.mark.parametrize("name", dialects.TARGET_NAMES)
def test_an_empty_stream_is_a_cut_one(name: str) -> None:
    with pytest.raises(TruncatedError):
        decoded(name, b"")


@pytest.mark.parametrize("name", dialects.TARGET_NAMES)
def test_callers_do_not_speak_what_only_targets_speak(name: str) -> None:
    with pytest.raises(ConfigError, match="no dialect called"):
        dialects.get(name)
    assert name == dialects.of_target(name).NAME
