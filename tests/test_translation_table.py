"""docs/translation.md: every cell of its tables is what really happens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mini_llm import dialects
from mini_llm.types import ChatRequest
from tests.translating import outcome
from tests.translation_rows import ROWS

DOCUMENT = Path(__file__).parent.parent / "docs" / "translation.md"
MINIMAL: dict[str, dict[str, Any]] = {
    "openai_chat": {"messages": [{"role": "user", "content": "Hi"}]},
    "openai_responses": {"input": "Hi"},
    "anthropic_messages": {"messages": [{"role": "user", "content": "Hi"}]},
    "gemini": {"contents": [{"parts": [{"text": "Hi"}]}]},
}


class Cell(NamedTuple):
    """One cell: `row` says what was asked for, `target` which column it is."""

    row: str
    target: str
    text: str

    @property
    def claims(self) -> list[tuple[str, Any]]:
        """What the body says: a path in it, and the JSON that stands there."""
        spans = re.findall(r"`([^`]+)`", self.text.partition("left out:")[0])
        return [(path, json.loads(value)) for path, _, value in (span.partition(": ") for span in spans)]

    @property
    def left_out(self) -> set[str]:
        """The names of what is left out."""
        return set(re.findall(r"`([^`]+)`", self.text.partition("left out:")[2]))


def cells(heading: str) -> list[Cell]:
    """Return the cells of the table under *heading*."""
    section = DOCUMENT.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    found = []
    for row, *columns in lines[2:]:  # after the head and the rule
        assert len(columns) == len(dialects.NAMES), row
        found += [Cell(row, target, text) for target, text in zip(dialects.NAMES, columns, strict=True)]
    return found


FATES = cells("What becomes of each field")
SPELLINGS = cells("How callers say it")


def at(body: Any, path: str) -> Any:
    """Return what stands at *path* of *body*."""
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        try:
            body = body[name] if name else body[int(index)]
        except (KeyError, IndexError, TypeError):
            return "nothing"
    return body


def test_every_row_has_a_sample_and_every_sample_a_row() -> None:
    assert [cell.row for cell in FATES[:: len(dialects.NAMES)]] == list(ROWS)


@pytest.mark.parametrize("cell", FATES, ids=lambda cell: f"{cell.row} → {cell.target}")
def test_a_cell_tells_what_happens(cell: Cell) -> None:
    row = ROWS[cell.row]
    for caller in row.callers:
        if caller != cell.target or len(row.callers) == 1:
            _prove(cell, *row.requests(caller, cell.target))


def _prove(cell: Cell, request: ChatRequest, plain: ChatRequest) -> None:
    found = outcome(request, cell.target)
    if cell.text.startswith("refused"):
        assert found.error is not None, found
        assert found.error.field and found.error.hint
        dropped = outcome(request, cell.target, (found.error.field,))
        assert (dropped.error is None) == (cell.text == "refused, unless dropped")
        assert dropped.error or found.error.field in dropped.dropped
        return
    assert found.error is None, found.error
    assert set(found.dropped) == cell.left_out
    assert [(path, at(found.body, path)) for path, _ in cell.claims] == cell.claims
    if not cell.claims:
        assert cell.left_out or cell.text == "—"
        assert found.body == outcome(plain, cell.target).body


def spellings() -> Iterator[Any]:
    """Yield each way in which a caller says a word."""
    for cell in SPELLINGS:
        for path, value in cell.claims:
            yield pytest.param(cell.row.strip("`"), cell.target, path, value, id=f"{cell.target}: {path} {value}")


@pytest.mark.parametrize(("said", "caller", "path", "value"), list(spellings()))
def test_a_caller_says_it_so(said: str, caller: str, path: str, value: Any) -> None:
    body = json.loads(json.dumps(MINIMAL[caller]))
    *outer, last = path.split(".")
    inner = body
    for name in outer:
        inner = inner.setdefault(name, {})
    inner[last] = value
    word, _, expected = said.partition(" = ")
    assert repr(getattr(dialects.get(caller).decode_request(body), word)) == expected
