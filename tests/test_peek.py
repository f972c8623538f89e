"""Reading and replacing the model name of a body."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm import peek
from mini_llm.errors import UsageError

NAMES = st.sampled_from(["model", "stream", "mo", '"model"', 'x","model":"y', "\\", "é", ""]) | st.text(max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
BODIES = st.fixed_dictionaries({}, optional={"model": NAMES, "stream": st.booleans() | st.none()}).flatmap(
    lambda known: st.dictionaries(NAMES.filter(lambda name: name not in ("model", "stream")), VALUES, max_size=4).map(
        lambda other: {**other, **known}
    )
)
SPELLINGS = st.sampled_from(
    [
        lambda body: json.dumps(body).encode(),
        lambda body: json.dumps(body, ensure_ascii=False, indent=1).encode(),
        lambda body: json.dumps(body, separators=(",", ":")).encode(),
        lambda body: json.dumps(body).replace("m", "\\u006d").encode(),
        lambda body: json.dumps(body, separators=("\r\n,\t", " :\n ")).encode(),
    ]
)


@given(BODIES, SPELLINGS)
def test_peek_says_what_a_whole_parse_says(body: dict[str, Any], spelled: Any) -> None:
    assert peek.peek(spelled(body)) == (body.get("model"), body.get("stream"))


@given(BODIES, SPELLINGS, st.text(max_size=20))
def test_only_the_model_changes(body: dict[str, Any], spelled: Any, name: str) -> None:
    raw = spelled({**body, "model": body.get("model", "m")})
    replaced = peek.with_model(raw, name)
    assert json.loads(replaced) == {**json.loads(raw), "model": name}


@given(BODIES, st.text(max_size=20))
def test_replacing_back_gives_the_same_bytes(body: dict[str, Any], name: str) -> None:
    raw = json.dumps({**body, "model": "before"}, ensure_ascii=False).encode()
    assert peek.with_model(peek.with_model(raw, name), "before") == raw


def test_every_one_of_two_models_changes() -> None:
    raw = b'{"model":"a","tools":{"model":"inner"},"mod\\u0065l" : "b"}'
    assert peek.peek(raw).model == "b"
    assert peek.with_model(raw, "c") == b'{"model":"c","tools":{"model":"inner"},"mod\\u0065l" : "c"}'


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"null", b"[]", b'"model"', b"{", b'{"model":"a"', b'{"model":"a"} x', b'{"model":1}', b'{"model":[]}',
        b'{"stream":"yes"}', b'{"stream":1}', b"\xff\xfe", b'{"model":"\xff"}', b'{"model":"a",}', b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    ],
)  # fmt: skip
def test_what_is_no_sensible_object_is_refused(raw: bytes) -> None:
    with pytest.raises(UsageError):
        peek.peek(raw)


def test_a_body_without_a_model_cannot_get_one() -> None:
    with pytest.raises(UsageError, match="model: missing"):
        peek.with_model(b'{"tools":{"model":"inner"}}', "a")


@given(st.binary(max_size=60) | BODIES.map(lambda body: json.dumps(body).encode()[:-1]))
def test_no_bytes_make_it_fail_otherwise(raw: bytes) -> None:
    try:
        peek.peek(raw)
        peek.with_model(raw, "m")
    except UsageError:
        pass
