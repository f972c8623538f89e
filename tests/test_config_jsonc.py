"""Reading JSON with comments, and changing one value in its text."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mini_llm.config import edits, jsonc
from mini_llm.config.jsonc import SyntaxProblem

NAMES = st.text(st.sampled_from('ab.é"\\ /*'), min_size=1, max_size=4)
SCALARS = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9) | st.text(max_size=8)
PLAIN = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
GAPS = st.lists(
    st.sampled_from(
        [
            " ",
            "  ",
            "\n",
            "\t",
            "\n  ",
            "// one\n",
            "/* two */",
            "/*\u00a0\u3000*/",
            "// blank at the end\u00a0\n",
            '/* "three", // */',
            '// "x": {,}\n',
        ]
    ),
    max_size=3,
).map("".join)


@st.composite
def documents(draw: st.DrawFn, depth: int = 0) -> str:
    """Draw JSON text with comments and trailing commas anywhere they may stand."""
    kind = draw(st.sampled_from(["object", "array", "scalar"])) if depth < 3 else "scalar"
    kind = "object" if depth == 0 else kind
    if kind == "scalar":
        return json.dumps(draw(SCALARS), ensure_ascii=draw(st.booleans()))
    inner = documents(depth=depth + 1)
    if kind == "array":
        parts = [draw(inner) for _ in range(draw(st.integers(0, 3)))]
    else:
        names = draw(st.lists(NAMES, max_size=3, unique=True))
        parts = [f"{json.dumps(name)}{draw(GAPS)}:{draw(GAPS)}{draw(inner)}" for name in names]
    body = ",".join(f"{draw(GAPS)}{part}{draw(GAPS)}" for part in parts)
    comma = f",{draw(GAPS)}" if parts and draw(st.booleans()) else ""
    opened, closed = "{}" if kind == "object" else "[]"
    return f"{opened}{draw(GAPS)}{body}{comma}{closed}"


FILES = st.builds(
    lambda before, text, after, ends: (before + text + after).replace("\n", ends),
    st.sampled_from(["", "\ufeff", "// top\n", "\n"]),
    documents(),
    GAPS,
    st.sampled_from(["\n", "\r\n", "\r"]),
)


def comments(text: str) -> Counter[str]:
    return Counter(found[1] for found in edits.COMMENT.finditer(text) if found[1])


def paths_of(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every path of an object's members, and one below each that does not exist yet."""
    found: list[tuple[str, ...]] = []
    if isinstance(value, dict):
        for name, below in value.items():
            found += [(*path, name), *paths_of(below, (*path, name))]
        found += [(*path, "new"), (*path, "new", "deep")]
    return [way for way in found if way not in ((), path)]


def with_value(tree: Any, path: tuple[str, ...], value: Any) -> Any:
    if not path:
        return value
    return {**tree, path[0]: with_value(tree.get(path[0], {}), path[1:], value)}


def without(tree: Any, path: tuple[str, ...]) -> Any:
    if len(path) == 1:
        return {name: below for name, below in tree.items() if name != path[0]}
    return {**tree, path[0]: without(tree[path[0]], path[1:])}


def problem(text: str) -> str:
    """What is said of a text, with its place."""
    with pytest.raises(SyntaxProblem) as caught:
        jsonc.parse(text)
    line, column = jsonc.position(jsonc.line_starts(text), caught.value.offset)
    return f"{line}:{column}: {caught.value.what}"


@settings(deadline=None)
@given(PLAIN)
def test_whatever_json_writes_is_read_as_json_reads_it(value: Any) -> None:
    text = json.dumps(value, indent=2)
    assert jsonc.parse(text).plain() == json.loads(text)


@settings(deadline=None)
@given(FILES)
def test_comments_and_trailing_commas_change_no_value(text: str) -> None:
    bare = edits.COMMENT.sub(lambda found: " " if found[1] else found[0], text).lstrip("\ufeff")
    strict = jsonc.parse(bare)
    assert jsonc.parse(text).plain() == strict.plain()


