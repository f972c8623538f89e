"""Refuse what a wire format cannot say, in the same words for each."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mini_llm.errors import TranslationError
from mini_llm.types import ChatRequest, Opaque, Part

# Extra fields that are said in words of types.py as well.
_SAID_ELSEWHERE = frozenset({"thinking", "output_config", "reasoning", "reasoning_effort"})
_HINT = "leave it out, or choose a model of another provider"


class Refusing:
    """What one wire format has no words for; *speech* is what people call it."""

    def __init__(self, name: str, speech: str) -> None:
        self._name = name
        self._speech = speech

    def error(self, field: str, why: str = "") -> TranslationError:
        """Return the error for *field*, the path of something that cannot be said."""
        reason = f": {why}" if why else ""
        return TranslationError(f"{field} cannot be said in {self._speech}{reason}", field=field, hint=_HINT)

    def part(self, part: Part, field: str) -> TranslationError:
        """Return the error for a *part* of a message that has no place in it."""
        if isinstance(part, Opaque):
            return self.error(field, f"only {part.dialect} understands a {part.raw.get('type', 'block')}")
        return self.error(field, f"{type(part).__name__} has no place here")

    def fields(self, request: ChatRequest, names: Iterable[str]) -> None:
        """Raise for the first of *names* that *request* sets to something that matters."""
        for name in names:
            if getattr(request, name) not in (None, 0, 0.0, False, "", ()):
                raise self.error(name)
        if (request.n or 1) > 1:
            raise self.error("n", "one answer a request")

    def foreign(self, request: ChatRequest, known: Collection[str] = ()) -> None:
        """Raise for the first field of another dialect that stands in *request* and has no word in ours."""
        if request.dialect in ("", self._name):
            return
        if request.metadata:
            raise self.error("metadata")
        if request.service_tier not in ("", "auto", "default"):
            raise self.error("service_tier")
        for name, value in request.extra.items():
            if name in _SAID_ELSEWHERE or name in known or not value or (name, value) == ("modalities", ["text"]):
                continue
            raise self.error(name)
