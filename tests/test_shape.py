"""Shapes written in a line."""

from __future__ import annotations

import pytest

from mini_llm import shape
from mini_llm.errors import UsageError


def test_fields_have_types_lists_and_meanings() -> None:
    assert shape.schema("name, age int, tags [str], score float: from 0 to 1\nalive: bool, scores: [int]") == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "score": {"type": "number", "description": "from 0 to 1"},
            "alive": {"type": "boolean"},
            "scores": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["name", "age", "tags", "score", "alive", "scores"],
        "additionalProperties": False,
    }


def test_a_list_without_a_type_holds_strings() -> None:
    assert shape.schema("tags []")["properties"]["tags"] == {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize("text", ["", " , ", "1name", "name whatever", "name str str", "a b c d", "na me: x", "{}"])
def test_what_is_no_shape_is_told_with_the_field(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        shape.schema(text)
    assert caught.value.hint
