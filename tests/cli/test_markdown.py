"""Markdown cut into blocks, and painted."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mini_llm.cli.markdown import Block, Blocks, Painter

TEXT = """\
# Title
Intro that
goes on.

- one
  more of one
- two

  still two
- three

1. first
2. second
Lazy line.

| a | b |
|---|---|
| 1 | 2 |

```python
def f():

    return 1
```
After.
~~~
open"""


def _blocks(*chunks: str) -> list[Block]:
    blocks = Blocks()
    found = [block for chunk in chunks for block in blocks.feed(chunk)]
    return found + blocks.close()


def _painted(text: str, *, color: bool = False) -> str:
    written: list[str] = []
    painter = Painter(written.append, width=40, color=color)
    painter.feed(text)
    painter.close()
    return "".join(written)


def test_each_block_comes_once_and_whole() -> None:
    assert _blocks(TEXT) == [
        Block("prose", "# Title"),
        Block("prose", "Intro that\ngoes on."),
        Block("item", "- one\n  more of one"),
        Block("item", "- two\n\n  still two"),
        Block("item", "- three\n"),
        Block("item", "1. first"),
        Block("item", "2. second\nLazy line.\n"),
        Block("prose", "| a | b |\n|---|---|\n| 1 | 2 |"),
        Block("code", "def f():"),
        Block("code", ""),
        Block("code", "    return 1"),
        Block("end", ""),
        Block("prose", "After."),
        Block("code", "open"),
    ]


def test_a_line_of_code_does_not_wait_for_the_end_of_its_block() -> None:
    blocks = Blocks()
    assert blocks.feed("```\nx = 1\ny") == [Block("code", "x = 1")]


def test_a_fence_inside_an_item_stays_in_it() -> None:
    assert _blocks("- run\n  ```\n  ls\n  ```\n- next\n") == [
        Block("item", "- run\n  ```\n  ls\n  ```"),
        Block("item", "- next"),
    ]


def test_a_shorter_fence_does_not_close_a_longer_one() -> None:
    assert _blocks("````\n```\n````\n") == [Block("code", "```"), Block("end", "")]


@given(st.lists(st.integers(1, len(TEXT)), max_size=6))
def test_where_the_stream_is_cut_changes_nothing(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(TEXT)]
    chunks = [TEXT[start:end] for start, end in pairwise(places)]
    assert _blocks(*chunks) == _blocks(TEXT)


def test_painted_it_reads_well_without_styles() -> None:
    assert _painted(TEXT) == (
        "Title\n\nIntro that goes on.\n\n • one more of one\n • two\n   still two\n • three\n\n"
        " 1 first\n 2 second Lazy line.\n\n a  b\n ────\n 1  2\n\ndef f():\n\n    return 1\n\nAfter.\n\nopen\n"
    )


def test_links_are_written_out() -> None:
    assert _painted("see [here](https://example.com/a)") == "see here (https://example.com/a)\n"
    assert "\x1b]8" not in _painted("see [here](https://example.com/a)", color=True)


def test_nothing_is_painted_for_nothing() -> None:
    assert _painted("") == ""
    assert _painted("\n\n") == ""


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.booleans())
def test_no_answer_can_drive_the_terminal(text: str, color: bool) -> None:
    painted = re.sub(r"\x1b\[[0-9;]*m", "", _painted(text, color=color))
    assert not [letter for letter in painted if ord(letter) < 32 and letter not in "\n\t"]
    assert not [letter for letter in painted if 127 <= ord(letter) < 160]