@settings(deadline=None, max_examples=300)
@given(FILES, st.data())
def test_setting_a_value_keeps_every_comment_and_changes_that_value_alone(text: str, data: st.DataObject) -> None:
    before = jsonc.parse(text).plain()
    path = data.draw(st.sampled_from(paths_of(before)))
    value = data.draw(PLAIN)
    after = edits.put(text, path, value)
    assert jsonc.parse(after).plain() == with_value(before, path, value)
    assert not comments(text) - comments(after)
    assert list(jsonc.parse(after).plain())[: len(before)] == list(before)
    if "\r\n" not in text.replace("\r\n", "") and "\n" not in text.replace("\r\n", ""):
        assert "\n" not in after.replace("\r\n", "") or "\n" not in text


@settings(deadline=None, max_examples=300)
@given(FILES, st.data())
def test_removing_a_value_keeps_everything_else(text: str, data: st.DataObject) -> None:
    before = jsonc.parse(text).plain()
    here = [path for path in paths_of(before) if path[-1] not in ("new", "deep")]
    if not here:
        return
    path = data.draw(st.sampled_from(here))
    node = jsonc.parse(text)
    for name in path:
        assert node.members is not None
        node = node.members[name].value
    inside = comments(text[node.start : node.end])
    after = edits.remove(text, path)
    assert after is not None
    assert jsonc.parse(after).plain() == without(before, path)
    assert not comments(text) - inside - comments(after) - between_key_and_value(text, path)


