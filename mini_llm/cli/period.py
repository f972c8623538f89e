"""The time that `--since` and `--until` name. Pure: the clock and the zone are handed in."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, tzinfo
from typing import NamedTuple

from mini_llm.errors import UsageError
from mini_llm.ledger.windows import FOREVER, day_of, midnight

USUAL = "30d"
KNOWN = "a date like 2026-11-01, a time like 2026-11-01T14:00, 7d, today, yesterday, week, month, year or all"


class Period(NamedTuple):
    """From one instant up to but without another, in Unix seconds; `words` tell it to people."""

    since: float
    until: float
    words: str


def period(since: str, until: str, now: float, zone: tzinfo | None) -> Period:
    """Return the time from the start of what *since* names to the end of what *until* names."""
    today = day_of(now, zone)
    first = 0.0 if since == "all" else _ends("--since", since or USUAL, today, zone)[0]
    last = FOREVER if until in ("", "all") else _ends("--until", until, today, zone)[1]
    if first >= last:
        raise UsageError(
            f"nothing lies between --since {since or USUAL} and --until {until}", hint="name an earlier --since"
        )
    begin = "the beginning" if since == "all" else _said(first, zone)
    return Period(first, last, f"{begin} to {'now' if last == FOREVER else _said(last - 1, zone)}")


def begins(flag: str, word: str, now: float, zone: tzinfo | None) -> float:
    """Return the instant at which what *word* names begins; errors name *flag*."""
    return _ends(flag, word, day_of(now, zone), zone)[0]


def _ends(flag: str, word: str, today: date, zone: tzinfo | None) -> tuple[float, float]:
    """Return the instants at which what *word* names begins and ends."""
    try:
        if days := _days(word, today):
            return midnight(days[0], zone), midnight(days[1] + timedelta(days=1), zone)
        instant = datetime.fromisoformat(word)
        instant = instant if instant.tzinfo else instant.replace(tzinfo=zone)
        return instant.timestamp(), instant.timestamp()
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{flag} cannot be {word[:40]}", hint=KNOWN) from None


def _days(word: str, today: date) -> tuple[date, date] | None:
    """Return the first and the last day of what *word* names, None if that is no day; today counts as a day."""
    firsts = {
        "today": today,
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
        "year": today.replace(month=1, day=1),
    }
    if word in firsts:
        return firsts[word], today
    if word == "yesterday":
        return today - timedelta(days=1), today - timedelta(days=1)
    if re.fullmatch(r"[1-9]\d{0,5}d", word):
        return today - timedelta(days=int(word[:-1]) - 1), today
    if re.fullmatch(r"\d{4}-\d\d-\d\d", word):
        return date.fromisoformat(word), date.fromisoformat(word)
    return None


def _said(instant: float, zone: tzinfo | None) -> str:
    day = day_of(instant, zone)
    begins = instant in (midnight(day, zone), midnight(day + timedelta(days=1), zone) - 1)
    return f"{day}" if begins else f"{datetime.fromtimestamp(instant, zone):%Y-%m-%d %H:%M}"
