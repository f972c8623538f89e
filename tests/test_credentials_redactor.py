"""No text that passes the redactor shows a secret, in whatever form it travels."""

from __future__ import annotations

import base64
import json
import string
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.credentials import Redactor

SECRETS = st.text(string.ascii_letters + string.digits + '-_.~+/=:"\\%&', min_size=8, max_size=40)
AROUND = st.text(max_size=20)


def redactor(*values: str) -> Redactor:
    made = Redactor()
    for value in values:
        made.learn(value)
    return made


@given(SECRETS, AROUND, AROUND)
def test_a_seen_secret_never_comes_through(secret: str, before: str, after: str) -> None:
    ours = redactor(secret)
    for form in (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]):
        assert form not in ours.redact(before + form + after)


@given(SECRETS, st.binary(max_size=6), st.binary(max_size=6))
def test_nor_in_base64_between_other_bytes(secret: str, before: bytes, after: bytes) -> None:
    coded = base64.b64encode(before + secret.encode() + after).decode()
    shown = redactor(secret).redact(coded)
    assert len(secret) < 9 or "[redacted]" in shown
    for piece in shown.split("[redacted]"):
        assert len(piece) < len(coded) - len(secret) or len(secret) < 9


def test_a_secret_within_another_is_hidden_with_it() -> None:
    assert redactor("abcdefgh", "abcdefgh-ijkl").redact("x abcdefgh-ijkl y") == "x [redacted] y"


def test_short_words_are_not_taken_for_secrets() -> None:
    assert redactor("test", "").redact("a test") == "a test"


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-AbCdEf0123456789_-x",
        "sk-ant-api03-0123456789abcdef",
        "gsk_0123456789abcdefghij",
        "pk-lf-0123456789abcdef",
        "xai-0123456789abcdefghij",
        "AIzaSyA0123456789abcdefghijklmnopqrstuv",
        "hf_abcdefghijklmnopqrst",
        "nvapi-0123456789abcdefghij",
        "ghp_0123456789abcdefghij0123456789abcdef",
        "github_pat_0123456789abcdef_0123456789",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1",
        "ml-0123456789abcdef0123456789abcdef0123",
    ],
)
def test_what_looks_like_a_key_is_hidden_unseen(secret: str) -> None:
    for text in (secret, f"Incorrect API key provided: {secret}.", f'{{"key":"{secret}"}}', f"url?x={secret}&y"):
        assert secret not in Redactor().redact(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc123def456", "Authorization: Bearer [redacted]"),
        ("authorization: basic dXNlcjpwYXNz", "authorization: basic [redacted]"),
        ("x-api-key: 0123456789ab", "x-api-key: [redacted]"),
        ('"api_key": "0123456789ab"', '"api_key": "[redacted]"'),
        ("GET /v1?key=abcd1234&alt=sse", "GET /v1?key=[redacted]&alt=sse"),
        ("http://user:pass@proxy:3128/", "http://[redacted]@proxy:3128/"),
    ],
)
def test_what_stands_where_keys_stand_is_hidden(text: str, shown: str) -> None:
    assert Redactor().redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "bearer authentication is required, basic information too",
        "no api_key: incorrect",
        "request ml-0123456789abcdef01234567 took 3 s",
        "openai/gpt-5.5 via task-force-of-the-world, https://api.openai.com/v1/chat?alt=sse",
        "risk-free-and-disk-space-for-everyone",
        "claude-opus-4-8, llama-3.3-70b-versatile, text-embedding-3-large",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert Redactor().redact(text) == text


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    Redactor().redact(text)


def test_a_value_of_half_characters_is_no_trouble() -> None:
    assert redactor("abc\udc80defgh").redact("x abc\udc80defgh") == "x [redacted]"


def test_long_hostile_texts_take_linear_time() -> None:
    ours = redactor("sk-0123456789", "another-secret-value")
    began = time.process_time()
    for piece in ("sk-", "://a", "Bearer a", "eyJaaaaaaaa.", "?key=", "aB", "api_key: ", "a@", " "):
        ours.redact(piece * (200_000 // len(piece)))
    assert time.process_time() - began < 5


@given(SECRETS, st.integers(8, 40))
def test_where_a_text_was_shortened_no_beginning_of_a_secret_is_left(secret: str, size: int) -> None:
    assert secret[:size] not in redactor(secret).redact(f"wrong key {secret[:size]}…")
