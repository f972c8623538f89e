"""windows: a day is what people in a zone call a day, whatever the clocks do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.errors import ConfigError
from mini_llm.ledger.entries import Period
from mini_llm.ledger.windows import FOREVER, window_at, zone_named

DAY = 86_400
ZONES = sorted(available_timezones() - {"localtime"})
PERIODS: tuple[Period, ...] = ("daily", "weekly", "monthly")


def instant(text: str, zone: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def changes(zone: ZoneInfo, year: int) -> Iterator[float]:
    """Yield the days of a year on which the clocks of *zone* are set."""
    start = datetime(year, 1, 1, tzinfo=UTC)
    offsets = [(start + timedelta(days=day)).astimezone(zone).utcoffset() for day in range(367)]
    for day in range(366):
        if offsets[day] != offsets[day + 1]:
            yield (start + timedelta(days=day)).timestamp()


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)], ids=["spring", "autumn", "summer"]
)
def test_a_day_may_have_23_or_25_hours(day: str, hours: int) -> None:
    window = window_at("daily", instant(f"{day}T12:00", "Europe/Berlin"), ZoneInfo("Europe/Berlin"))
    assert window.starts == instant(f"{day}T00:00", "Europe/Berlin")
    assert window.ends - window.starts == hours * 3600


def test_a_week_begins_on_monday_and_a_month_on_its_first() -> None:
    noon = instant("2026-02-28T12:00", "Asia/Kathmandu")
    zone = ZoneInfo("Asia/Kathmandu")
    assert window_at("weekly", noon, zone).starts == instant("2026-02-23T00:00", "Asia/Kathmandu")
    assert window_at("monthly", noon, zone).starts == instant("2026-02-01T00:00", "Asia/Kathmandu")
    assert window_at("monthly", noon, zone).ends == instant("2026-03-01T00:00", "Asia/Kathmandu")
    assert window_at("total", noon, zone) == (0, 0.0, FOREVER)


def test_a_day_without_midnight_begins_when_the_clocks_were_set() -> None:
    zone = "America/Sao_Paulo"  # 2018-11-04: after 23:59:59 comes 01:00
    window = window_at("daily", instant("2018-11-04T12:00", zone), ZoneInfo(zone))
    assert window.starts == instant("2018-11-04T01:00", zone)
    assert window.ends - window.starts == 23 * 3600


@pytest.mark.parametrize("year", [2018, 2026])
def test_around_every_change_of_every_zone_windows_follow_each_other(year: int) -> None:
    seen = 0
    for name in ZONES:
        zone = ZoneInfo(name)
        for day in changes(zone, year):
            seen += 1
            for period in PERIODS:
                windows = [window_at(period, day + hour * 1800, zone) for hour in range(-48, 145)]
                for window, later in pairwise(windows):
                    assert later == window or (later.id > window.id and later.starts == window.ends), (name, day)
                assert all(window.starts % 900 == 0 for window in windows), name
    assert seen > 100


@given(st.sampled_from(ZONES), st.floats(0, 4e9), st.floats(0, 4e9), st.sampled_from(PERIODS))
def test_numbers_grow_with_time_and_windows_hold_their_instants(
    name: str, first: float, second: float, period: Period
) -> None:
    zone = ZoneInfo(name)
    early, late = sorted((first, second))
    before, after = window_at(period, early, zone), window_at(period, late, zone)
    assert before.id <= after.id or late - early < 2 * DAY
    assert before.starts - DAY <= early <= before.ends + DAY


def test_no_name_is_the_systems_own_zone_and_a_wrong_one_is_told() -> None:
    assert zone_named("") is None
    assert window_at("daily", 1e9).starts == datetime.fromtimestamp(1e9).replace(hour=0, minute=0, second=0).timestamp()
    for wrong in ("Europe/Atlantis", "../../etc/passwd", "x\0y", "Europe"):
        with pytest.raises(ConfigError, match="there is no time zone"):
            zone_named(wrong)
