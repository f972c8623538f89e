"""What a check found: one line."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from mini_llm.errors import MiniLLMError

State = Literal["ok", "warning", "problem"]


class Finding(NamedTuple):
    """One line. `what` says how it is, `mend` is the command or the step that helps."""

    name: str
    state: State
    what: str
    mend: str = ""

    @classmethod
    def of(cls, name: str, error: MiniLLMError) -> Finding:
        """Return *error* as a problem."""
        return cls(name, "problem", error.message, error.hint)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values; the keys are stable."""
        return self._asdict()
