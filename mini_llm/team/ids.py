"""Names for things: 128 random bits behind a word that says what is named."""

from __future__ import annotations

import secrets
from typing import Literal

Prefix = Literal["acc", "team", "mem", "key", "inv", "grant", "ses"]


def new(prefix: Prefix) -> str:
    """Return an id that nothing else has and nobody can guess."""
    return f"{prefix}_{secrets.token_hex(16)}"
