"""How each format is changed: to the letter where layout matters, and for any settings at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from mini_llm.setup import formats, tree
from mini_llm.setup.formats import FormatError
from mini_llm.setup.tree import ABSENT, ShapeError

ITEM = {"name": "ours", "n": 1}


@pytest.mark.parametrize(
    ("form", "path", "value", "before", "after"),
    [
        ("jsonc", ("a",), 1, "", '{\n  "a": 1\n}\n'),
        ("jsonc", ("a", "b"), 1, "{ // empty\n}\n", '{ // empty\n  "a": {\n    "b": 1\n  }\n}\n'),
        ("jsonc", ("[ours]",), ITEM, "", '[\n  {\n    "name": "ours",\n    "n": 1\n  }\n]\n'),
        (
            "jsonc",
            ("[ours]",),
            {"name": "ours"},
            '[\r\n\t{ "name": "a" } // first\r\n]\r\n',
            '[\r\n\t{ "name": "a" }, // first\r\n\t{\r\n\t\t"name": "ours"\r\n\t}\r\n]\r\n',
        ),
        ("toml", ("a",), 1, "# top\n[t]\nx = 1\n", "# top\na = 1\n\n[t]\nx = 1\n"),
        ("toml", ("t", "ours"), {"x": [1]}, "[t.a]\ny = 2", "[t.a]\ny = 2\n\n[t.ours]\nx = [1]\n"),
        ("yaml", ("a",), "b/c", "x: 1", "x: 1\n# >>> mini-llm\na: b/c\n# <<< mini-llm\n"),
        ("yaml", ("a",), "no", "a:   'x'  # why\r\n", 'a:   "no"  # why\r\n'),
        (
            "yaml",
            ("l", "[ours]"),
            {"name": "ours"},
            "l:\n  - name: a\n    # of a\n  # of l\nz: 1\n",
            "l:\n  - name: a\n    # of a\n  # >>> mini-llm\n  - name: ours\n  # <<< mini-llm\n  # of l\nz: 1\n",
        ),
        (
            "yaml",
            ("l", "[ours]"),
            {"name": "ours"},
            "l: []\n",
            "l:\n  # >>> mini-llm\n  - name: ours\n  # <<< mini-llm\n",
        ),
    ],
)
def test_a_value_is_put_where_it_belongs(form: str, path: tuple[str, ...], value: Any, before: str, after: str) -> None:
    found = formats.named(form)
    written = formats.put(found, before, path, value)
    assert written == after
    assert formats.put(found, written, path, value) == after
    if tree.get(found.parse(before), path) is ABSENT:  # what was there is put back, not taken out
        gone = formats.remove(found, written, path)
        assert tree.bare(found.parse(gone)) == tree.bare(tree.remove(found.parse(after), path))


@pytest.mark.parametrize(
    ("form", "text", "line"),
    [
        ("json", '{\n"a": 1, // no\n"b": 2}', 2),
        ("jsonc", '{\n\n"a": }', 3),
        ("jsonc", '{"a": NaN}', 1),
        ("toml", "a = 1\nb\n", 2),
        ("yaml", "a: 1\n b: 2\n", 2),
        ("yaml", "a: !!python/object/apply:os.system [id]\n", 1),
    ],
)
def test_what_is_no_such_format_is_told_with_its_line(form: str, text: str, line: int) -> None:
    with pytest.raises(FormatError) as caught:
        formats.named(form).parse(text)
    assert caught.value.line == line


def test_what_leaves_no_room_is_told() -> None:
    for form, text, path in (
        ("jsonc", '{"env": 1}', ("env", "A")),
        ("jsonc", '{"a": {}}', ("[ours]",)),
        ("toml", "t = 1\n", ("t", "a")),
        ("yaml", "l: text\n", ("l", "[ours]")),
        ("yaml", "- a\n", ("key",)),
    ):
        with pytest.raises((FormatError, ShapeError)):
            formats.put(formats.named(form), text, path, ITEM if tree.item(path[-1]) else 1)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="[]"), min_size=1, max_size=6)
LEAVES = st.booleans() | st.integers(-(2**31), 2**31) | st.text(st.characters(codec="utf-8"), max_size=8)
TREES = st.recursive(LEAVES, lambda below: st.dictionaries(NAMES, below, max_size=4) | st.lists(below, max_size=3))
OBJECTS = st.dictionaries(NAMES, TREES, max_size=5)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(tuple)


@settings(deadline=None, max_examples=60)
@given(OBJECTS, PATHS, LEAVES, st.sampled_from([None, 2, "\t"]))
def test_any_json_comes_back_as_it_was(values: Any, path: tuple[str, ...], value: Any, indent: Any) -> None:
    form = formats.named("jsonc")
    text = json.dumps(values, indent=indent, ensure_ascii=False)
    try:
        written = formats.put(form, text, path, value)
    except (FormatError, ShapeError):  # something that is no object stands on the way
        assert any(not isinstance(tree.get(values, path[:length]), dict | type(ABSENT)) for length in range(len(path)))
        return
    assert form.parse(written) == tree.put(values, path, value)
    if tree.get(values, path) is ABSENT:
        assert form.parse(formats.remove(form, written, path)) == tree.remove(tree.put(values, path, value), path)


@settings(deadline=None, max_examples=40)
@given(OBJECTS, PATHS, LEAVES)
def test_any_toml_keeps_what_it_said(values: Any, path: tuple[str, ...], value: Any) -> None:
    form = formats.named("toml")
    text = tomlkit.dumps(values)
    try:
        if form.parse(text) != values:
            return
        written = formats.put(form, text, path, value)
    except (FormatError, ShapeError):  # refused is as good as right: nothing would be written
        return
    assert tree.bare(form.parse(written)) == tree.bare(tree.put(values, path, value))
