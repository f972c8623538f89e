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


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"name": "Rex", "age": 3}', ""),
        ('{"name": "Rex"}', "'age' is a required property (at $)"),
        ('{"name": "Rex", "age": 3, "tail": 1}', "Additional properties are not allowed"),
        ('{"name": 1, "age": 3}', "1 is not of type 'string' (at $.name)"),
        ('```json\n{"name": "Rex", "age": 3}\n```', "it is not JSON"),
        ('{"name": "Rex", "age": NaN}', "it is not JSON"),
        ("", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
    ],
)
def test_an_answer_fits_or_it_is_said_why_not(text: str, why: str) -> None:
    told = shape.misfit(text, shape.schema("name, age int"))
    assert told.startswith(why)
    assert bool(told) is bool(why)


def test_a_schema_reaches_nowhere_outside() -> None:
    assert "which is not in it" in shape.misfit("1", {"$ref": "http://127.0.0.1:9/schema.json"})
    assert "which is not in it" in shape.misfit("1", {"$ref": "file:///etc/passwd"})


def test_what_is_no_schema_is_told_with_its_place() -> None:
    with pytest.raises(UsageError, match=r"'objekt' is not valid .*\(at \$\.properties\.a\.type\)"):
        shape.check({"properties": {"a": {"type": "objekt"}}})
    shape.check({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"})
