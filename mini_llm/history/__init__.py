"""What was asked and answered, kept on this machine where the user turned it on; nowhere else, and not otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mini_llm.history.entries import Conversation, Heard, Hit, Kept, new_id
from mini_llm.history.writer import History

if TYPE_CHECKING:
    from mini_llm.history.sqlite import Store

__all__ = ["FILE", "Conversation", "Heard", "History", "Hit", "Kept", "new_id", "open_store"]

FILE = "history.db"  # in the data folder


def open_store(file: Path) -> Store:
    """Open the conversations kept in *file*, making it if need be."""
    from mini_llm.history.sqlite import Store  # the driver is loaded with the first conversation, not at start-up

    return Store(file)