def between_key_and_value(text: str, path: tuple[str, ...]) -> Counter[str]:
    node = jsonc.parse(text)
    for name in path[:-1]:
        assert node.members is not None
        node = node.members[name].value
    assert node.members is not None
    member = node.members[path[-1]]
    return comments(text[member.start : member.value.start])


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        jsonc.parse(text)
    except SyntaxProblem as problem:
        assert 0 <= problem.offset <= len(text)
        line, column = jsonc.position(jsonc.line_starts(text), problem.offset)
        assert line >= 1 and column >= 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "1:1: the file is empty: write {} or delete it"),
        ("// only this", "1:13: the file is empty: write {} or delete it"),
        ('{\n  "a": 1\n  "b": 2\n}', "3:3: a comma or } is missing before this"),
        ('{"a": 1', "1:8: the file ends in the middle: the { on line 1 is never closed"),
        ('{"a": [1, 2', "1:12: the file ends in the middle: the [ on line 1 is never closed"),
        ('{"a":', "1:6: the file ends in the middle"),
        ('{"a', "1:2: this string is never closed"),
        ('{"a" 1}', "1:6: a colon is missing before this"),
        ("{a: 1}", "1:2: a key in double quotes should stand here"),
        ("{,}", "1:2: there is one comma too many"),
        ("{\"a\": 'x'}", "1:7: a string needs double quotes"),
        ('{"a": fast}', "1:7: a string needs double quotes"),
        ('{"a": True}', "1:7: write true, not True"),
        ('{"a": None}', "1:7: a string needs double quotes"),
        ('{"a": NaN}', "1:7: NaN is not a number in JSON"),
        ('{"a": -Infinity}', "1:7: -Infinity is not a number in JSON"),
        ('{"a": 1e999}', "1:7: this number is too large"),
        ('{"a": ' + "9" * 5000 + "}", "1:7: this number is too large"),
        ('{"a": 01}', "1:8: a comma or } is missing before this"),
        ('{"a": .5}', "1:7: a value should stand here"),
        ('{"a": "x\ny"}', "1:9: a string must not hold a line break or control character"),
        (r'{"a": "\x41"}', "1:8: this is no escape JSON knows; write \\\\ for a backslash"),
        (r'{"a": "\ud800"}', "1:7: this string holds half of a surrogate pair"),
        ("{} {}", "1:4: there is more text after the end"),
        ('{"a": 1} /* open', "1:10: this comment is never closed: */ is missing"),
        ('{\r\n"a": 1,\r\n"b" 2}', "3:5: a colon is missing before this"),
        ('\ufeff{"a" 1}', "1:6: a colon is missing before this"),
        ('{\n"key": 1,\n"x": 2,\n"key": 3}', '4:1: "key" stands twice: here and on line 2'),
        ("[" * 65 + "]" * 65, "1:65: nested deeper than 64 levels"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_column(text: str, told: str) -> None:
    assert problem(text) == told


def test_a_hundred_thousand_brackets_do_not_overflow_anything() -> None:
    assert "nested deeper" in problem('{"a":' * 100_000)


def test_a_text_of_a_megabyte_takes_linear_time() -> None:
    began = time.process_time()
    jsonc.parse("{" + "/* x */ // y\n" * 40_000 + '"a": [' + "1, " * 100_000 + "]}")
    problem("{" + "/*" * 300_000)
    problem('{"a": "' + "\\\\" * 300_000)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("before", "path", "value", "after"),
    [
        ("{}\n", "a", 1, '{\n  "a": 1\n}\n'),
        ('{\n  "a": 1\n}\n', "b", 2, '{\n  "a": 1,\n  "b": 2\n}\n'),
        ('{\n  "a": 1,\n}\n', "b", 2, '{\n  "a": 1,\n  "b": 2,\n}\n'),
        ('{\n  "a": 1 // one\n}\n', "b", 2, '{\n  "a": 1, // one\n  "b": 2\n}\n'),
        ('{\n  "a": 1, // one\n  // last\n}\n', "b", 2, '{\n  "a": 1, // one\n  // last\n  "b": 2,\n}\n'),
        ('{\r\n\t"a": 1\r\n}', "b.c", 2, '{\r\n\t"a": 1,\r\n\t"b": {\r\n\t\t"c": 2\r\n\t}\r\n}'),
        ('{"a": 1}', "b", 2, '{"a": 1, "b": 2}'),
        ('{"a": {"x": 1} }', "a.y", [1, "z"], '{"a": {"x": 1, "y": [1, "z"]} }'),
        ('{\n    "a": {}\n}', "a.b", 1, '{\n    "a": {\n        "b": 1\n    }\n}'),
        ('{\n  "a": 1, // one\n  "b": 2\n}', "a", "x", '{\n  "a": "x", // one\n  "b": 2\n}'),
        ('{\n  "a": {\n    // why\n    "b": 1\n  }\n}', "a", 1, '{\n  // why\n  "a": 1\n}'),
        ('\ufeff{\n  "a": 1\n}', "a", 2, '\ufeff{\n  "a": 2\n}'),
        ('{\n  "a": "//x" /* y */\n}', "a", 2, '{\n  "a": 2 /* y */\n}'),
    ],
)
def test_a_set_value_looks_like_what_stands_around_it(before: str, path: str, value: Any, after: str) -> None:
    assert edits.put(before, tuple(path.split(".")), value) == after


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ('{\n  "a": 1,\n  "b": 2\n}\n', "a", '{\n  "b": 2\n}\n'),
        ('{\n  "a": 1,\n  "b": 2\n}\n', "b", '{\n  "a": 1\n}\n'),
        ('{\n  "a": 1,\n  "b": 2,\n}\n', "b", '{\n  "a": 1,\n}\n'),
        ('{\n  "a": 1, // one\n  "b": 2 // two\n}\n', "b", '{\n  "a": 1 // one\n  // two\n}\n'),
        ('{"a": 1, "b": 2, "c": 3}', "a", '{"b": 2, "c": 3}'),
        ('{"a": 1, "b": 2, "c": 3}', "b", '{"a": 1, "c": 3}'),
        ('{"a": 1, "b": 2, "c": 3}', "c", '{"a": 1, "b": 2}'),
        ('{"a": 1}', "a", "{}"),
        ('{\r\n  "a": 1\r\n}', "a", "{\r\n}"),
        ('{\n  "a": {\n    "x": 1,\n    "y": 2\n  }\n}', "a.x", '{\n  "a": {\n    "y": 2\n  }\n}'),
    ],
)
def test_a_removed_value_leaves_no_gap(before: str, path: str, after: str) -> None:
    assert edits.remove(before, tuple(path.split("."))) == after


def test_removing_what_is_not_there_says_so() -> None:
    assert edits.remove('{"a": {"b": 1}}', ("a", "c")) is None
    assert edits.remove('{"a": 1}', ("a", "c")) is None
