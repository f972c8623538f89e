"""A ledger to look at: attempts on known days, written by the real ledger before the command runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mini_llm.ledger import Entry, Ledger, open_sqlite
from mini_llm.types import Usage

DOLLAR = 10**9
ENTRY = Entry(0.0, "ml-0", 1, "fast (priority): groq/llama", "groq", "llama", "ok", usage=Usage(1000, 50))


def at(day: str) -> float:
    """Return noon of *day*, in the zone in which the tests budget."""
    return datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=UTC).timestamp()


def booked(home: Path, *entries: Entry) -> Path:
    """Write *entries* into the ledger of *home*, each its own request; return the ledger's file."""
    file = home / "data" / "ledger.db"
    ledger = Ledger(lambda: open_sqlite(file))
    for number, entry in enumerate(entries):
        ledger.append(entry._replace(request_id=f"ml-{number}") if entry.request_id == "ml-0" else entry)
    ledger.close()
    return file
