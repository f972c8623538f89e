"""Which models go on with an answer that is begun for them, and how they are told to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from mini_llm.types import NOTHING, Json


@dataclass(frozen=True, slots=True)
class Continues:
    """What a provider's file says under `continues`.

    `models` are patterns (`*` is any run of letters). `path` replaces the usual one; `message` goes into the last
    message, which is the beginning of the answer, and `body` into the request. With `repeats` the answer has that
    beginning in it again.
    """

    models: tuple[str, ...] = ()
    path: str = ""
    message: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    body: Mapping[str, Any] = field(default_factory=lambda: NOTHING)
    repeats: bool = False

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Continues:
        """Return what *table* says, which was checked."""
        return cls(**{**table, "models": tuple(table.get("models", ()))})

    def takes(self, model: str) -> bool:
        """Whether *model* goes on with an answer that is begun for it."""
        return any(fnmatchcase(model, pattern) for pattern in self.models)

    def told(self, body: Json) -> Json:
        """Return *body*, whose last message is the beginning of the answer, as the provider wants it then."""
        if self.message:
            *before, last = body["messages"]
            body = {**body, "messages": [*before, {**last, **self.message}]}
        return {**body, **self.body}


def problem(table: Mapping[str, Any]) -> str:
    """Return what is wrong with *table* as `continues`, "" if nothing is."""
    kinds = {"models": list, "path": str, "message": dict, "body": dict, "repeats": bool}
    for key, value in table.items():
        if key not in kinds:
            return f"`continues` has no `{key}`; it has {', '.join(kinds)}"
        if not isinstance(value, kinds[key]):
            return f"`continues.{key}` can't be {value!r}"
    models = table.get("models")
    if not models or not all(isinstance(pattern, str) for pattern in models):
        return "`continues` needs `models`, a list of patterns"
    return ""
