"""The page of errors quotes what is really said, and links to pages that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^### `(.+)`$", PAGE, re.MULTILINE)
VARIES = re.compile(r"\b(?:[A-Z]{4,}|N)\b")
LEAST = 6


@pytest.fixture(scope="module")
def source() -> str:
    """Return all that the package could say."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "mini_llm").rglob("*.py")))


@pytest.mark.parametrize("quoted", QUOTED)
def test_every_error_on_the_page_is_one_that_is_said(quoted: str, source: str) -> None:
    fixed = [part.strip(" :") for part in VARIES.split(quoted)]
    told = [part for part in fixed if len(part) >= LEAST]
    assert told, "nothing is left of it that could be looked for"
    assert [part for part in told if part not in source] == []


@pytest.mark.parametrize("name", ["quickstart.md", "troubleshooting.md"])
def test_every_link_leads_to_a_page(name: str) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", page)
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
