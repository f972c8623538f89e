"""JSON with half a character in it, as it comes from whoever cuts text by UTF-16 units."""

from __future__ import annotations

import orjson
import pytest

from mini_llm import dialects
from mini_llm.dialects import calls, surrogates
from mini_llm.errors import ProtocolError, TruncatedError
from tests.dialects.reading import decoded


def chunk(text: str, finish: str = "null") -> bytes:
    choice = b'{"index":0,"delta":{"content":"%b"},"finish_reason":%b}' % (text.encode(), finish.encode())
    return b'data: {"id":"c","model":"m","choices":[%b]}\n\n' % choice


def said(*chunks: bytes) -> str:
    return "".join(delta.text for delta in decoded("openai_chat", b"".join(chunks)))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (rb'"\ud83d"', "\ufffd"),
        (rb'"a\uDE00b"', "a\ufffdb"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd🙂".replace("🙂", "😀")),
        (rb'"\\ud83d"', r"\ud83d"),
        (rb'"\\\ud83d\\"', "\\\ufffd\\"),
        (b'"caf\xc3"', "caf\ufffd"),
    ],
)
def test_half_a_character_becomes_a_replacement_and_the_rest_stays(raw: bytes, expected: str) -> None:
    assert surrogates.loads(raw) == expected


@pytest.mark.parametrize("raw", [b"", b"{", rb'{"a":"\ud83d"', rb'"\ud8"', b"\xff"])
def test_what_is_no_json_stays_an_error(raw: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        surrogates.loads(raw)


def test_a_character_split_over_two_events_is_joined() -> None:
    assert said(chunk(r"Hi \ud83d"), chunk(r"\ude00!"), chunk("", '"stop"')) == "Hi 😀!"


def test_a_half_whose_other_half_never_comes_is_replaced_and_holds_nothing_up() -> None:
    assert said(chunk(r"Hi \ud83d"), chunk("you"), chunk(r"\ude00"), chunk("", '"stop"')) == "Hi \ufffdyou\ufffd"
    assert said(chunk(r"Hi \ud83d", '"stop"')) == "Hi \ufffd"
    assert said(chunk(r"Hi \ud83d", '"stop"'), b"data: [DONE]\n\n") == "Hi \ufffd"


def test_three_events_in_a_row_may_end_in_a_half() -> None:
    ends = chunk(r"\ude00\ud83d")
    assert said(chunk(r"\ud83d"), ends, ends, chunk(r"\ude00"), chunk("", '"stop"')) == "😀😀😀"


@pytest.mark.parametrize("name", dialects.NAMES)
def test_a_half_in_a_stream_that_is_cut_does_not_hide_the_cut(name: str) -> None:
    with pytest.raises(TruncatedError):
        decoded(name, rb'data: {"candidates":[],"text":"\ud83d"')


@pytest.mark.parametrize("name", dialects.NAMES)
def test_broken_json_before_the_end_is_still_an_error(name: str) -> None:
    with pytest.raises(ProtocolError, match="not JSON"):
        decoded(name, b'data: {"a":"\\ud83d"\n\ndata: {}\n\n')


def test_arguments_with_half_a_character_are_still_an_object() -> None:
    assert calls.object_of(r'{"text":"cut \ud83d"}') == {"text": "cut \ufffd"}
