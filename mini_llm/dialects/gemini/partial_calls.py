"""Calls whose arguments stream, which Vertex does where a request asks for it: values come with the place they go to.

https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling (2026-11)
"""

from __future__ import annotations

import re
from typing import Any

from mini_llm.dialects import loose
from mini_llm.dialects.gemini.words import camel
from mini_llm.errors import ProtocolError
from mini_llm.types import Json, ToolCall

LONGEST_LIST = 10_000
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,5})\]|\[(?:'([^']*)'|\"([^\"]*)\")\]")
_VALUES = ("stringValue", "numberValue", "boolValue")


class PartialCall:
    """A call that is being told piece by piece."""

    def __init__(self, part: Json) -> None:
        call = loose.object_of(part.get("functionCall"))
        self._head = ToolCall(loose.text(call.get("id")), loose.text(call.get("name")), "")
        self._signature = ""
        self._arguments: Json = {}
        self._texts: dict[str, list[str]] = {}

    def add(self, part: Json) -> bool:
        """Take in a piece; return whether more will come."""
        call = camel(loose.object_of(part.get("functionCall")))
        self._signature = self._signature or loose.text(part.get("thoughtSignature"))
        self._arguments |= loose.object_of(call.get("args"))
        for piece in map(camel, loose.objects(call.get("partialArgs"))):
            path = loose.text(piece.get("jsonPath"))
            value = next((piece[name] for name in _VALUES if name in piece), None)
            if isinstance(value, str):
                self._texts.setdefault(path, []).append(value)
            else:
                self._put(path, value)
        return call.get("willContinue") is True

    def whole(self, made_up: str) -> ToolCall:
        """Return the call; *made_up* is its id if it has none."""
        for path, pieces in self._texts.items():
            self._put(path, "".join(pieces))
        arguments = loose.json_text(self._arguments)
        return self._head._replace(id=self._head.id or made_up, arguments=arguments, signature=self._signature)

    def _put(self, path: str, value: Any) -> None:
        steps = [int(index) if index else name or quoted or other for name, index, quoted, other in _STEP.findall(path)]
        if not path.startswith("$") or not steps:
            raise ProtocolError(f"a piece of a call goes to no place: {path[:80]!r}")
        place: Any = self._arguments
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            _make_room(place, step, path)
            if following is None:
                place[step] = value
            elif not isinstance(place[step], list if isinstance(following, int) else dict):
                place[step] = [] if isinstance(following, int) else {}
            place = place[step]


def _make_room(place: Any, step: int | str, path: str) -> None:
    if isinstance(place, dict) and isinstance(step, str):
        place.setdefault(step, None)
    elif isinstance(place, list) and isinstance(step, int) and step < LONGEST_LIST:
        place += [None] * (step + 1 - len(place))
    else:
        raise ProtocolError(f"a piece of a call goes to no place: {path[:80]!r}")
