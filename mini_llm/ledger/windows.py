"""Days, weeks and months as people in a zone count them. Pure: instants come in, windows go out.

A window is found from the instant's local date, which is never ambiguous: a day of 23 or 25 hours is one day.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo

from mini_llm.errors import ConfigError
from mini_llm.ledger.entries import Period, Window

FOREVER = 1e12


def zone_named(name: str) -> tzinfo | None:
    """Return the zone of that name, None for "", the system's own."""
    if not name:
        return None
    from zoneinfo import ZoneInfo  # 4 ms, and most people budget by their own clock

    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise ConfigError(
            f'there is no time zone "{name[:60]}"', hint='use a name like "Europe/Berlin", or leave it out'
        ) from None


def window_at(period: Period, instant: float, zone: tzinfo | None = None) -> Window:
    """Return the window of *period* that *instant* (Unix seconds) lies in."""
    if period == "total":
        return Window(0, 0.0, FOREVER)
    day = day_of(instant, zone)
    if period == "daily":
        return _window(day.toordinal(), day, day + timedelta(days=1), zone)
    if period == "weekly":
        monday = day - timedelta(days=day.weekday())
        return _window(monday.toordinal(), monday, monday + timedelta(days=7), zone)
    first = day.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return _window(first.year * 12 + first.month, first, following, zone)


def day_of(instant: float, zone: tzinfo | None = None) -> date:
    """Return the date on the calendar in *zone*; None is the system's zone."""
    return datetime.fromtimestamp(instant, zone).date()  # the system's zone is meant


def midnight(day: date, zone: tzinfo | None = None) -> float:
    """Return the instant at which *day* begins; the first, where clocks are set back over midnight."""
    return datetime.combine(day, time(), zone).timestamp()


def _window(number: int, first: date, after: date, zone: tzinfo | None) -> Window:
    return Window(number, midnight(first, zone), midnight(after, zone))
