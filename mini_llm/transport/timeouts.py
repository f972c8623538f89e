"""How long each phase of an exchange may take."""

from __future__ import annotations

import math
from typing import NamedTuple

from mini_llm.errors import DeadlineError


class Timeouts(NamedTuple):
    """Seconds. `connect` ends with TLS, `first_byte` with the answer's first; `silence` is between two bytes.

    `content` begins with the exchange and ends when its reader says that content has come: bytes alone don't end it.
    """

    connect: float = 5.0
    first_byte: float = 120.0
    silence: float = 120.0
    total: float = 600.0
    content: float = math.inf

    def passed(self, phase: str, label: str) -> DeadlineError:
        """Return the error for a *phase* that took too long with the peer called *label*."""
        told = {
            "connect": f"no connection to {label} within {self.connect:.3g} s",
            "first byte": f"no answer from {label} within {self.first_byte:.3g} s",
            "silence": f"{label} fell silent for {self.silence:.3g} s",
            "first content": f"no content from {label} within {self.content:.3g} s",
            "total": f"{label} was not done after {self.total:.3g} s",
        }
        return DeadlineError(told[phase], phase=phase)
