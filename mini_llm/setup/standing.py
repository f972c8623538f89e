"""How each tool stands: is it here, was it set up, and does that still hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from mini_llm.setup import TOOLS, detect, find, record, writing
from mini_llm.setup.record import Record
from mini_llm.setup.tool import Place, Tool


class Standing(NamedTuple):
    """One tool. `way` is how it gets to the gateway: setup, run, env, by hand or not at all; `stale` says why."""

    tool: Tool
    installed: Path | None
    way: str
    configured: bool
    stale: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values; the keys are stable."""
        return {
            "tool": self.tool.name,
            "title": self.tool.title,
            "installed": str(self.installed) if self.installed else None,
            "way": self.way,
            "configured": self.configured,
            "stale": self.stale,
        }


def every(home: Path, place: Place, url: str) -> list[Standing]:
    """Return how all tools stand; *url* is where the gateway is, "" if nobody knows."""
    return [one(find(name), home, place, url) for name in TOOLS]


def one(tool: Tool, home: Path, place: Place, url: str) -> Standing:
    """Return how one tool stands."""
    kept = record.read(home, tool.name)
    return Standing(
        tool, detect.installed(tool, place), _way(tool), kept is not None, stale(kept, url) if kept is not None else ""
    )


def stale(kept: Record, url: str) -> str:
    """Return why a set-up no longer holds, "" if it does."""
    if url and kept.url != url:
        return f"the gateway has moved: {kept.url} is now {url}"
    if not Path(kept.helper[0]).is_file():
        return f"mini-llm has moved: there is no {kept.helper[0]}"
    return next((why for why in map(writing.stands, kept.written) if why), "")


def _way(tool: Tool) -> str:
    if tool.refused:
        return "none"
    if tool.changes is not None:
        return "setup"
    if tool.start is not None:
        return "run" if tool.programs else "env"
    return "by hand"
