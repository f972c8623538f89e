"""Sources of a text: flat objects with a place in it here, nested ones in chat completions."""

from __future__ import annotations

from collections.abc import Iterable

from mini_llm.dialects import loose
from mini_llm.types import Json

_OURS = frozenset({"url_citation", "file_citation", "container_file_citation", "file_path"})


def annotations_of(citations: Iterable[Json], end: int) -> list[Json]:
    """Return those of *citations* that can be said here, for a text of *end* characters."""
    return [found for citation in citations if (found := annotation_of(citation, end))]


def annotation_of(citation: Json, end: int) -> Json | None:
    """Return one source of a text of *end* characters; None if it cannot be said here."""
    nested = citation.get("url_citation")
    if citation.get("type") == "url_citation" and isinstance(nested, dict):
        return {"type": "url_citation", **nested}
    if loose.text(citation.get("type")) in _OURS:
        return citation
    if not (url := loose.text(citation.get("url"))):
        return None
    title = loose.text(citation.get("title"))
    return {"type": "url_citation", "start_index": 0, "end_index": end, "url": url, "title": title}
